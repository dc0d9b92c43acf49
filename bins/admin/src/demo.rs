//! `rowhouse-admin demo`: data to try things with.

use std::error::Error;

use ::settings::Environment;
use auth::{Password, PasswordThreads};
use clap::Subcommand;

use crate::Refused;
use crate::database::Database;
use crate::settings::Settings;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Adds the demo tenants that are missing, with a published password. Connects with
    /// DATABASE_URL as it is, and never in production.
    Seed,
}

pub(crate) fn run(
    command: &Command,
    database: &Database,
    settings: &Settings,
    environment: Environment,
) -> Result<(), Box<dyn Error>> {
    let Command::Seed = command;
    if environment == Environment::Production {
        let why = "the demo's password is published: it does not go into production";
        return Err(Refused(why.to_owned()).into());
    }
    let mut owner = database.owner()?;
    let passwords = PasswordThreads::new(settings.auth.passwords())?;
    let password = Password::parse_new(store::demo::PASSWORD)?;
    let hash = futures_executor::block_on(passwords.hash(password))?;
    let added = owner.seed_demo(&hash)?;
    println!(
        "{added} of {} demo tenants were missing and are there now",
        store::demo::TENANTS.len()
    );
    Ok(())
}

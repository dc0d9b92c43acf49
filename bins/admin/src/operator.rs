//! `rowhouse-admin operator`: who may use the platform's API.

use std::error::Error;

use clap::Subcommand;
use domain::Email;
use store::OpsDb;

use crate::Refused;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes the account with this address an operator of the platform.
    Add {
        /// The login address of a personal account.
        #[arg(value_parser = Email::parse)]
        email: Email,
    },
}

pub(crate) fn run(command: &Command, ops: &mut OpsDb) -> Result<(), Box<dyn Error>> {
    let Command::Add { email } = command;
    if !ops.add_operator(email)? {
        let why = format!("nobody has registered as {email} yet");
        return Err(Refused(why).into());
    }
    println!("{email} is an operator");
    Ok(())
}

//! `rowhouse-admin`: what an administrator of the whole system does from the console.
//!
//! Exit codes: 0 done, 1 refused, 2 it could not run: bad usage, no such tenant, no database.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command talks to its console"
)]

mod audit;
mod database;
mod demo;
mod job;
mod key;
mod operator;
mod settings;
mod tenant;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::database::Database;

/// Administers the tenants of Rowhouse. It connects as rowhouse_ops to the database of
/// DATABASE_URL (or with database.ops_url); without one, to the PostgreSQL of the home folder
/// (ROWHOUSE_HOME).
#[derive(Debug, Parser)]
#[command(name = "rowhouse-admin", version)]
struct Arguments {
    /// Writes JSON instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Creates, shows and changes tenants.
    #[command(subcommand)]
    Tenant(tenant::Command),
    /// Who may use the platform's API.
    #[command(subcommand)]
    Operator(operator::Command),
    /// The audit trail: examines it, signs it, hands it out.
    #[command(subcommand)]
    Audit(audit::Command),
    /// What workers have to do, and what they gave up.
    #[command(subcommand)]
    Job(job::Command),
    /// The keys under which servers seal their requests. Connects with DATABASE_URL as it is.
    #[command(subcommand)]
    Key(key::Command),
    /// Data to try things with.
    #[command(subcommand)]
    Demo(demo::Command),
}

/// The command was understood, and is not done.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rowhouse-admin: {}", chain(error.as_ref()));
            ExitCode::from(if error.is::<Refused>() { 1 } else { 2 })
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let (settings, environment) = settings::load()?;
    // An export proves itself: no database is looked for.
    if let Command::Audit(audit::Command::Verify(verify)) = &arguments.command
        && let Some(file) = &verify.export
    {
        return audit::verify_export(file, verify, arguments.json);
    }
    let database = Database::open(&settings.database)?;
    match &arguments.command {
        Command::Tenant(command) => {
            let invitation_ends = settings.auth.invitation_ends(chrono::Utc::now());
            tenant::run(
                command,
                &mut database.ops()?,
                invitation_ends,
                &settings.plans.into(),
                arguments.json,
            )
        }
        Command::Audit(command) => audit::run(command, &database, &settings.audit, arguments.json),
        Command::Job(command) => job::run(command, &mut database.ops()?, arguments.json),
        Command::Operator(command) => operator::run(command, &mut database.ops()?),
        Command::Key(command) => key::run(command, &database, &settings, arguments.json),
        Command::Demo(command) => demo::run(command, &database, &settings, environment),
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        let more = more.split_whitespace().collect::<Vec<_>>().join(" ");
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

//! `rowhouse-migrate`: the schema, the roles, and whether both still hold.
//!
//! Exit codes: 0 clean, 1 a finding or nothing to do that was asked for, 2 it could not run.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command talks to its console"
)]

mod database;
mod mutate;
mod settings;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use store::OwnerDb;
use store::access::Asked;
use tenant_db::verify::Report;

use crate::database::Database;

/// Prepares and checks the database of Rowhouse. It connects with DATABASE_URL as it is; without
/// one, with the PostgreSQL of the home folder (ROWHOUSE_HOME).
#[derive(Debug, Parser)]
#[command(name = "rowhouse-migrate", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes roles and rights, at the level that DATABASE_URL's role can reach, runs all pending migrations, registers the seal keys.
    Up,
    /// Reverts the newest migration; exit code 1, and nothing done, where rows would be lost that
    /// nobody has agreed to lose.
    Down {
        #[command(flatten)]
        agreed: Agreed,
    },
    /// Reverts the newest migration and runs it again, under the same condition.
    Redo {
        #[command(flatten)]
        agreed: Agreed,
    },
    /// Lists the migrations; exit code 1 when some are pending.
    Status,
    /// Roles, schemas and rights without a migration.
    Bootstrap {
        /// Writes the SQL instead, for a database administrator to read and run. It is the same for
        /// each level: it asks who runs it.
        #[arg(long)]
        print: bool,
    },
    /// Checks that every guard is in place; exit code 1 when one is not.
    Verify {
        /// Writes one JSON object instead of text.
        #[arg(long, conflicts_with = "policies")]
        json: bool,
        /// Also compares the rows of the tables that triggers keep from others, such as what the database
        /// knows of sessions: reads all of both.
        #[arg(long, conflicts_with_all = ["policies", "mutate"])]
        rows: bool,
        /// Prints all policies instead, in the text of docs/policies.txt.
        #[arg(long)]
        policies: bool,
        /// Copies the schema to a scratch database, breaks one guard after the other there, and demands
        /// that each is noticed; then sends two canary tenants through every tenant table. Exit code 1
        /// when something survives or gets through, 2 when it could not be tried. Needs pg_dump, and a
        /// superuser, or at level managed the database's owner with CREATEDB, who leaves out what only a
        /// superuser can break, and says how much; nothing of the cluster is touched.
        #[arg(long, conflicts_with_all = ["json", "policies"])]
        mutate: bool,
        /// With --mutate: only this table. Can be given more than once.
        #[arg(long = "table", requires = "mutate")]
        tables: Vec<String>,
    },
    /// Says why a member sees a row, or does not; exit code 1 when not, 2 when there is no such tenant
    /// or table.
    ExplainAccess {
        /// The tenant's slug or id.
        #[arg(long)]
        tenant: String,
        /// Who asks: an e-mail address, or the id of an account or of a user.
        #[arg(long)]
        actor: String,
        /// The table.
        #[arg(long)]
        table: String,
        /// The row's id.
        #[arg(long)]
        id: String,
        /// Whether the member could change the row, and not only read it.
        #[arg(long = "for", value_parser = ["update"])]
        for_what: Option<String>,
    },
}

/// What somebody has said about what is lost.
#[derive(Debug, clap::Args)]
struct Agreed {
    /// The version of the migration, once it was said which rows it takes with it: nothing brings them
    /// back.
    #[arg(long, value_name = "VERSION")]
    confirm: Option<String>,
}

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    match run(&Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("rowhouse-migrate: {}", chain(error.as_ref()));
            ExitCode::from(2)
        }
    }
}

fn run(command: &Command) -> Result<ExitCode, Box<dyn Error>> {
    if let Command::Bootstrap { print: true } = command {
        print!("{}", store::bootstrap::sql());
        return Ok(ExitCode::SUCCESS);
    }
    let database = Database::open(&settings::load()?)?;
    let mut owner = OwnerDb::connect(&database.url)?;
    match command {
        Command::Up => up(&mut owner, &database),
        Command::Down { agreed } => down(&mut owner, agreed),
        Command::Redo { agreed } => match down(&mut owner, agreed)? {
            ExitCode::SUCCESS => up(&mut owner, &database),
            refused => Ok(refused),
        },
        Command::Status => status(&mut owner),
        Command::Bootstrap { .. } => {
            let replaced = owner.bootstrap(&database.passwords)?;
            println!("level {}", owner.level()?);
            print_replaced(&replaced);
            Ok(ExitCode::SUCCESS)
        }
        Command::Verify { policies: true, .. } => {
            print!("{}", owner.policies()?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Verify {
            mutate: true,
            tables,
            ..
        } => {
            let code = told(&owner.verify()?, false)?;
            if code == ExitCode::SUCCESS {
                mutate::mutate(&database.url, owner.level()?, tables)
            } else {
                Ok(code)
            }
        }
        Command::Verify {
            rows: true, json, ..
        } => told(&owner.verify_with_rows()?, *json),
        Command::Verify { json, .. } => told(&owner.verify()?, *json),
        Command::ExplainAccess {
            tenant,
            actor,
            table,
            id,
            for_what,
        } => explain_access(
            &mut owner,
            &Asked {
                tenant: tenant.clone(),
                actor: actor.clone(),
                table: table.clone(),
                id: id.clone(),
                for_update: for_what.is_some(),
            },
        ),
    }
}

fn up(owner: &mut OwnerDb, database: &Database) -> Result<ExitCode, Box<dyn Error>> {
    let done = owner.up(&database.passwords, &database.seal_keys)?;
    println!("level {}", owner.level()?);
    print_replaced(&done.replaced_passwords);
    for migration in &done.migrations {
        println!("up    {migration}");
    }
    if done.migrations.is_empty() {
        println!("nothing to do: all migrations have run");
    }
    Ok(ExitCode::SUCCESS)
}

fn print_replaced(roles: &[&str]) {
    for role in roles {
        println!(
            "{role} has a new password: a server with the former one opens no connection any more"
        );
    }
}

fn down(owner: &mut OwnerDb, agreed: &Agreed) -> Result<ExitCode, Box<dyn Error>> {
    let confirmed = agreed.confirm.as_deref();
    let reverted = owner.down_if(|version, losses| match confirmed {
        Some(confirmed) => confirmed == version,
        None => losses.is_empty(),
    })?;
    let Some(reverted) = reverted else {
        println!("nothing to revert: no migration has run");
        return Ok(ExitCode::from(1));
    };
    let version = &reverted.version;
    if !reverted.done
        && let Some(confirmed) = confirmed
    {
        let why = format!("--confirm says {confirmed}, the newest migration is {version}");
        return Err(format!("{why}: nothing was reverted").into());
    }
    for loss in &reverted.losses {
        println!(
            "{}  {loss}",
            if reverted.done {
                "lost"
            } else {
                "would be lost"
            }
        );
    }
    if reverted.done {
        println!("down  {version}");
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("rowhouse-migrate: nothing was reverted; add --confirm {version} to lose that");
    Ok(ExitCode::from(1))
}

fn status(owner: &mut OwnerDb) -> Result<ExitCode, Box<dyn Error>> {
    let all = owner.status()?;
    for migration in &all {
        println!(
            "{}  {}",
            if migration.applied {
                "applied"
            } else {
                "pending"
            },
            migration.name
        );
    }
    let pending = all.iter().any(|migration| !migration.applied);
    Ok(if pending {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    })
}

fn told(report: &Report, json: bool) -> Result<ExitCode, Box<dyn Error>> {
    if json {
        println!("{}", serde_json::to_string_pretty(report)?);
    } else {
        print!("{report}");
    }
    Ok(if report.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

fn explain_access(owner: &mut OwnerDb, asked: &Asked) -> Result<ExitCode, Box<dyn Error>> {
    let access = owner.explain_access(asked)?;
    if access.is_unknown() {
        return Err(access.to_string().into());
    }
    let answer = if access.is_granted() { "yes" } else { "no" };
    println!("{answer}: {access}");
    Ok(if access.is_granted() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
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

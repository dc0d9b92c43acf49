//! `verify --mutate`: the doctor is examined on a copy of the database's schema.

use std::env;
use std::error::Error;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::{Command, ExitCode, exit};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use embedded_postgres::Programs;
use nix::sys::signal::{SigSet, Signal};
use secrecy::{ExposeSecret as _, SecretString};
use store::scratch::Scratch;
use store::without_password;
use tenant_db::Level;

/// Breaks every guard of these tables, or of everything when none is named, then sends canaries
/// through them. Nothing of it happens in the database itself.
pub(crate) fn mutate(
    url: &SecretString,
    level: Level,
    tables: &[String],
) -> Result<ExitCode, Box<dyn Error>> {
    let interrupted = watch_interrupts()?;
    let mut scratch = Scratch::copy(url, &dump(url)?)?;
    println!("copied to {}", scratch.name());
    let difference = scratch.difference()?;
    if !difference.is_empty() {
        let list = difference.join("; ");
        return Err(format!("the copy is not like the database; verify differs in: {list}").into());
    }
    let is_meant = |object: &str| {
        tables
            .iter()
            .any(|table| object == table || object == format!("public.{table}"))
    };
    let mut mutants = scratch.mutants()?;
    for table in tables {
        let known = |object: &str| object == table || object == format!("public.{table}");
        if !mutants.iter().any(|mutant| known(&mutant.object)) {
            return Err(format!("there is no table {table}").into());
        }
    }
    mutants.retain(|mutant| tables.is_empty() || is_meant(&mutant.object));
    let mutation = scratch.mutate(&mutants, |_, _| {
        if interrupted.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    print!("{mutation}");
    if interrupted.load(Ordering::Relaxed) {
        return Err("interrupted; the copy was dropped".into());
    }
    let probing = scratch.probe(|table| tables.is_empty() || is_meant(table))?;
    print!("{probing}");
    let mut unmade = mutation.unmade().len();
    if level == Level::Full {
        // Whoever examines this level has the rights for all of it.
        unmade += mutation.left_out().len();
    }
    if unmade > 0 {
        return Err(format!("{unmade} mutants could not be made").into());
    }
    // A table of no tenant has no canaries.
    let holds = probing.breaches().is_empty() && (probing.holds() || !tables.is_empty());
    Ok(if mutation.is_complete() && holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

/// The schema as `pg_dump` writes it. It takes no lock that anybody waits for, and needs no file
/// of the server. The one of `ROWHOUSE_PG_BINDIR`, else of PATH, else beside the server's.
fn dump(url: &SecretString) -> Result<String, Box<dyn Error>> {
    let (url, password) = without_password(url);
    let run = |program: &PathBuf| {
        let mut command = Command::new(program);
        command.args(["--schema-only", "--dbname", &url]);
        if let Some(password) = &password {
            command.env("PGPASSWORD", password.expose_secret());
        }
        command.output()
    };
    let chosen = env::var_os("ROWHOUSE_PG_BINDIR").filter(|folder| !folder.is_empty());
    let program = chosen.map_or_else(
        || PathBuf::from("pg_dump"),
        |folder| PathBuf::from(folder).join("pg_dump"),
    );
    let output = match run(&program) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let program = Programs::find()?.bindir().join("pg_dump");
            run(&program).map_err(|error| format!("{}: {error}", program.display()))?
        }
        output => output.map_err(|error| format!("{}: {error}", program.display()))?,
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("pg_dump: {}", said.trim()).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Ctrl-C and SIGTERM end the work after the mutant at hand, so that the copy is dropped; a second
/// one ends it at once, and the copy is left for the next run to drop.
fn watch_interrupts() -> Result<Arc<AtomicBool>, Box<dyn Error>> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    let interrupted = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&interrupted);
    thread::Builder::new()
        .name("interrupts".to_owned())
        .spawn(move || {
            while signals.wait().is_ok() {
                if noted.swap(true, Ordering::Relaxed) {
                    exit(2);
                }
            }
        })?;
    Ok(interrupted)
}

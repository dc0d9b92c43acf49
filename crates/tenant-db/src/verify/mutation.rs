//! The doctor's own examination: whether it notices every guard that is taken away.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::ControlFlow;

use diesel::connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager as _};
use diesel::pg::PgConnection;
use diesel::result::Error as DieselError;
use uuid::Uuid;

use super::catalog::Catalog;
use super::mutants::Mutant;
use super::report::{Finding, Report};
use super::{literal, verify};
use crate::as_application;
use crate::context::Role;
use crate::error::Error;
use crate::level::Level;

/// What became of one mutant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The doctor found it, by a name that fits.
    Killed,
    /// It did not; these codes it said instead, if any.
    Survived(Vec<&'static str>),
    /// The guard could not be broken, for this reason: nothing is known about it.
    Unmade(String),
    /// Only a superuser can break it, and the role of the connection is none.
    LeftOut,
}

/// All that became of some mutants.
#[derive(Debug, Clone, Default)]
pub struct Mutation {
    killed: usize,
    survivors: Vec<(Mutant, Verdict)>,
    unmade: Vec<(Mutant, Verdict)>,
    left_out: Vec<Mutant>,
}

impl Mutation {
    /// How many were found.
    #[must_use]
    pub fn killed(&self) -> usize {
        self.killed
    }

    /// How many were tried, which is all but those that were left out.
    #[must_use]
    pub fn tried(&self) -> usize {
        self.killed + self.survivors.len() + self.unmade.len()
    }

    /// Those that were not found, or by a name that does not fit.
    #[must_use]
    pub fn survivors(&self) -> &[(Mutant, Verdict)] {
        &self.survivors
    }

    /// Those that could not be made.
    #[must_use]
    pub fn unmade(&self) -> &[(Mutant, Verdict)] {
        &self.unmade
    }

    /// Those that need a superuser, where the role of the connection is none.
    #[must_use]
    pub fn left_out(&self) -> &[Mutant] {
        &self.left_out
    }

    /// Whether there was something to find, and all of it was found, but for what was left out.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.killed > 0 && self.killed == self.tried()
    }

    fn note(&mut self, mutant: &Mutant, verdict: Verdict) {
        match verdict {
            Verdict::Killed => self.killed += 1,
            Verdict::Survived(_) => self.survivors.push((mutant.clone(), verdict)),
            Verdict::Unmade(_) => self.unmade.push((mutant.clone(), verdict)),
            Verdict::LeftOut => self.left_out.push(mutant.clone()),
        }
    }
}

impl fmt::Display for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (killed, tried) = (self.killed, self.tried());
        // In tenths, cut off: 100.0 % is all of them.
        let rate = (killed * 1000).checked_div(tried).unwrap_or_default();
        writeln!(
            f,
            "mutate: {killed} of {tried} mutants killed, {}.{} %",
            rate / 10,
            rate % 10
        )?;
        if !self.left_out.is_empty() {
            writeln!(
                f,
                "mutate: {} mutants left out, which only a superuser can make",
                self.left_out.len()
            )?;
        }
        for (mutant, verdict) in self.survivors.iter().chain(&self.unmade) {
            writeln!(f, "\n{}: {}", mutant.object, mutant.change)?;
            match verdict {
                Verdict::Killed | Verdict::LeftOut => {}
                Verdict::Survived(codes) if codes.is_empty() => {
                    writeln!(f, "  SURVIVED: verify said nothing")?;
                }
                Verdict::Survived(codes) => writeln!(
                    f,
                    "  SURVIVED: verify said {}, not {}",
                    codes.join(", "),
                    mutant.codes.join(" or ")
                )?,
                Verdict::Unmade(reason) => writeln!(f, "  not made: {reason}")?,
            }
            writeln!(f, "    {};", mutant.sql)?;
        }
        Ok(())
    }
}

/// Breaks one guard after the other, each in a transaction of its own that is rolled back, and
/// asks [`verify`] about it. What it found before does not count. `after` hears of each verdict
/// and may stop it all.
///
/// For a copy that nobody uses: every mutant locks what it breaks. A superuser can break all;
/// for another role, such as the owner of a database at level managed, what it has no right to break
/// is left out, and counted.
///
/// # Errors
/// What the database answers to the doctor, or to a rollback.
pub fn mutate(
    conn: &mut PgConnection,
    catalog: &Catalog,
    mutants: &[Mutant],
    mut after: impl FnMut(&Mutant, &Verdict) -> ControlFlow<()>,
) -> Result<Mutation, Error> {
    let known = all(&verify(conn, catalog)?);
    let superuser = Level::of_role(conn)? == Level::Full;
    let mut mutation = Mutation::default();
    for mutant in mutants {
        AnsiTransactionManager::begin_transaction(conn)?;
        let verdict = judge(conn, catalog, mutant, &known, superuser);
        AnsiTransactionManager::rollback_transaction(conn)?;
        let verdict = verdict?;
        let go_on = after(mutant, &verdict);
        mutation.note(mutant, verdict);
        if go_on.is_break() {
            break;
        }
    }
    Ok(mutation)
}

/// A body that does nothing would not pass for a function that answers something. What lacks a right
/// is told apart from what fails otherwise by the constraint's name: Diesel shows no SQLSTATE.
const BREAK: &str = "SET LOCAL check_function_bodies = off; SET LOCAL client_min_messages = error;
DO $mutant$
BEGIN
    EXECUTE {sql};
EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', CONSTRAINT = 'mutant_left_out', MESSAGE = SQLERRM;
END
$mutant$";

fn judge(
    conn: &mut PgConnection,
    catalog: &Catalog,
    mutant: &Mutant,
    known: &BTreeSet<(&'static str, String, String)>,
    superuser: bool,
) -> Result<Verdict, Error> {
    if !superuser {
        // Policies bind whoever breaks, and raise where there is no context.
        as_application::make_key(conn)?;
        as_application::open(conn, Uuid::nil(), Role::Owner)?;
    }
    if let Err(error) = conn.batch_execute(&BREAK.replace("{sql}", &literal(&mutant.sql))) {
        return Ok(match &error {
            DieselError::DatabaseError(_, info)
                if info.constraint_name() == Some("mutant_left_out") && !superuser =>
            {
                Verdict::LeftOut
            }
            _ => Verdict::Unmade(error.to_string()),
        });
    }
    let report = verify(conn, catalog)?;
    let new: BTreeSet<&'static str> = all(&report)
        .difference(known)
        .map(|(code, ..)| *code)
        .collect();
    Ok(
        if mutant.codes.iter().any(|code| new.contains(code.as_str())) {
            Verdict::Killed
        } else {
            Verdict::Survived(new.into_iter().collect())
        },
    )
}

/// Findings only: a warning leaves the report clean.
fn all(report: &Report) -> BTreeSet<(&'static str, String, String)> {
    let key = |finding: &Finding| {
        (
            finding.code,
            finding.object.clone(),
            finding.message.clone(),
        )
    };
    report.findings().iter().map(key).collect()
}

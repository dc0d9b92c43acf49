//! SQL that an attacker runs as `rowhouse_app` inside one tenant's transaction, whatever the
//! application was meant to run there. Each attack ends in a refusal or with the tenant's own rows,
//! leaves the neighbour's rows as they were, and leaves nothing on the connection for whoever has
//! it next.
//!
//! The control run does the same where the context lies in a plain setting, and must leak: it
//! shows that these attacks are good, and that the suite sees what they bring.

mod audit;
mod catalogs;
mod context;
mod doors;
mod managed;
mod objects;
mod oracles;
mod reads;
mod rights;
mod stage;
mod writes;

use rowhouse_tests::Database;

use self::stage::{Outcome, Stage};

/// One attack: statements in turn, each in a savepoint of its own, so that a refusal of one does not
/// end the next. A statement that hands out rows names their column `text`.
///
/// `{b}` is the neighbour, `{b_project}`, `{b_member}` … its ids: an attacker may know them.
/// `{slot}` is where the context lies, `{forged}` the value that would be the neighbour's.
/// `\connect`, with settings that the connection brings or none, is another connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attack {
    class: &'static str,
    steps: &'static [&'static str],
    expected: Expected,
    /// Whether it reaches the neighbour where the context lies in a plain setting.
    control: Control,
}

/// How the last step ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expected {
    /// With an error of this code, or one that says this; `|` parts what versions of PostgreSQL say.
    Refused(&'static str),
    /// With rows of the tenant itself.
    Own,
    /// With no row.
    Nothing,
    /// In any way: what counts is that the neighbour is not reached.
    Anything,
    /// Without an error; and the connection is not used again.
    Tainted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    Leaks,
    /// Something else stands in the way there as well.
    Holds,
}

pub(crate) use Control::{Holds, Leaks};
pub(crate) use Expected::{Anything, Nothing, Own, Refused, Tainted};

/// Makes the neighbour's context the current one, if that can be had.
const FORGE: &str = "SELECT set_config('{slot}', '{forged}', true) AS text";

const READ: &str = "SELECT name AS text FROM projects";

const fn attack(
    class: &'static str,
    steps: &'static [&'static str],
    expected: Expected,
    control: Control,
) -> Attack {
    Attack {
        class,
        steps,
        expected,
        control,
    }
}

fn attacks() -> impl Iterator<Item = &'static Attack> {
    [
        context::ATTACKS,
        rights::ATTACKS,
        reads::ATTACKS,
        objects::ATTACKS,
        catalogs::ATTACKS,
        doors::ATTACKS,
        writes::ATTACKS,
        audit::ATTACKS,
    ]
    .into_iter()
    .flatten()
}

/// The same attacks where no superuser helped, and those on what is there in place of the slot.
#[test]
fn no_attack_reaches_a_neighbour_at_level_managed() {
    let mut stage = Stage::new(Database::managed());
    let failures: Vec<String> = attacks()
        .chain(managed::ATTACKS)
        .flat_map(|attack| {
            let outcome = stage.run(attack);
            managed::complaints(attack, &outcome)
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn no_attack_reaches_a_neighbour() {
    let mut stage = Stage::new(Database::fresh());
    let failures: Vec<String> = attacks()
        .flat_map(|attack| {
            let outcome = stage.run(attack);
            complaints(attack, &outcome)
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn complaints(attack: &Attack, outcome: &Outcome) -> Vec<String> {
    let mut complaints = outcome.leaks.clone();
    let as_expected = match (attack.expected, &outcome.last) {
        (Refused(what), Err(error)) => what.split('|').any(|what| error.contains(what)),
        (Own, Ok(rows)) => rows.iter().any(|row| row.contains("acme")),
        (Nothing, Ok(rows)) => rows.is_empty(),
        (Tainted, Ok(_)) => outcome.tainted,
        (Anything, _) => true,
        _ => false,
    };
    if !as_expected {
        complaints.push(format!("expected {:?}", attack.expected));
    }
    complaints
        .into_iter()
        .map(|complaint| {
            format!(
                "{}: {:?}: {complaint}: {outcome:?}",
                attack.class, attack.steps
            )
        })
        .collect()
}

#[test]
fn with_a_plain_setting_in_place_of_the_seal_the_attacks_leak() {
    let mut stage = Stage::new(Database::fresh());
    stage.keep_the_context_in_a_plain_setting();
    let failures: Vec<String> = attacks()
        .filter_map(|attack| {
            let outcome = stage.run(attack);
            let leaked = !outcome.leaks.is_empty();
            (leaked != (attack.control == Leaks))
                .then(|| format!("{}: {:?}: {outcome:?}", attack.class, attack.steps))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Every table of which the application reads a column, under a forged context.
#[test]
fn no_table_shows_a_neighbour_s_row_and_with_a_plain_setting_each_does() {
    for plain in [false, true] {
        let mut stage = Stage::new(Database::fresh());
        if plain {
            stage.keep_the_context_in_a_plain_setting();
        }
        let reads = stage.reads_of_every_table();
        assert!(reads.len() > 5, "{reads:?}");
        for read in reads {
            let outcome = stage.run_steps(&[FORGE, &read]);
            let rows = outcome.last.as_ref().unwrap();
            assert!(!rows.is_empty(), "nothing to see: {read}");
            assert_eq!(!outcome.leaks.is_empty(), plain, "{read}: {outcome:?}");
        }
    }
}

/// What the application may call of the doors is called by the attacks.
#[test]
fn every_door_inside_a_context_is_attacked() {
    let stage = Stage::new(Database::fresh());
    let doors = stage.doors();
    assert!(doors.len() > 5, "{doors:?}");
    for door in doors {
        assert!(
            attacks()
                .flat_map(|attack| attack.steps)
                .any(|step| step.contains(&format!("{door}("))),
            "no attack calls {door}"
        );
    }
}

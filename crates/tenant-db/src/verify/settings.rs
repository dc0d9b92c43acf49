//! Parameters of the server that the isolation relies on, wherever they are set.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text};

use super::catalog::Catalog;
use super::literal;
use super::report::Report;
use crate::error::Error;

pub(super) fn check(
    conn: &mut PgConnection,
    catalog: &Catalog,
    report: &mut Report,
) -> Result<(), Error> {
    let values: Vec<Value> = diesel::sql_query(VALUES).load(conn)?;
    for guarded in GUARDED {
        let value = values.iter().find(|value| value.name == guarded.name);
        if let Some(value) = value.filter(|value| !guarded.accepts(&value.value)) {
            report.find(
                "setting",
                guarded.name,
                format!("It is {}: {}.", literal(&value.value), guarded.reason),
                format!(
                    "ALTER SYSTEM SET {} = {};\nSELECT pg_reload_conf();",
                    guarded.name,
                    literal(guarded.good)
                ),
            );
        }
    }
    report.count("settings", GUARDED.len());
    let stored: Vec<Stored> = diesel::sql_query(STORED).load(conn)?;
    for setting in &stored {
        setting.judge(catalog, report);
    }
    Ok(())
}

struct Guarded {
    name: &'static str,
    good: &'static str,
    reason: &'static str,
}

const GUARDED: &[Guarded] = &[
    Guarded {
        name: "backtrace_functions",
        good: "",
        reason: "the context of a transaction lives there, and it must be empty outside of one",
    },
    Guarded {
        name: "lc_messages",
        good: "C",
        reason: "refusals by Row-Level Security and timeouts are told by their English message",
    },
    Guarded {
        name: "lo_compat_privileges",
        good: "off",
        reason: "large objects would be open to everybody",
    },
    Guarded {
        name: "session_replication_role",
        good: "origin",
        reason: "neither triggers nor foreign keys would fire",
    },
];

impl Guarded {
    fn accepts(&self, value: &str) -> bool {
        if self.name == "lc_messages" {
            value == "POSIX" || value == "C" || value.starts_with("C.") || value.starts_with("en")
        } else {
            value == self.good
        }
    }
}

/// `reset_val`: what a session starts with, whatever this one did since.
const VALUES: &str = "
SELECT name, coalesce(reset_val, '') AS value FROM pg_settings
WHERE name IN ('backtrace_functions', 'lc_messages', 'lo_compat_privileges', 'session_replication_role')";

#[derive(QueryableByName)]
struct Value {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    value: String,
}

const STORED: &str = "
SELECT quote_ident(r.rolname) AS role, quote_ident(d.datname) AS database, s.setrole = 0 AS everybody,
    split_part(c.setting, '=', 1) AS name, substr(c.setting, strpos(c.setting, '=') + 1) AS value
FROM pg_db_role_setting s
CROSS JOIN LATERAL unnest(s.setconfig) AS c (setting)
LEFT JOIN pg_roles r ON r.oid = s.setrole
LEFT JOIN pg_database d ON d.oid = s.setdatabase
WHERE s.setdatabase = 0 OR d.datname = current_database()
ORDER BY 1, 2, 4";

#[derive(QueryableByName)]
struct Stored {
    #[diesel(sql_type = Nullable<Text>)]
    role: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    database: Option<String>,
    #[diesel(sql_type = Bool)]
    everybody: bool,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    value: String,
}

impl Stored {
    fn judge(&self, catalog: &Catalog, report: &mut Report) {
        let Self { name, value, .. } = self;
        let place = match &self.database {
            Some(database) => format!(" IN DATABASE {database}"),
            None => String::new(),
        };
        if self.everybody {
            let guarded = GUARDED.iter().find(|guarded| guarded.name == name);
            if let Some(guarded) = guarded.filter(|guarded| !guarded.accepts(value)) {
                report.find(
                    "setting",
                    name,
                    format!(
                        "Every session{} starts with {}: {}.",
                        place.to_lowercase(),
                        literal(value),
                        guarded.reason
                    ),
                    format!("ALTER ROLE ALL{place} RESET {name};"),
                );
            }
        } else if let Some(role) = &self.role
            && catalog.find_role(role).is_some()
        {
            report.find(
                "role_setting",
                role,
                format!(
                    "Its sessions start with {name} = {}, which is not what its service asked for.",
                    literal(value)
                ),
                format!("ALTER ROLE {role}{place} RESET {name};"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_english_messages_are_understood() {
        let lc_messages = GUARDED.iter().find(|g| g.name == "lc_messages").unwrap();
        for good in ["C", "C.UTF-8", "POSIX", "en_US.UTF-8", "en_GB", "en"] {
            assert!(lc_messages.accepts(good), "{good}");
        }
        for bad in ["", "de_DE.UTF-8", "Czech", "fr"] {
            assert!(!lc_messages.accepts(bad), "{bad}");
        }
    }

    #[test]
    fn the_query_reads_every_guarded_parameter() {
        for guarded in GUARDED {
            assert!(VALUES.contains(&literal(guarded.name)), "{}", guarded.name);
        }
    }
}

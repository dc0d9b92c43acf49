//! The statements of tenants' transactions in the log, for whoever wants to see what runs:
//! `RUST_LOG=tenant_db::sql=debug`. Neither values nor seals are shown.

use diesel::connection::{Connection as _, InstrumentationEvent};
use diesel::pg::PgConnection;

const TARGET: &str = "tenant_db::sql";

/// Logs what this connection is about to run, if the log wants it now: asked once a connection,
/// so that others pay nothing.
pub(crate) fn attach(conn: &mut PgConnection) {
    if log::log_enabled!(target: TARGET, log::Level::Debug) {
        conn.set_instrumentation(|event: InstrumentationEvent<'_>| log_statement(&event));
    }
}

fn log_statement(event: &InstrumentationEvent<'_>) {
    if let InstrumentationEvent::StartQuery { query, .. } = event {
        log::debug!(target: TARGET, "{}", shown(&query.to_string()));
    }
}

/// Without the values that Diesel appends, which are customers' data, and of a seal its tenant
/// only.
fn shown(statement: &str) -> String {
    let sql = statement
        .split_once(" -- binds: ")
        .map_or(statement, |(sql, _)| sql);
    match sql.split_once("tenancy.enter('") {
        None => sql.to_owned(),
        Some((before, seal)) => {
            let tenant = seal.split('|').nth(2).unwrap_or_default();
            format!("{before}tenancy.enter('… tenant {tenant} …')")
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::shown;
    use crate::{Actor, Context, SealKey};

    #[test]
    fn values_are_not_shown() {
        assert_eq!(
            shown("SELECT 1 WHERE name = $1 -- binds: [\"Ada\"]"),
            "SELECT 1 WHERE name = $1"
        );
        assert_eq!(
            shown("SELECT $1 -- binds: [\" -- binds: secret\"]"),
            "SELECT $1"
        );
    }

    #[test]
    fn of_a_seal_the_tenant_is_shown() {
        let context = Context::new(Uuid::from_u128(7), Actor::Job { id: Uuid::nil() });
        let seal = SealKey::new("k1", &[7; 32]).unwrap().seal(&context, 1, 2);
        assert_eq!(
            shown(&format!(
                "RESET ROLE; BEGIN; SELECT tenancy.enter('{seal}')"
            )),
            "RESET ROLE; BEGIN; SELECT tenancy.enter('… tenant 00000000-0000-0000-0000-000000000007 …')"
        );
    }
}

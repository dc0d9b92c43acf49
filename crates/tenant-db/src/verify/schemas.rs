//! Schemas, and who owns them.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};

use super::catalog::{Catalog, OWNER};
use super::report::Report;
use crate::error::Error;

pub(super) fn check(
    conn: &mut PgConnection,
    catalog: &Catalog,
    report: &mut Report,
) -> Result<(), Error> {
    let schemas: Vec<Schema> = diesel::sql_query(SCHEMAS).load(conn)?;
    for declared in &catalog.schemas {
        let Schema { name, owner, .. } = match schemas.iter().find(|s| s.name == declared.name) {
            Some(schema) => schema,
            None => {
                report.find(
                    "schema_missing",
                    &format!("SCHEMA {}", declared.name),
                    "The schema is not there.",
                    format!(
                        "CREATE SCHEMA {} AUTHORIZATION {};",
                        declared.name, declared.owner
                    ),
                );
                continue;
            }
        };
        if *owner != declared.owner {
            report.find(
                "owner",
                &format!("SCHEMA {name}"),
                format!("The schema belongs to {owner}, not to {}.", declared.owner),
                format!("ALTER SCHEMA {name} OWNER TO {};", declared.owner),
            );
        }
    }
    for schema in &schemas {
        if schema.name == "public" {
            public(schema, report);
        } else if !catalog.schemas.iter().any(|s| s.name == schema.name) {
            report.find(
                "schema_unknown",
                &format!("SCHEMA {}", schema.name),
                "The schema is not declared.",
                format!(
                    "-- declare it in the catalog, or: DROP SCHEMA {};",
                    schema.name
                ),
            );
        }
    }
    report.count("schemas", schemas.len());
    Ok(())
}

/// PostgreSQL makes it, for the database's owner; before 15 for the first superuser.
fn public(schema: &Schema, report: &mut Report) {
    if !schema.superuser && schema.owner != "pg_database_owner" && schema.owner != OWNER {
        report.find(
            "owner",
            "SCHEMA public",
            format!(
                "The schema belongs to {}, which could replace every table in it.",
                schema.owner
            ),
            "ALTER SCHEMA public OWNER TO pg_database_owner;",
        );
    }
}

const SCHEMAS: &str = "
SELECT quote_ident(n.nspname) AS name, quote_ident(r.rolname) AS owner, r.rolsuper AS superuser
FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner
WHERE (n.oid >= 16384 OR n.nspname = 'public') AND n.nspname !~ '^pg_(toast_)?temp_'
ORDER BY 1";

#[derive(QueryableByName)]
struct Schema {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    owner: String,
    #[diesel(sql_type = Bool)]
    superuser: bool,
}

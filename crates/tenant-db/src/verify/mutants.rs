//! Ways to take away one guard of a database: for each a statement, and what the doctor must say
//! to it. They are made from what the database has, so that a new table, policy, trigger or
//! function has its own without a line here.
//!
//! Nothing of the whole cluster is broken: no role, no membership, no right on a parameter.

mod database;
mod functions;
mod grants;
mod keys;
mod policies;
mod statistics;
mod tables;
mod triggers;

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, Text};

use super::catalog::{APP, Catalog};
use super::with_full_names;
use crate::error::Error;

/// A guard, and SQL that breaks it.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Mutant {
    /// What is broken, as SQL names it: a table, a function, the database.
    #[diesel(sql_type = Text)]
    pub object: String,
    /// What happens to it, in words.
    #[diesel(sql_type = Text)]
    pub change: String,
    /// The same in SQL, for a superuser.
    #[diesel(sql_type = Text)]
    pub sql: String,
    /// The codes of which the doctor must say one.
    #[diesel(sql_type = Array<Text>)]
    pub codes: Vec<String>,
}

/// All mutants of the database of `conn`, by object. Reads the system catalogs only.
///
/// # Errors
/// What the database answers.
pub fn mutants(conn: &mut PgConnection, catalog: &Catalog) -> Result<Vec<Mutant>, Error> {
    let tables: Vec<&str> = tenant_tables(catalog, |table| &table.name);
    let blind: Vec<&str> = catalog
        .tenant_tables
        .iter()
        .filter(|table| table.blind_statistics)
        .map(|table| table.name.as_str())
        .collect();
    let columns: Vec<&str> = tenant_tables(catalog, |table| &table.tenant_column);
    let roles: Vec<&str> = catalog
        .roles
        .iter()
        .map(|role| role.name.as_str())
        .collect();
    with_full_names(conn, |conn| {
        let mut all: Vec<Mutant> = Vec::new();
        for queries in [
            tables::QUERIES,
            policies::QUERIES,
            triggers::QUERIES,
            keys::QUERIES,
            statistics::QUERIES,
            grants::QUERIES,
            functions::QUERIES,
            database::QUERIES,
        ] {
            for query in queries {
                all.append(
                    &mut diesel::sql_query(format!("{GIVEN} {query}"))
                        .bind::<Array<Text>, _>(&tables)
                        .bind::<Array<Text>, _>(&columns)
                        .bind::<Array<Text>, _>(&roles)
                        .bind::<Text, _>(APP)
                        .bind::<Array<Text>, _>(&blind)
                        .load(conn)?,
                );
            }
        }
        all.extend(keys::declared(catalog));
        all.sort_by(|a, b| a.object.cmp(&b.object));
        Ok(all)
    })
}

fn tenant_tables<'a>(
    catalog: &'a Catalog,
    part: impl Fn(&'a super::TenantTable) -> &'a String,
) -> Vec<&'a str> {
    catalog
        .tenant_tables
        .iter()
        .map(|table| part(table).as_str())
        .collect()
}

/// What each query may build upon: the tables, with their tenant column where they have one, and
/// the declared roles.
const GIVEN: &str = "
WITH tenant_table (name, tenant_column) AS (SELECT * FROM unnest($1::text[], $2::text[])),
role (name, is_app) AS (SELECT name, name = $4::text FROM unnest($3::text[]) AS r (name)),
app (name) AS (SELECT $4::text),
blind (name) AS (SELECT unnest($5::text[])),
relation (oid, name, owner, tenant_column) AS (
    SELECT c.oid, format('%I.%I', n.nspname, c.relname), quote_ident(r.rolname), t.tenant_column
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
    LEFT JOIN tenant_table t ON t.name = format('%I.%I', n.nspname, c.relname)
    WHERE c.oid >= 16384 AND c.relkind = 'r' AND c.relpersistence <> 't'
        AND c.oid NOT IN (SELECT objid FROM pg_depend WHERE classid = 'pg_class'::regclass AND deptype = 'e')
)";

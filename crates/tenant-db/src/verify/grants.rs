//! Rights: nobody has more than declared, on tables, columns, schemas, functions, languages, the
//! database and parameters; and nobody less.

use std::collections::{BTreeMap, BTreeSet};

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text};

use super::catalog::{APP, Catalog, Grant, OWNER};
use super::kernel::SLOT;
use super::report::Report;
use super::tenant_table::TenantTable;
use crate::error::Error;
use crate::level::Level;

pub(super) fn check(
    conn: &mut PgConnection,
    catalog: &Catalog,
    report: &mut Report,
) -> Result<(), Error> {
    let level = report.level();
    let rows: Vec<Row> = diesel::sql_query(GRANTS).load(conn)?;
    let database: Database = diesel::sql_query(DATABASE).get_result(conn)?;
    let columns: Vec<Column> = diesel::sql_query(COLUMNS).load(conn)?;
    let wanted = wanted(catalog, &database.name, &columns);

    let objects: BTreeMap<&str, bool> = rows
        .iter()
        .map(|row| (row.object.as_str(), row.owned))
        .collect();
    let found: BTreeSet<Grant> = rows.iter().filter_map(|row| row.grant(catalog)).collect();
    for (object, role, privileges) in by_role(found.difference(&wanted)) {
        let privileges: Vec<&str> = privileges
            .into_iter()
            .filter(|privilege| !is_harmless(catalog, object, role, privilege))
            // Nobody could take it there: a note of the level.
            .filter(|_| level == Level::Full || !object.starts_with("LANGUAGE "))
            .collect();
        if !privileges.is_empty() {
            excess(object, role, &privileges, &wanted, report);
        }
    }
    for (object, role, privileges) in by_role(wanted.difference(&found)) {
        // What is not there at all is a finding of its own.
        let grantable = match objects.get(object) {
            Some(owned) => !(*owned && role == OWNER),
            None => object.starts_with("PARAMETER "),
        };
        if grantable {
            let list = privileges.join(", ");
            report.find(
                "grant_missing",
                short_name(object),
                format!("{role} lacks {list}."),
                format!("GRANT {list} ON {object} TO {role};"),
            );
        }
    }
    for row in rows.iter().filter(|row| row.grantable) {
        if let Some(grant) = row.grant(catalog) {
            hand_on(&grant, report);
        }
    }
    report.count("grants", found.len());
    Ok(())
}

/// All rights but those of owners, who need none. An object without any is one row without a
/// role. Objects of PostgreSQL itself and of extensions are for `builtins`.
const GRANTS: &str = "
WITH member AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
object (name, columns, owner, acl) AS (
    SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || format('%I.%I', n.nspname, c.relname), '',
        c.relowner, coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's'::\"char\" ELSE 'r' END, c.relowner))
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't'
        AND ('pg_class'::regclass, c.oid) NOT IN (SELECT * FROM member)
    UNION ALL
    SELECT 'TABLE ' || format('%I.%I', n.nspname, c.relname), format(' (%I)', a.attname), c.relowner, a.attacl
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid >= 16384 AND a.attacl IS NOT NULL AND NOT a.attisdropped AND c.relpersistence <> 't'
        AND ('pg_class'::regclass, c.oid) NOT IN (SELECT * FROM member)
    UNION ALL
    SELECT 'FUNCTION ' || p.oid::regprocedure, '', p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
    FROM pg_proc p
    WHERE p.oid >= 16384 AND ('pg_proc'::regclass, p.oid) NOT IN (SELECT * FROM member)
    UNION ALL
    SELECT 'SCHEMA ' || quote_ident(nspname), '', nspowner, coalesce(nspacl, acldefault('n', nspowner))
    FROM pg_namespace
    WHERE (oid >= 16384 OR nspname = 'public') AND nspname !~ '^pg_(toast_)?temp_'
        AND ('pg_namespace'::regclass, oid) NOT IN (SELECT * FROM member)
    UNION ALL
    SELECT 'LANGUAGE ' || quote_ident(lanname), '', lanowner, coalesce(lanacl, acldefault('l', lanowner))
    FROM pg_language WHERE lanpltrusted
    UNION ALL
    SELECT 'DATABASE ' || quote_ident(datname), '', datdba, coalesce(datacl, acldefault('d', datdba))
    FROM pg_database WHERE datname = current_database()
    UNION ALL
    SELECT 'PARAMETER ' || parname, '', 10::oid, paracl FROM pg_parameter_acl
)
SELECT o.name AS object, pg_get_userbyid(o.owner) = 'rowhouse_owner' AS owned, CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END AS role,
    coalesce(r.rolsuper, false) AS superuser, a.privilege_type || o.columns AS privilege,
    coalesce(a.is_grantable, false) AS grantable
FROM object o
LEFT JOIN (LATERAL aclexplode(o.acl) a LEFT JOIN pg_roles r ON r.oid = a.grantee)
    ON a.grantee <> o.owner
ORDER BY 1, 2, 3";

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    object: String,
    /// Whether the owner of the tables owns it, and so needs no grant.
    #[diesel(sql_type = Bool)]
    owned: bool,
    #[diesel(sql_type = Nullable<Text>)]
    role: Option<String>,
    #[diesel(sql_type = Bool)]
    superuser: bool,
    #[diesel(sql_type = Nullable<Text>)]
    privilege: Option<String>,
    #[diesel(sql_type = Bool)]
    grantable: bool,
}

impl Row {
    /// None for an object without any, and for a superuser who is no role of ours: nothing is
    /// added to what such a one may do.
    fn grant(&self, catalog: &Catalog) -> Option<Grant> {
        let role = self.role.clone()?;
        if self.superuser && catalog.find_role(&role).is_none() {
            return None;
        }
        Some(Grant {
            object: self.object.clone(),
            role,
            privilege: self.privilege.clone()?,
        })
    }
}

const DATABASE: &str = "SELECT quote_ident(current_database()) AS name";

#[derive(QueryableByName)]
struct Database {
    #[diesel(sql_type = Text)]
    name: String,
}

/// The columns that an application could change.
const COLUMNS: &str = "
SELECT format('%I.%I', n.nspname, c.relname) AS table_name, quote_ident(a.attname) AS name
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid >= 16384 AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''";

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    name: String,
}

/// All that is declared, and what `tenancy.protect` grants to the application.
fn wanted(catalog: &Catalog, database: &str, columns: &[Column]) -> BTreeSet<Grant> {
    let declared = catalog.grants.iter().cloned().map(|mut grant| {
        if grant.object == "DATABASE" {
            grant.object = format!("DATABASE {database}");
        }
        grant
    });
    let of_application = catalog.tenant_tables.iter().flat_map(|table| {
        privileges(table, columns)
            .into_iter()
            .map(|privilege| Grant {
                object: format!("TABLE {}", table.name),
                role: APP.to_owned(),
                privilege,
            })
    });
    declared.chain(of_application).collect()
}

fn privileges(table: &TenantTable, columns: &[Column]) -> Vec<String> {
    let mut privileges = Vec::new();
    for command in &table.commands {
        if command != "update" {
            privileges.push(command.to_uppercase());
            continue;
        }
        let named = |column: &&Column| match &table.update_columns {
            Some(names) => names.contains(&column.name),
            None => true,
        };
        let columns = columns
            .iter()
            .filter(|column| column.table_name == table.name && column.name != table.tenant_column)
            .filter(named);
        privileges.extend(columns.map(|column| format!("UPDATE ({})", column.name)));
    }
    privileges
}

/// What PostgreSQL gives to PUBLIC and the isolation does not rely on, to come in and to look up
/// names: an administrator may revoke it, or grant it to a role of theirs. And parameters of the
/// cluster, other than the slot, for roles that are no concern of this database.
fn is_harmless(catalog: &Catalog, object: &str, role: &str, privilege: &str) -> bool {
    let outside = role != "PUBLIC" && catalog.find_role(role).is_none();
    (object.starts_with("DATABASE ") && privilege == "CONNECT")
        || (object == "SCHEMA public" && privilege == "USAGE" && role == "PUBLIC")
        || (object.starts_with("PARAMETER ") && object != SLOT && outside)
}

/// Grants in bundles: object, role, privileges.
fn by_role<'a>(
    grants: impl Iterator<Item = &'a Grant>,
) -> impl Iterator<Item = (&'a str, &'a str, Vec<&'a str>)> {
    let mut bundles: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for grant in grants {
        bundles
            .entry((&grant.object, &grant.role))
            .or_default()
            .push(&grant.privilege);
    }
    bundles
        .into_iter()
        .map(|((object, role), privileges)| (object, role, privileges))
}

/// The name under which other findings speak of the same object.
pub(super) fn short_name(object: &str) -> &str {
    ["TABLE ", "SEQUENCE ", "FUNCTION "]
        .iter()
        .find_map(|kind| object.strip_prefix(kind))
        .unwrap_or(object)
}

fn excess(
    object: &str,
    role: &str,
    privileges: &[&str],
    wanted: &BTreeSet<Grant>,
    report: &mut Report,
) {
    let code = if object.starts_with("PARAMETER ") {
        "parameter_grant"
    } else {
        "grant_excess"
    };
    let list = privileges.join(", ");
    let mut remedy = format!("REVOKE {list} ON {object} FROM {role} CASCADE;");
    // REVOKE of a table's UPDATE takes that of its columns along.
    let of_columns: Vec<&str> = wanted
        .iter()
        .filter(|grant| grant.object == object && grant.role == role)
        .filter_map(|grant| Some((grant, grant.privilege.split_once(" (")?.0)))
        .filter(|(_, privilege)| privileges.contains(privilege))
        .map(|(grant, _)| grant.privilege.as_str())
        .collect();
    if !of_columns.is_empty() {
        remedy.push_str(&format!(
            "\nGRANT {} ON {object} TO {role};",
            of_columns.join(", ")
        ));
    }
    report.find(
        code,
        short_name(object),
        format!("{role} has {list}, which nobody declared."),
        remedy,
    );
}

fn hand_on(grant: &Grant, report: &mut Report) {
    let Grant {
        object,
        role,
        privilege,
    } = grant;
    report.find(
        "grant_option",
        short_name(object),
        format!("{role} may hand on {privilege}."),
        format!("REVOKE GRANT OPTION FOR {privilege} ON {object} FROM {role} CASCADE;"),
    );
}

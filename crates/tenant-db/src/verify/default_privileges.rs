//! Default privileges: what would be granted on objects that are yet to be made.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};

use super::catalog::{Catalog, Part};
use super::report::Report;
use crate::error::Error;

pub(super) fn check(
    conn: &mut PgConnection,
    catalog: &Catalog,
    report: &mut Report,
) -> Result<(), Error> {
    let rows: Vec<Row> = diesel::sql_query(DEFAULTS).load(conn)?;
    for role in catalog.roles.iter().filter(|role| role.part != Part::Login) {
        let revoked =
            |row: &Row| row.maker == role.name && row.schema.is_none() && row.kind == "FUNCTIONS";
        if !rows.iter().any(revoked) {
            report.find(
                "default_privileges",
                &role.name,
                "A function that this role makes would be open to PUBLIC.",
                format!(
                    "ALTER DEFAULT PRIVILEGES FOR ROLE {} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;",
                    role.name
                ),
            );
        }
    }
    for row in &rows {
        row.judge(catalog, report);
    }
    report.count("default_privileges", rows.len());
    Ok(())
}

/// A row per right of somebody else than who makes the object; a row without one where there is
/// none.
const DEFAULTS: &str = "
SELECT quote_ident(m.rolname) AS maker, quote_ident(n.nspname) AS schema,
    CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
        WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END AS kind,
    CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END AS role, a.privilege_type AS privilege
FROM pg_default_acl d
JOIN pg_roles m ON m.oid = d.defaclrole
LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
LEFT JOIN (LATERAL aclexplode(d.defaclacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee) ON a.grantee <> d.defaclrole
ORDER BY 1, 2, 3, 4, 5";

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    maker: String,
    #[diesel(sql_type = Nullable<Text>)]
    schema: Option<String>,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Nullable<Text>)]
    role: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    privilege: Option<String>,
}

impl Row {
    fn judge(&self, catalog: &Catalog, report: &mut Report) {
        let (Some(role), Some(privilege)) = (&self.role, &self.privilege) else {
            return;
        };
        let Self { maker, kind, .. } = self;
        // PUBLIC's EXECUTE and USAGE stand in every list that somebody else once changed.
        let built_in = role == "PUBLIC" && matches!(kind.as_str(), "FUNCTIONS" | "TYPES");
        if built_in && catalog.find_role(maker).is_none() && self.schema.is_none() {
            return;
        }
        let place = match &self.schema {
            Some(schema) => format!(" IN SCHEMA {schema}"),
            None => String::new(),
        };
        report.find(
            "default_privileges",
            maker,
            format!(
                "What this role makes from now on is open to {role}: {privilege} on {}.",
                kind.to_lowercase()
            ),
            format!(
                "ALTER DEFAULT PRIVILEGES FOR ROLE {maker}{place} REVOKE {privilege} ON {kind} FROM {role};"
            ),
        );
    }
}

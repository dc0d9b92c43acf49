//! What level managed leaves open, told as notes: exactly what is so in this database.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text};

use super::builtins::REACHING;
use super::report::Report;
use crate::error::Error;
use crate::level::Level;

pub(super) fn check(conn: &mut PgConnection, report: &mut Report) -> Result<(), Error> {
    if report.level() != Level::Managed {
        return Ok(());
    }
    let open: Open = diesel::sql_query(format!("{OPEN} AND ({REACHING})")).get_result(conn)?;
    report.note(
        "tenancy.slot()",
        "The context is a token that the database made, checked by every statement and not kept from being overwritten: \
         what does not hold is refused with TN002, and a check costs what docs/managed.md says.",
    );
    if !open.bypasses {
        report.note(
            "rowhouse_owner",
            "The role has no BYPASSRLS: a migration that changes rows of tenants does so between NO FORCE and FORCE ROW LEVEL SECURITY.",
        );
    }
    if let Some(members) = &open.members {
        report.note(
            members,
            "It can become the roles that own the tables and the keys, as a superuser could: no program but rowhouse-migrate logs in as it.",
        );
    }
    if let Some(languages) = &open.languages {
        report.note(
            &format!("LANGUAGE {languages}"),
            "PUBLIC has USAGE: injected SQL can run DO blocks, with no other rights than its own.",
        );
    }
    if let Some(functions) = &open.functions {
        report.note(
            functions,
            "PUBLIC has EXECUTE: injected SQL sees the text of statements of other sessions of its role, can end them, \
             and keeps large objects, which no policy guards. Values and seals are in no such text.",
        );
    }
    Ok(())
}

const OPEN: &str = "
SELECT coalesce((SELECT rolbypassrls FROM pg_roles WHERE rolname = 'rowhouse_owner'), false) AS bypasses,
    (SELECT string_agg(DISTINCT quote_ident(m.rolname), ', ' ORDER BY quote_ident(m.rolname))
        FROM pg_auth_members a JOIN pg_roles r ON r.oid = a.roleid JOIN pg_roles m ON m.oid = a.member
        WHERE r.rolname IN ('rowhouse_owner', 'rowhouse_tenancy') AND NOT m.rolsuper) AS members,
    (SELECT string_agg(quote_ident(l.lanname), ', ' ORDER BY l.lanname)
        FROM pg_language l CROSS JOIN LATERAL aclexplode(coalesce(l.lanacl, acldefault('l', l.lanowner))) a
        WHERE l.lanname IN ('plpgsql', 'sql') AND a.grantee = 0) AS languages,
    string_agg(DISTINCT p.proname, ', ' ORDER BY p.proname) AS functions
FROM pg_proc p CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
WHERE p.pronamespace = 'pg_catalog'::regnamespace AND a.grantee = 0";

#[derive(QueryableByName)]
struct Open {
    #[diesel(sql_type = Bool)]
    bypasses: bool,
    #[diesel(sql_type = Nullable<Text>)]
    members: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    languages: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    functions: Option<String>,
}

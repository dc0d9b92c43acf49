//! Roles: what they are, whom they belong to, and what they carry into their sessions.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Integer, Text};

use super::catalog::{Catalog, DeclaredRole, Part};
use super::report::Report;
use crate::error::Error;
use crate::level::Level;

pub(super) fn check(
    conn: &mut PgConnection,
    catalog: &Catalog,
    report: &mut Report,
) -> Result<(), Error> {
    let roles: Vec<Role> = diesel::sql_query(ROLES).load(conn)?;
    for declared in &catalog.roles {
        match roles.iter().find(|role| role.name == declared.name) {
            Some(role) => attributes(declared, role, report),
            None => missing(declared, report),
        }
    }
    report.count("roles", catalog.roles.len());
    for role in &roles {
        if catalog.find_role(&role.name).is_none() {
            outside(role, report);
        }
    }
    let memberships: Vec<Membership> = diesel::sql_query(MEMBERSHIPS).load(conn)?;
    for membership in &memberships {
        membership.judge(catalog, report);
    }
    Ok(())
}

/// Predefined roles that read or write past what is granted, or reach the host.
const ROLES: &str = "
SELECT quote_ident(rolname) AS name, rolsuper AS superuser, rolbypassrls AS bypassrls,
    rolcreaterole AS createrole, rolcreatedb AS createdb, rolreplication AS replication, rolcanlogin AS login,
    ARRAY(SELECT p.rolname::text FROM pg_roles p
        WHERE p.rolname IN ('pg_read_all_data', 'pg_write_all_data', 'pg_maintain', 'pg_read_server_files',
                'pg_write_server_files', 'pg_execute_server_program', 'pg_signal_backend')
            AND pg_has_role(r.oid, p.oid, 'MEMBER') ORDER BY 1) AS powers,
    oid = (SELECT datdba FROM pg_database WHERE datname = current_database()) AS owns_database
FROM pg_roles r WHERE rolname !~ '^pg_' ORDER BY rolname";

#[derive(QueryableByName)]
struct Role {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Bool)]
    superuser: bool,
    #[diesel(sql_type = Bool)]
    bypassrls: bool,
    #[diesel(sql_type = Bool)]
    createrole: bool,
    #[diesel(sql_type = Bool)]
    createdb: bool,
    #[diesel(sql_type = Bool)]
    replication: bool,
    #[diesel(sql_type = Bool)]
    login: bool,
    #[diesel(sql_type = Array<Text>)]
    powers: Vec<String>,
    #[diesel(sql_type = Bool)]
    owns_database: bool,
}

/// Each attribute as it is and as it should be, with the word of ALTER ROLE.
fn expected(declared: &DeclaredRole, role: &Role) -> [(bool, bool, &'static str); 6] {
    [
        (role.login, declared.part == Part::Login, "LOGIN"),
        (role.superuser, false, "SUPERUSER"),
        (role.createrole, false, "CREATEROLE"),
        (role.createdb, false, "CREATEDB"),
        (role.replication, false, "REPLICATION"),
        (role.bypassrls, declared.part == Part::Owner, "BYPASSRLS"),
    ]
}

fn attribute(wanted: bool, word: &str) -> String {
    let no = if wanted { "" } else { "NO" };
    format!("{no}{word}")
}

fn attributes(declared: &DeclaredRole, role: &Role, report: &mut Report) {
    // Only a superuser can give it: a note of the level.
    let beyond = report.level() == Level::Managed && declared.part == Part::Owner;
    let differ: Vec<(bool, &str)> = expected(declared, role)
        .into_iter()
        .filter(|(is, wanted, _)| is != wanted)
        .filter(|(_, _, word)| !(beyond && *word == "BYPASSRLS"))
        .map(|(_, wanted, word)| (wanted, word))
        .collect();
    if differ.is_empty() {
        return;
    }
    let list = |flip: bool| -> String {
        let words: Vec<String> = differ
            .iter()
            .map(|(wanted, word)| attribute(*wanted != flip, word))
            .collect();
        words.join(if flip { ", " } else { " " })
    };
    let note = if differ.contains(&(true, "BYPASSRLS")) {
        "; without BYPASSRLS its data migrations would find no row of a tenant"
    } else {
        ""
    };
    report.find(
        "role_attributes",
        &role.name,
        format!("The role is {}{note}.", list(true)),
        format!("ALTER ROLE {} {};", role.name, list(false)),
    );
}

fn missing(declared: &DeclaredRole, report: &mut Report) {
    report.find(
        "role_missing",
        &declared.name,
        "The role is not there.",
        format!(
            "CREATE ROLE {} {} {}; -- then run the bootstrap, which grants what it needs",
            declared.name,
            attribute(declared.part == Part::Login, "LOGIN"),
            attribute(declared.part == Part::Owner, "BYPASSRLS"),
        ),
    );
}

/// Of somebody else, or of another database in this cluster: worth knowing, not ours to mend.
fn outside(role: &Role, report: &mut Report) {
    // The role that bootstraps where there is no superuser is a note of the level.
    if role.superuser || role.owns_database && report.level() == Level::Managed {
        return;
    }
    let mut powers = role.powers.clone();
    for (has, word) in [
        (role.bypassrls, "BYPASSRLS"),
        (role.createrole, "CREATEROLE"),
        (role.replication, "REPLICATION"),
    ] {
        if has {
            powers.push(word.to_owned());
        }
    }
    if !powers.is_empty() {
        report.warn(
            "role_outside",
            &role.name,
            format!(
                "The role is not declared, no superuser, and has power over the cluster: {}.",
                powers.join(", ")
            ),
            "-- know who holds it: it can reach past the policies, or make itself able to",
        );
    }
}

const MEMBERSHIPS: &str = "
SELECT quote_ident(r.rolname) AS role, quote_ident(m.rolname) AS member, quote_ident(g.rolname) AS grantor,
    m.rolsuper AS superuser, m.oid = d.datdba AS owns_database, current_setting('server_version_num')::int AS version
FROM pg_auth_members a
JOIN pg_roles r ON r.oid = a.roleid
JOIN pg_roles m ON m.oid = a.member
JOIN pg_roles g ON g.oid = a.grantor
JOIN pg_database d ON d.datname = current_database()
ORDER BY 1, 2, 3";

#[derive(QueryableByName)]
struct Membership {
    #[diesel(sql_type = Text)]
    role: String,
    #[diesel(sql_type = Text)]
    member: String,
    #[diesel(sql_type = Text)]
    grantor: String,
    #[diesel(sql_type = Bool)]
    superuser: bool,
    #[diesel(sql_type = Bool)]
    owns_database: bool,
    #[diesel(sql_type = Integer)]
    version: i32,
}

impl Membership {
    /// A declared role belongs to no role and no role to it, except a superuser, who gains
    /// nothing by it. So there is no chain to follow.
    fn judge(&self, catalog: &Catalog, report: &mut Report) {
        let ours = catalog.find_role(&self.member).is_some();
        if !ours && (self.superuser || catalog.find_role(&self.role).is_none()) {
            return;
        }
        // The role that made ours and migrates as them: a note of the level.
        if !ours && self.owns_database && report.level() == Level::Managed {
            return;
        }
        // From 16 on each grantor's grant is one of its own.
        let by = if self.version >= 160_000 {
            format!(" GRANTED BY {}", self.grantor)
        } else {
            String::new()
        };
        report.find(
            "role_membership",
            &self.member,
            format!("The role is a member of {}: it can become it.", self.role),
            format!("REVOKE {} FROM {}{by} CASCADE;", self.role, self.member),
        );
    }
}

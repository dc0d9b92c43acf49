//! Policies: on a tenant table exactly those of `tenancy.protect`, elsewhere none.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text};

use super::catalog::Catalog;
use super::literal;
use super::report::Report;
use super::tenant_table::TenantTable;
use crate::error::Error;

/// The restrictive policy that no other one can widen.
const GUARD: &str = "tenancy_guard";

pub(super) fn check(
    conn: &mut PgConnection,
    catalog: &Catalog,
    report: &mut Report,
) -> Result<(), Error> {
    let found = load(conn)?;
    for table in &catalog.tenant_tables {
        for wanted in wanted(table) {
            let name = &wanted.name;
            let (missing, changed) = if wanted.name == GUARD {
                ("guard_missing", "guard_changed")
            } else {
                ("policy_missing", "policy_changed")
            };
            match found
                .iter()
                .find(|p| p.table_name == table.name && p.name == wanted.name)
            {
                None => report.find(
                    missing,
                    &table.name,
                    format!("Policy {name} is not there."),
                    table.protect(),
                ),
                Some(found) if found.body() == wanted.body() => {}
                Some(found) => report.find(
                    changed,
                    &table.name,
                    format!(
                        "Policy {name} reads {}, not {}.",
                        found.body(),
                        wanted.body()
                    ),
                    table.protect(),
                ),
            }
        }
    }
    for policy in &found {
        let declared = catalog
            .find_tenant_table(&policy.table_name)
            .is_some_and(|table| wanted(table).iter().any(|p| p.name == policy.name));
        if !declared {
            report.find(
                "policy_unknown",
                &policy.table_name,
                format!(
                    "Policy {} is not of tenancy.protect: {}.",
                    policy.name,
                    policy.body()
                ),
                format!("DROP POLICY {} ON {};", policy.name, policy.table_name),
            );
        }
    }
    report.count("policies", found.len());
    Ok(())
}

/// All policies by table and name.
pub(super) fn text(conn: &mut PgConnection) -> Result<String, Error> {
    let mut text = String::new();
    let mut table = String::new();
    for policy in load(conn)? {
        if policy.table_name != table {
            let gap = if table.is_empty() { "" } else { "\n" };
            text.push_str(&format!("{gap}{}\n", policy.table_name));
            table.clone_from(&policy.table_name);
        }
        text.push_str(&format!("  {} {}\n", policy.name, policy.kind()));
        for (clause, expression) in [("USING", &policy.using), ("WITH CHECK", &policy.check)] {
            if let Some(expression) = expression {
                text.push_str(&format!("    {clause} {expression}\n"));
            }
        }
    }
    Ok(text)
}

fn load(conn: &mut PgConnection) -> Result<Vec<Policy>, Error> {
    let mut policies: Vec<Policy> = diesel::sql_query(POLICIES).load(conn)?;
    for policy in &mut policies {
        for expression in [&mut policy.using, &mut policy.check].into_iter().flatten() {
            let words: Vec<&str> = expression.split_whitespace().collect();
            *expression = words.join(" ");
        }
    }
    Ok(policies)
}

const POLICIES: &str = "
SELECT format('%I.%I', n.nspname, c.relname) AS table_name, quote_ident(p.polname) AS name,
    p.polpermissive AS permissive,
    CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'
        ELSE 'ALL' END AS command,
    (SELECT string_agg(coalesce(quote_ident(r.rolname), 'PUBLIC'), ', ' ORDER BY r.rolname)
        FROM unnest(p.polroles) AS o (oid) LEFT JOIN pg_roles r ON r.oid = o.oid) AS roles,
    pg_get_expr(p.polqual, p.polrelid) AS using, pg_get_expr(p.polwithcheck, p.polrelid) AS check
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
ORDER BY 1, 2";

#[derive(QueryableByName)]
struct Policy {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Bool)]
    permissive: bool,
    #[diesel(sql_type = Text)]
    command: String,
    #[diesel(sql_type = Text)]
    roles: String,
    #[diesel(sql_type = Nullable<Text>)]
    using: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    check: Option<String>,
}

impl Policy {
    fn kind(&self) -> String {
        let kind = if self.permissive {
            "PERMISSIVE"
        } else {
            "RESTRICTIVE"
        };
        format!("{kind} FOR {} TO {}", self.command, self.roles)
    }

    /// All of it but its name, as CREATE POLICY has it.
    fn body(&self) -> String {
        let mut body = self.kind();
        if let Some(using) = &self.using {
            body.push_str(&format!(" USING {using}"));
        }
        if let Some(check) = &self.check {
            body.push_str(&format!(" WITH CHECK {check}"));
        }
        body
    }
}

/// What `tenancy.protect` makes of a table, in the spelling of `pg_get_expr`.
fn wanted(table: &TenantTable) -> Vec<Policy> {
    let policy =
        |name: &str, command: &str, using: Option<&String>, check: Option<&String>| Policy {
            table_name: table.name.clone(),
            name: name.to_owned(),
            permissive: true,
            command: command.to_owned(),
            roles: "PUBLIC".to_owned(),
            using: using.cloned(),
            check: check.cloned(),
        };
    let select = |call: &str, name: &str, kind: &str| match &table.door {
        None => format!("( SELECT {call} AS {name})"),
        Some(door) => format!(
            "( SELECT CASE WHEN (CURRENT_USER <> {}::name) THEN {call} ELSE NULL::{kind} END AS \"case\")",
            literal(door)
        ),
    };
    let ours = format!(
        "({} = {})",
        table.tenant_column,
        select("tenancy.current_tenant()", "current_tenant", "uuid")
    );
    let allows = format!("tenancy.allows('{}'::text)", table.write_role);
    let writes = format!("({ours} AND {})", select(&allows, "allows", "boolean"));
    let guard = match &table.door {
        None => ours.clone(),
        Some(door) => format!(
            "CASE WHEN (CURRENT_USER = {}::name) THEN true ELSE {ours} END",
            literal(door)
        ),
    };

    let mut policies = vec![Policy {
        permissive: false,
        ..policy(GUARD, "ALL", Some(&guard), Some(&guard))
    }];
    if let Some(door) = &table.door {
        let open = "true".to_owned();
        policies.push(Policy {
            roles: door.clone(),
            ..policy("tenancy_door", "ALL", Some(&open), Some(&open))
        });
    }
    for command in &table.commands {
        let (using, check) = match command.as_str() {
            "select" => (Some(&ours), None),
            "insert" => (None, Some(&writes)),
            "update" => (Some(&writes), Some(&writes)),
            _ => (Some(&writes), None),
        };
        let name = format!("tenancy_{command}");
        policies.push(policy(&name, &command.to_uppercase(), using, check));
    }
    policies
}

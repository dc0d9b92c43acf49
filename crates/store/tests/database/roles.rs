//! Role by table by command: the database refuses what the API would refuse, loudly.

use diesel::connection::SimpleConnection as _;
use rowhouse_tests::Database;
use tenant_db::Role;

use crate::sealed::{Tenant, code, enter, two_tenants};

/// One statement per table and command, and the least role that may run it.
fn statements(tenant: &Tenant) -> Vec<(String, Role)> {
    let Tenant {
        id,
        member,
        project,
        ..
    } = tenant;
    vec![
        ("SELECT FROM projects".to_owned(), Role::Viewer),
        ("SELECT FROM memberships".to_owned(), Role::Viewer),
        ("SELECT FROM tenants".to_owned(), Role::Viewer),
        (
            format!(
                "INSERT INTO projects (tenant_id, id, name, owner_id)
                 VALUES ('{id}', gen_random_uuid(), 'x', '{member}')"
            ),
            Role::Member,
        ),
        (
            format!("UPDATE projects SET name = 'x' WHERE id = '{project}'"),
            Role::Member,
        ),
        // Also where nothing matches: a policy alone would be silent.
        (
            "UPDATE projects SET name = 'x' WHERE false".to_owned(),
            Role::Member,
        ),
        (
            "UPDATE memberships SET full_name = 'x' WHERE false".to_owned(),
            Role::Admin,
        ),
        (
            "SELECT directory.create_managed_account('new@acme.example', 'New', 'hash')".to_owned(),
            Role::Admin,
        ),
        ("UPDATE tenants SET name = 'x'".to_owned(), Role::Admin),
    ]
}

#[test]
fn every_role_writes_what_it_may_and_is_told_tn008_otherwise() {
    let database = Database::fresh();
    let (acme, _) = two_tenants(&database);
    let mut app = database.connect_as("rowhouse_app");
    for role in [Role::Viewer, Role::Member, Role::Admin, Role::Owner] {
        acme.become_role(&database, &role.to_string());
        for (sql, least) in statements(&acme) {
            enter(&mut app, &acme.context_as(role)).unwrap();
            let result = app.batch_execute(&sql);
            if role >= least {
                assert!(result.is_ok(), "{role}: {sql}: {result:?}");
            } else {
                assert_eq!(code(result), "TN008", "{role}: {sql}");
            }
            app.batch_execute("ROLLBACK").unwrap();
        }
    }
}

#[test]
fn nobody_grants_a_role_above_their_own_nor_edits_whoever_has_one() {
    let database = Database::fresh();
    let (acme, _) = two_tenants(&database);
    let mut app = database.connect_as("rowhouse_app");
    let add = "SELECT directory.create_managed_account('boss@acme.example', 'Boss', 'hash')";
    let promote = "UPDATE memberships SET role = 'owner' WHERE email = 'boss@acme.example'";
    let demote = "UPDATE memberships SET role = 'viewer' WHERE email = 'boss@acme.example'";
    enter(&mut app, &acme.context()).unwrap();
    app.batch_execute(&format!("{add}; {promote}; COMMIT"))
        .unwrap();

    acme.become_role(&database, "admin");
    enter(&mut app, &acme.context_as(Role::Admin)).unwrap();
    assert_eq!(code(app.batch_execute(demote)), "TN008");
    app.batch_execute("ROLLBACK").unwrap();
    enter(&mut app, &acme.context_as(Role::Admin)).unwrap();
    let promote_myself = format!(
        "UPDATE memberships SET role = 'owner' WHERE id = '{}'",
        acme.member
    );
    assert_eq!(code(app.batch_execute(&promote_myself)), "TN008");
}

#[test]
fn the_run_time_roles_reach_nothing_else() {
    let database = Database::fresh();
    let (acme, _) = two_tenants(&database);
    for (role, refused) in [
        (
            "rowhouse_app",
            &[
                "SELECT FROM accounts",
                "SELECT FROM credentials",
                "SELECT FROM sessions",
                "SELECT FROM refresh_tokens",
                "SELECT FROM tenancy.seal_key",
                "SELECT FROM tenancy.session",
                "SELECT FROM tenancy.member",
                "SELECT directory.memberships_of(gen_random_uuid())",
                "SELECT tenancy.protect('projects')",
                "SELECT tenancy.authorize('user', gen_random_uuid(), '', NULL, 'owner', 0)",
                "DELETE FROM projects",
                "TRUNCATE projects",
                "INSERT INTO memberships SELECT * FROM memberships",
                "UPDATE tenants SET subscription_tier = 'enterprise'",
                "UPDATE memberships SET account_id = NULL",
                "CREATE TABLE public.mine ()",
                "CREATE TEMP TABLE projects ()",
                "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql RETURN 1",
                "DO $$ BEGIN END $$",
                "SELECT lo_create(0)",
                "SELECT FROM pg_stat_activity",
                "SELECT pg_terminate_backend(1)",
                "ALTER TABLE projects DISABLE ROW LEVEL SECURITY",
            ][..],
        ),
        (
            "rowhouse_auth",
            &[
                "SELECT FROM projects",
                "SELECT FROM memberships",
                "SELECT FROM tenants",
                "SELECT FROM tenancy.seal_key",
                "SELECT tenancy.enter('x')",
                "SELECT directory.create_managed_account('a', 'b', 'c')",
                "CREATE TEMP TABLE x ()",
            ][..],
        ),
        (
            "rowhouse_ops",
            &[
                "SELECT FROM projects",
                "SELECT FROM accounts",
                "SELECT FROM tenants",
            ][..],
        ),
    ] {
        let mut conn = database.connect_as(role);
        for sql in refused {
            if role == "rowhouse_app" {
                enter(&mut conn, &acme.context()).unwrap();
            }
            let refusal = code(conn.batch_execute(sql));
            assert!(
                refusal.contains("permission denied") || refusal.contains("must be owner"),
                "{role}: {sql}: {refusal}"
            );
            conn.batch_execute("ROLLBACK").unwrap();
        }
    }
}

//! Who gets into a context, and what is seen from inside it. Every refusal is an error, never an
//! empty result.

use diesel::connection::SimpleConnection as _;
use rowhouse_tests::{Database, seal_key};
use tenant_db::{Actor, Context, Role, SealKey};
use uuid::Uuid;

use crate::sealed::{code, count, enter, enter_with, now, pid, seal_under, texts, two_tenants};

#[test]
fn without_a_context_every_tenant_table_is_an_error() {
    let database = Database::fresh();
    let _ = two_tenants(&database);
    let mut app = database.connect_as("rowhouse_app");
    for sql in [
        "(SELECT count(*) FROM projects)",
        "(SELECT count(*) FROM memberships)",
        "(SELECT count(*) FROM tenants)",
    ] {
        assert_eq!(code(count(&mut app, sql)), "TN001", "{sql}");
    }
    assert_eq!(
        code(app.batch_execute("UPDATE projects SET name = 'x'")),
        "TN001"
    );
    for function in [
        "current_tenant",
        "current_actor",
        "current_session",
        "current_role_name",
        "current_address",
    ] {
        assert_eq!(
            code(app.batch_execute(&format!("SELECT tenancy.{function}()"))),
            "TN001",
            "{function}"
        );
    }
}

#[test]
fn inside_a_context_an_unfiltered_query_sees_one_tenant() {
    let database = Database::fresh();
    let (acme, globex) = two_tenants(&database);
    let mut app = database.connect_as("rowhouse_app");
    for (tenant, slug) in [(&acme, "acme-corp"), (&globex, "globex-inc")] {
        enter(&mut app, &tenant.context()).unwrap();
        assert_eq!(
            texts(&mut app, "SELECT name AS text FROM projects ORDER BY name").unwrap(),
            [format!("Another of {slug}"), format!("Secret of {slug}")]
        );
        assert_eq!(
            texts(&mut app, "SELECT slug AS text FROM tenants").unwrap(),
            [slug]
        );
        assert_eq!(
            count(&mut app, "(SELECT count(*) FROM memberships)").unwrap(),
            1
        );
        app.batch_execute("ROLLBACK").unwrap();
    }
}

#[test]
fn a_write_reaches_no_other_tenant() {
    let database = Database::fresh();
    let (acme, globex) = two_tenants(&database);
    let mut app = database.connect_as("rowhouse_app");
    enter(&mut app, &acme.context()).unwrap();
    app.batch_execute("UPDATE projects SET name = 'changed'")
        .unwrap();
    app.batch_execute(&format!(
        "UPDATE projects SET name = 'changed' WHERE tenant_id = '{}'",
        globex.id
    ))
    .unwrap();
    app.batch_execute("COMMIT").unwrap();
    let names = texts(
        &mut database.superuser(),
        "SELECT name AS text FROM projects ORDER BY name",
    )
    .unwrap();
    assert_eq!(
        names,
        [
            "Another of globex-inc",
            "Secret of globex-inc",
            "changed",
            "changed"
        ]
    );

    enter(&mut app, &acme.context()).unwrap();
    let insert = format!(
        "INSERT INTO projects (tenant_id, id, name, owner_id) VALUES ('{}', gen_random_uuid(), 'planted', '{}')",
        globex.id, globex.member
    );
    let refusal = code(app.batch_execute(&insert));
    assert_eq!(
        refusal,
        "new row violates row-level security policy for table \"projects\""
    );
    app.batch_execute("ROLLBACK").unwrap();

    enter(&mut app, &acme.context()).unwrap();
    let refusal =
        code(app.batch_execute(&format!("UPDATE projects SET tenant_id = '{}'", globex.id)));
    assert_eq!(refusal, "permission denied for table projects");
    app.batch_execute("ROLLBACK").unwrap();
}

#[test]
fn a_foreign_key_cannot_point_at_a_neighbour_s_row() {
    let database = Database::fresh();
    let (acme, globex) = two_tenants(&database);
    let mut app = database.connect_as("rowhouse_app");
    enter(&mut app, &acme.context()).unwrap();
    let insert = format!(
        "INSERT INTO projects (tenant_id, id, name, owner_id) VALUES ('{}', gen_random_uuid(), 'x', '{}')",
        acme.id, globex.member
    );
    assert_eq!(
        code(app.batch_execute(&insert)),
        "projects_tenant_id_owner_id_fkey"
    );
}

#[test]
fn a_forged_seal_is_refused() {
    let database = Database::fresh();
    let (acme, globex) = two_tenants(&database);
    let mut app = database.connect_as("rowhouse_app");
    let good = seal_under(&seal_key(), &acme.context(), &mut app);

    let other_key = SealKey::new("test", b"not the key that the database has").unwrap();
    let unknown_key = SealKey::new("other", b"a seal key of thirty-two bytes!!").unwrap();
    let of_neighbour = good.replace(&acme.id.to_string(), &globex.id.to_string());
    let promoted = good.replace("|owner|0|", "|owner|1|");
    let no_mac = good.rsplit_once('|').unwrap().0.to_owned();
    for forged in [
        seal_under(&other_key, &acme.context(), &mut app),
        seal_under(&unknown_key, &acme.context(), &mut app),
        of_neighbour,
        promoted,
        format!("{no_mac}|"),
        no_mac,
        format!("{good}|"),
        good.replace("v1|", "v2|"),
        String::new(),
        "|||||||||||||".to_owned(),
    ] {
        assert_eq!(code(enter_with(&mut app, &forged)), "TN002", "{forged}");
        app.batch_execute("ROLLBACK").unwrap();
        assert_eq!(
            code(count(&mut app, "(SELECT count(*) FROM projects)")),
            "TN001"
        );
    }
    enter_with(&mut app, &good).unwrap();
}

#[test]
fn a_seal_holds_for_one_connection_and_for_ten_seconds() {
    let database = Database::fresh();
    let (acme, _) = two_tenants(&database);
    let mut app = database.connect_as("rowhouse_app");
    let mut other = database.connect_as("rowhouse_app");
    let seal = seal_under(&seal_key(), &acme.context(), &mut app);
    assert_eq!(code(enter_with(&mut other, &seal)), "TN002");

    let pid = pid(&mut app);
    for age in [-60, -12, 12, 3600] {
        let seal = seal_key().seal(&acme.context(), pid, now() + age);
        assert_eq!(code(enter_with(&mut app, &seal)), "TN002", "{age}");
        app.batch_execute("ROLLBACK").unwrap();
    }
    for age in [-7, 7] {
        let seal = seal_key().seal(&acme.context(), pid, now() + age);
        enter_with(&mut app, &seal).unwrap();
        app.batch_execute("ROLLBACK").unwrap();
    }
}

#[test]
fn a_key_that_expired_or_may_not_speak_for_users_opens_nothing() {
    let database = Database::fresh();
    let (acme, _) = two_tenants(&database);
    let mut app = database.connect_as("rowhouse_app");
    for change in [
        "not_after = now() - interval '1 second'",
        "not_after = NULL, kinds = '{job}'",
    ] {
        database
            .superuser()
            .batch_execute(&format!("UPDATE tenancy.seal_key SET {change}"))
            .unwrap();
        assert_eq!(code(enter(&mut app, &acme.context())), "TN002", "{change}");
        app.batch_execute("ROLLBACK").unwrap();
    }
}

#[test]
fn a_suspended_tenant_is_tn003() {
    let database = Database::fresh();
    let (acme, globex) = two_tenants(&database);
    database
        .superuser()
        .batch_execute(&format!(
            "UPDATE tenants SET status = 'suspended' WHERE id = '{}'",
            acme.id
        ))
        .unwrap();
    let mut app = database.connect_as("rowhouse_app");
    assert_eq!(code(enter(&mut app, &acme.context())), "TN003");
    app.batch_execute("ROLLBACK").unwrap();
    enter(&mut app, &globex.context()).unwrap();
}

#[test]
fn a_tenant_that_is_to_be_erased_is_tn010_for_its_owners_too() {
    let database = Database::fresh();
    let (acme, globex) = two_tenants(&database);
    let mut superuser = database.superuser();
    // No status without its time, nor a time without its status.
    for half in ["status = 'deleting'", "erase_after = now()"] {
        let refused = superuser.batch_execute(&format!("UPDATE tenants SET {half}"));
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("tenants_erase_after_check"), "{refused}");
    }
    superuser
        .batch_execute(&format!(
            "UPDATE tenants SET status = 'deleting', erase_after = now() + interval '1 day' WHERE id = '{}'",
            acme.id
        ))
        .unwrap();
    let mut app = database.connect_as("rowhouse_app");
    assert_eq!(code(enter(&mut app, &acme.context())), "TN010");
    app.batch_execute("ROLLBACK").unwrap();
    enter(&mut app, &globex.context()).unwrap();
}

#[test]
fn a_session_that_ended_or_is_somebody_else_s_is_tn004() {
    let database = Database::fresh();
    let (acme, globex) = two_tenants(&database);
    let mut app = database.connect_as("rowhouse_app");
    let stolen = Context::new(
        acme.id,
        Actor::User {
            id: acme.account,
            session: globex.session,
        },
    );
    let unknown = Context::new(
        acme.id,
        Actor::User {
            id: acme.account,
            session: Uuid::now_v7(),
        },
    );
    for context in [stolen, unknown] {
        assert_eq!(
            code(enter(&mut app, &context.with_role(Role::Owner, 0))),
            "TN004"
        );
        app.batch_execute("ROLLBACK").unwrap();
    }
    enter(&mut app, &acme.context()).unwrap();
    app.batch_execute("ROLLBACK").unwrap();
    let revoke = format!(
        "UPDATE sessions SET revoked_at = now() WHERE id = '{}'",
        acme.session
    );
    database
        .connect_as("rowhouse_auth")
        .batch_execute(&revoke)
        .unwrap();
    assert_eq!(code(enter(&mut app, &acme.context())), "TN004");
}

#[test]
fn another_tenant_role_or_version_than_the_session_s_is_tn005() {
    let database = Database::fresh();
    let (acme, globex) = two_tenants(&database);
    let mut app = database.connect_as("rowhouse_app");
    let actor = Actor::User {
        id: acme.account,
        session: acme.session,
    };
    for context in [
        // A bug that names the wrong tenant: the right key, the right session, the wrong rows.
        Context::new(globex.id, actor).with_role(Role::Owner, 0),
        Context::new(acme.id, actor).with_role(Role::Admin, 0),
        Context::new(acme.id, actor).with_role(Role::Owner, 1),
    ] {
        assert_eq!(code(enter(&mut app, &context)), "TN005", "{context:?}");
        app.batch_execute("ROLLBACK").unwrap();
    }
}

#[test]
fn whoever_is_no_live_member_is_tn007() {
    let database = Database::fresh();
    let (acme, globex) = two_tenants(&database);
    let mut app = database.connect_as("rowhouse_app");
    let mut superuser = database.superuser();
    // A session that stands in a tenant to which its account does not belong.
    superuser
        .batch_execute(&format!(
            "UPDATE sessions SET tenant_id = '{}' WHERE id = '{}'",
            globex.id, acme.session
        ))
        .unwrap();
    let context = Context::new(
        globex.id,
        Actor::User {
            id: acme.account,
            session: acme.session,
        },
    );
    assert_eq!(
        code(enter(&mut app, &context.with_role(Role::Owner, 0))),
        "TN007"
    );
    app.batch_execute("ROLLBACK").unwrap();

    // The last owner would not go; here it is only about who comes in.
    superuser
        .batch_execute("ALTER TABLE memberships DISABLE TRIGGER memberships_keep_an_owner")
        .unwrap();
    for change in [
        "status = 'suspended'",
        "status = 'active', removed_at = now()",
    ] {
        let update = format!(
            "UPDATE memberships SET {change} WHERE id = '{}'",
            globex.member
        );
        superuser.batch_execute(&update).unwrap();
        assert_eq!(
            code(enter(&mut app, &globex.context())),
            "TN007",
            "{change}"
        );
        app.batch_execute("ROLLBACK").unwrap();
    }
    for (actor, refusal) in [
        (Actor::Key { id: acme.account }, "TN009"),
        (Actor::Job { id: acme.account }, "TN007"),
    ] {
        let context = Context::new(acme.id, actor).with_role(Role::Owner, 0);
        assert_eq!(code(enter(&mut app, &context)), refusal, "{actor:?}");
        app.batch_execute("ROLLBACK").unwrap();
    }
}

#[test]
fn a_second_enter_is_tn006() {
    let database = Database::fresh();
    let (acme, globex) = two_tenants(&database);
    let mut app = database.connect_as("rowhouse_app");
    let second = seal_under(&seal_key(), &globex.context(), &mut app);

    // Inside the same transaction, by injected SQL.
    enter(&mut app, &acme.context()).unwrap();
    assert_eq!(
        code(app.batch_execute(&format!("SELECT tenancy.enter('{second}')"))),
        "TN006"
    );
    app.batch_execute("ROLLBACK").unwrap();

    // A whole prologue inside a neighbour's transaction that was left open.
    enter(&mut app, &acme.context()).unwrap();
    assert_eq!(code(enter_with(&mut app, &second)), "TN006");
    app.batch_execute("ROLLBACK").unwrap();

    // In the message that began the transaction, twice.
    let first = seal_under(&seal_key(), &acme.context(), &mut app);
    let both = format!("BEGIN; SELECT tenancy.enter('{first}'); SELECT tenancy.enter('{second}')");
    assert_eq!(code(app.batch_execute(&both)), "TN006");
    app.batch_execute("ROLLBACK").unwrap();

    // Not in the message that began it.
    app.batch_execute("BEGIN").unwrap();
    assert_eq!(
        code(app.batch_execute(&format!("SELECT tenancy.enter('{second}')"))),
        "TN006"
    );
}

#[test]
fn the_slot_cannot_be_written_and_emptying_it_closes_the_context() {
    let database = Database::fresh();
    let (acme, globex) = two_tenants(&database);
    let mut app = database.connect_as("rowhouse_app");
    let fake = format!("{}_user_x__owner_0_", globex.id.simple());
    for sql in [
        format!("SET backtrace_functions = '{fake}'"),
        format!("SET LOCAL backtrace_functions = '{fake}'"),
        format!("SELECT set_config('backtrace_functions', '{fake}', true)"),
        format!("UPDATE pg_settings SET setting = '{fake}' WHERE name = 'backtrace_functions'"),
        format!("ALTER ROLE rowhouse_app SET backtrace_functions = '{fake}'"),
        "RESET backtrace_functions".to_owned(),
        "SET ROLE rowhouse_tenancy".to_owned(),
        "SET SESSION AUTHORIZATION rowhouse_owner".to_owned(),
    ] {
        enter(&mut app, &acme.context()).unwrap();
        let refusal = code(app.batch_execute(&sql));
        assert!(refusal.contains("permission denied"), "{sql}: {refusal}");
        app.batch_execute("ROLLBACK").unwrap();
    }
    enter(&mut app, &acme.context()).unwrap();
    app.batch_execute("RESET ALL").unwrap();
    assert_eq!(
        code(count(&mut app, "(SELECT count(*) FROM projects)")),
        "TN001"
    );
    app.batch_execute("ROLLBACK").unwrap();

    // The context ends with its transaction, however that ends.
    for end in [
        "COMMIT",
        "ROLLBACK",
        "COMMIT AND CHAIN",
        "ROLLBACK AND CHAIN",
    ] {
        enter(&mut app, &acme.context()).unwrap();
        app.batch_execute(end).unwrap();
        assert_eq!(
            code(count(&mut app, "(SELECT count(*) FROM projects)")),
            "TN001",
            "{end}"
        );
        app.batch_execute("ROLLBACK").unwrap();
    }
}

#[test]
fn the_context_tells_who_is_asking() {
    let database = Database::fresh();
    let (acme, _) = two_tenants(&database);
    let mut app = database.connect_as("rowhouse_app");
    let context = acme
        .context()
        .with_request_id("req_1-x")
        .with_address(Some("2001:db8::7".parse().unwrap()));
    enter(&mut app, &context).unwrap();
    let sql = "SELECT concat_ws(' ', tenancy.current_tenant(), tenancy.current_kind(), tenancy.current_actor()::uuid,
        tenancy.current_session(), tenancy.current_role_name(), tenancy.current_role_version(),
        tenancy.current_request_id(), host(tenancy.current_address())) AS text";
    let expected = format!(
        "{} user {} {} owner 0 req_1-x 2001:db8::7",
        acme.id, acme.account, acme.session
    );
    assert_eq!(texts(&mut app, sql).unwrap(), [expected]);
}

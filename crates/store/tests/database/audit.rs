//! The audit trail: what leaves an event, what the event says, and whose it is.

use diesel::PgConnection;
use diesel::connection::SimpleConnection as _;
use rowhouse_tests::{Database, seal_key};
use serde_json::{Value, json};
use store::audit_events::{self, Filter, Stretch, TIMES};
use tenant_db::{Context, PoolSettings, TenantDb};
use uuid::Uuid;

use crate::sealed::{Tenant, code, count, enter, texts, two_tenants};

/// All events of a tenant, oldest first.
pub(crate) fn events(superuser: &mut PgConnection, tenant: Uuid) -> Vec<Value> {
    let sql = format!(
        "SELECT to_jsonb(e)::text AS text FROM tenancy.audit_events e WHERE tenant_id = '{tenant}' ORDER BY id"
    );
    let rows = texts(superuser, &sql).unwrap();
    rows.iter()
        .map(|row| serde_json::from_str(row).unwrap())
        .collect()
}

/// The events that `work` leaves, done in this context and committed.
fn events_of(database: &Database, context: &Context, work: &str) -> Vec<Value> {
    let mut superuser = database.superuser();
    let before = events(&mut superuser, context.tenant()).len();
    let mut app = database.connect_as("rowhouse_app");
    enter(&mut app, context).unwrap();
    app.batch_execute(work).unwrap();
    app.batch_execute("COMMIT").unwrap();
    events(&mut superuser, context.tenant()).split_off(before)
}

fn traced(tenant: &Tenant) -> Context {
    tenant
        .context()
        .with_request_id("request-7")
        .with_address(Some("203.0.113.9".parse().unwrap()))
}

#[test]
fn a_change_leaves_an_event_that_says_who_and_what() {
    let database = Database::fresh();
    let (acme, globex) = two_tenants(&database);
    let id = Uuid::now_v7();
    let work = format!(
        "INSERT INTO projects (tenant_id, id, name, owner_id) VALUES ('{0}', '{id}', 'New', '{1}');
         UPDATE projects SET name = 'Newer', description = 'x', updated_at = now() WHERE id = '{id}'",
        acme.id, acme.member
    );
    let left = events_of(&database, &traced(&acme), &work);
    let [made, changed] = left.as_slice() else {
        panic!("{left:?}");
    };
    for event in [made, changed] {
        assert_eq!(event["actor_kind"], "user");
        assert_eq!(event["actor_id"], json!(acme.account));
        assert_eq!(event["session_id"], json!(acme.session));
        assert_eq!(event["role"], "owner");
        assert_eq!(event["object_type"], "projects");
        assert_eq!(event["object_id"], json!(id));
        assert_eq!(event["request_id"], "request-7");
        assert_eq!(event["address"], "203.0.113.9");
    }
    assert_eq!(made["action"], "insert");
    assert_eq!(
        made["changes"]["name"],
        json!({ "before": null, "after": "New" })
    );
    assert_eq!(
        changed["changes"],
        json!({
            "name": { "before": "New", "after": "Newer" },
            "description": { "before": null, "after": "x" },
        })
    );
    assert_eq!(changed["action"], "update");

    let sheet = format!(
        "INSERT INTO resources (tenant_id, id, project_id, name, created_by) VALUES ('{0}', '{id}', '{id}', 'Sheet', '{1}');
         DELETE FROM resources WHERE id = '{id}'",
        acme.id, acme.member
    );
    let left = events_of(&database, &traced(&acme), &sheet);
    assert_eq!(left[1]["action"], "delete");
    assert_eq!(
        left[1]["changes"]["name"],
        json!({ "before": "Sheet", "after": null })
    );
    let neighbour = events(&mut database.superuser(), globex.id);
    assert!(
        neighbour
            .iter()
            .all(|event| event["actor_kind"] == "system"),
        "{neighbour:?}"
    );
}

#[test]
fn what_changes_nothing_or_is_rolled_back_leaves_no_event() {
    let database = Database::fresh();
    let (acme, _) = two_tenants(&database);
    for work in [
        "UPDATE projects SET name = name",
        "UPDATE projects SET updated_at = now() + interval '1 day'",
        "UPDATE projects SET name = 'x' WHERE false",
        "SAVEPOINT mine; UPDATE projects SET name = 'x'; DELETE FROM resources; ROLLBACK TO mine",
    ] {
        assert_eq!(
            events_of(&database, &acme.context(), work),
            Vec::<Value>::new(),
            "{work}"
        );
    }
    // Its own failure takes the change along.
    let mut superuser = database.superuser();
    superuser
        .batch_execute("ALTER TABLE tenancy.audit_pending ADD CHECK (false) NOT VALID")
        .unwrap();
    let mut app = database.connect_as("rowhouse_app");
    enter(&mut app, &acme.context()).unwrap();
    let refused = app.batch_execute("UPDATE projects SET name = 'x'");
    assert!(code(refused).contains("audit_pending"));
    app.batch_execute("COMMIT").unwrap();
    assert_eq!(
        count(
            &mut superuser,
            "(SELECT count(*) FROM projects WHERE name = 'x')"
        ),
        Ok(0)
    );
}

#[test]
fn secrets_stand_in_no_event() {
    let database = Database::fresh();
    let (acme, _) = two_tenants(&database);
    let id = Uuid::now_v7();
    let work = format!(
        "INSERT INTO api_keys (tenant_id, id, name, prefix, hash, role, scopes, created_by)
         VALUES ('{0}', '{id}', 'Key', 'rh_aaaaaaaaaaaa', decode(repeat('ab', 32), 'hex'), 'viewer', '{{projects:read}}', '{1}');
         DELETE FROM api_keys",
        acme.id, acme.member
    );
    let left = events_of(&database, &acme.context(), &work);
    assert_eq!(
        left[0]["changes"]["hash"],
        json!({ "before": null, "after": "[redacted]" })
    );
    assert_eq!(
        left[1]["changes"]["hash"],
        json!({ "before": "[redacted]", "after": null })
    );
    let all = texts(
        &mut database.superuser(),
        "SELECT string_agg(changes::text, ' ') AS text FROM tenancy.audit_events",
    );
    assert!(!all.unwrap()[0].contains("abababab"));
}

#[test]
fn without_a_context_the_role_that_logged_in_acts_or_the_account_that_a_door_names() {
    let database = Database::fresh();
    let (acme, _) = two_tenants(&database);
    let mut superuser = database.superuser();
    let first = events(&mut superuser, acme.id).remove(0);
    assert_eq!(first["actor_kind"], "system");
    assert_eq!(first["actor_id"], "postgres");

    let mut auth = database.connect_as("rowhouse_auth");
    let made = texts(
        &mut auth,
        &format!(
            "SELECT tenant_id::text AS text FROM directory.create_tenant('{}', 'third', 'Third')",
            acme.account
        ),
    );
    let third: Uuid = made.unwrap()[0].parse().unwrap();
    for event in events(&mut superuser, third) {
        assert_eq!(event["actor_kind"], "user");
        assert_eq!(event["actor_id"], json!(acme.account));
    }
    // To the end of the door's transaction.
    let mut ops = database.connect_as("rowhouse_ops");
    ops.batch_execute("SELECT directory.set_tenant_tier('third', 'basic')")
        .unwrap();
    let last = events(&mut superuser, third).pop().unwrap();
    assert_eq!(
        last["changes"]["subscription_tier"],
        json!({ "before": "free", "after": "basic" })
    );
    assert_eq!(last["actor_id"], "rowhouse_ops");
    // Whoever may not act for others does not, whatever they say.
    ops.batch_execute(&format!(
        "SET tenancy.acting_account = '{}'; SELECT directory.set_tenant_tier('third', 'free')",
        acme.account
    ))
    .unwrap();
    let last = events(&mut superuser, third).pop().unwrap();
    assert_eq!(last["actor_id"], "rowhouse_ops");
}

/// Settings that everybody may set, and by which two values look the same.
#[test]
fn a_change_is_seen_whatever_the_session_has_set() {
    let database = Database::fresh();
    let (acme, _) = two_tenants(&database);
    database
        .superuser()
        .batch_execute(
            "SET ROLE rowhouse_owner;
             CREATE TABLE measures (tenant_id uuid NOT NULL, id int NOT NULL, value float8, price money,
                 PRIMARY KEY (tenant_id, id));
             SELECT tenancy.protect('measures')",
        )
        .unwrap();
    let insert = format!("INSERT INTO measures VALUES ('{}', 1, 1.01, 1.01)", acme.id);
    let _ = events_of(&database, &acme.context(), &insert);
    for (setting, change, field) in [
        ("extra_float_digits = -15", "value = 1.02", "value"),
        ("bytea_output = 'escape'", "price = 1.02", "price"),
        ("client_encoding = 'LATIN1'", "price = 1.03", "price"),
        ("row_security = on", "value = 1.03", "value"),
        ("timezone = 'Asia/Kolkata'", "value = 1.04", "value"),
    ] {
        let work = format!("SET {setting}; UPDATE measures SET {change}");
        let left = events_of(&database, &acme.context(), &work);
        assert_eq!(left.len(), 1, "{setting}");
        assert!(left[0]["changes"][field].is_object(), "{setting}: {left:?}");
        assert_eq!(left[0]["object_id"], "1");
    }
    // Not past the guard of the trail's own table.
    let mut app = database.connect_as("rowhouse_app");
    enter(&mut app, &acme.context()).unwrap();
    let refused = app.batch_execute("SET row_security = off; UPDATE measures SET value = 2");
    assert!(code(refused).contains("row-level security"));
}

#[test]
fn a_table_is_audited_from_its_first_row_and_by_its_whole_key() {
    let database = Database::fresh();
    let (acme, _) = two_tenants(&database);
    let mut superuser = database.superuser();
    superuser
        .batch_execute(
            "SET ROLE rowhouse_owner;
             CREATE TABLE lines (tenant_id uuid NOT NULL, page int NOT NULL, line int NOT NULL, secret text, noise int,
                 PRIMARY KEY (tenant_id, page, line));
             SELECT tenancy.protect('lines', redact => '{secret}', unaudited => '{noise}');
             RESET ROLE",
        )
        .unwrap();
    let insert = format!("INSERT INTO lines VALUES ('{}', 3, 14, 'hush', 1)", acme.id);
    let left = events_of(&database, &acme.context(), &insert);
    assert_eq!(left[0]["object_id"], "3/14");
    assert_eq!(left[0]["changes"]["secret"]["after"], "[redacted]");
    assert_eq!(left[0]["changes"].get("noise"), None);
    let quiet = events_of(&database, &acme.context(), "UPDATE lines SET noise = 2");
    assert_eq!(quiet, Vec::<Value>::new());

    for (wrong, why) in [
        (
            "CREATE TABLE keyless (tenant_id uuid NOT NULL, x int); SELECT tenancy.protect('keyless')",
            "primary key",
        ),
        (
            "SELECT tenancy.protect('lines', redact => '{nothing}')",
            "no column",
        ),
        (
            "SELECT tenancy.protect('lines', unaudited => '{nothing}')",
            "no column",
        ),
    ] {
        superuser.batch_execute("SET ROLE rowhouse_owner").unwrap();
        assert!(
            code(superuser.batch_execute(wrong)).contains(why),
            "{wrong}"
        );
    }
    superuser.batch_execute("RESET ROLE").unwrap();
    // A row stays where it is, also for whoever is bound by nothing else.
    let moved = superuser.batch_execute("UPDATE lines SET tenant_id = gen_random_uuid()");
    assert_eq!(code(moved), "TN011");
    // And whoever replays without triggers is recorded too.
    superuser
        .batch_execute("SET session_replication_role = replica; DELETE FROM lines")
        .unwrap();
    let last = events(&mut superuser, acme.id).pop().unwrap();
    assert_eq!(
        (&last["action"], &last["actor_id"]),
        (&json!("delete"), &json!("postgres"))
    );
}

/// What reads the trail knows the times in it by the names of their columns.
#[test]
fn the_columns_of_audited_tables_that_are_shown_as_times_are_those_that_are_times() {
    let database = Database::fresh();
    let mut superuser = database.superuser();
    let mut columns = |are_times: bool| {
        let sql = format!(
            "SELECT DISTINCT a.attname::text COLLATE \"C\" AS text
             FROM pg_trigger t JOIN pg_attribute a ON a.attrelid = t.tgrelid
             WHERE t.tgname = 'tenancy_audit' AND a.attnum > 0 AND NOT a.attisdropped
                 AND (a.atttypid = 'timestamptz'::regtype) = {are_times} ORDER BY 1"
        );
        texts(&mut superuser, &sql).unwrap()
    };
    assert_eq!(columns(true), TIMES);
    let others = columns(false);
    assert!(
        others.iter().all(|name| !TIMES.contains(&name.as_str())),
        "{others:?}"
    );
}

#[test]
fn who_set_a_field_last_is_read_from_the_latest_thousand_events_and_no_more() {
    let database = Database::fresh();
    let (acme, _) = two_tenants(&database);
    let mut superuser = database.superuser();
    let blame = |superuser: &mut PgConnection| -> (Value, i64) {
        enter(superuser, &acme.context()).unwrap();
        let found = format!(
            "SELECT tenancy.blame('projects', '{}')::text AS text",
            acme.project
        );
        let found = texts(superuser, &found).unwrap().remove(0);
        let read = "(SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'audit_events')";
        let read = count(superuser, read).unwrap();
        superuser.batch_execute("COMMIT").unwrap();
        (serde_json::from_str(&found).unwrap(), read)
    };
    let (found, _) = blame(&mut superuser);
    assert_eq!(found["name"], found[""], "{found}");
    superuser
        .batch_execute(&format!(
            "INSERT INTO tenancy.audit_events (tenant_id, id, at, actor_kind, actor_id, action, object_type, object_id, changes)
             SELECT '{}', ('f0000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, now(), 'user', n::text, 'update',
                 'projects', '{}', jsonb_build_object(CASE n WHEN 9000 THEN 'name' WHEN 8000 THEN 'status' ELSE 'version' END, '{{}}'::jsonb)
             FROM generate_series(1, 9500) n;
             INSERT INTO tenancy.audit_events (tenant_id, id, at, actor_kind, actor_id, action, object_type, object_id)
             SELECT '{0}', gen_random_uuid(), now(), 'user', n::text, 'update', 'projects', (n % 2000)::text
             FROM generate_series(1, 20000) n;
             ANALYZE tenancy.audit_events",
            acme.id, acme.project
        ))
        .unwrap();
    let (found, read) = blame(&mut superuser);
    assert_eq!(found["version"]["id"], "9500");
    assert_eq!(found["name"]["id"], "9000");
    // Set before those, nobody knows by whom; nor who made it.
    assert_eq!(found.as_object().unwrap().len(), 2, "{found}");
    assert!((1000..1100).contains(&read), "{read} rows");
}

#[test]
fn what_somebody_did_is_erased_by_an_index() {
    let database = Database::fresh();
    let (acme, _) = two_tenants(&database);
    let mut superuser = database.superuser();
    superuser
        .batch_execute(&format!(
            "INSERT INTO tenancy.audit_events (tenant_id, id, at, actor_kind, actor_id, action, object_type, object_id, address)
             SELECT '{}', ('f0000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, now(), 'user',
                 CASE n % 1000 WHEN 0 THEN '{}' ELSE n::text END, 'update', 'projects', '{}', '192.0.2.1'
             FROM generate_series(1, 9500) n;
             ANALYZE tenancy.audit_events;
             BEGIN; SELECT tenancy.erase_actor('{0}', '{1}')",
            acme.id, acme.account, acme.project
        ))
        .unwrap();
    let read = "(SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'audit_events')";
    let read = count(&mut superuser, read).unwrap();
    // Nine events, looked up three times.
    assert!((9..100).contains(&read), "{read} rows");
    superuser.batch_execute("COMMIT").unwrap();
    let left = "(SELECT count(*) FROM tenancy.audit_events WHERE address IS NOT NULL)";
    assert_eq!(count(&mut superuser, left), Ok(9491));
}

#[test]
fn a_portion_ends_with_its_number_or_with_its_bytes_and_nothing_is_left_out() {
    let database = Database::fresh();
    let (acme, _) = two_tenants(&database);
    database
        .superuser()
        .batch_execute(&format!(
            "INSERT INTO tenancy.audit_events (tenant_id, id, at, actor_kind, actor_id, action, object_type, object_id, changes)
             SELECT '{}', gen_random_uuid(), now(), 'system', 'postgres', 'insert', 'large', n,
                 CASE WHEN n % 5 > 0 THEN jsonb_build_object('x', repeat('y', n * 100)) END
             FROM generate_series(1, 20) n",
            acme.id
        ))
        .unwrap();
    let url = database.url("rowhouse_app");
    let tenants = TenantDb::connect(url, seal_key(), &PoolSettings::default()).unwrap();
    let filter = Filter {
        object_type: Some("large".to_owned()),
        ..Filter::default()
    };
    for (limit, most_bytes) in [
        (1, 1 << 20),
        (7, 1 << 20),
        (20, 1 << 20),
        (21, 1 << 20),
        (20, 0),
        (20, 1500),
    ] {
        let (mut seen, mut stretch) = (Vec::new(), Stretch::default());
        loop {
            let filter = filter.clone();
            let portion = tenants
                .run_blocking(acme.context(), move |conn| {
                    audit_events::portion(conn, &filter, stretch, limit, most_bytes)
                })
                .unwrap();
            let sizes: Vec<usize> = portion
                .events
                .iter()
                .map(|event| {
                    event
                        .changes
                        .as_ref()
                        .map_or(0, |changes| changes.to_string().len())
                })
                .collect();
            assert!(i64::try_from(sizes.len()).unwrap() <= limit);
            // Without the last one it is not full.
            let before_last: usize = sizes.iter().rev().skip(1).sum();
            assert!(
                i64::try_from(before_last).unwrap() <= most_bytes,
                "{sizes:?}"
            );
            seen.extend(portion.events.iter().map(|event| event.id));
            if portion.is_last {
                break;
            }
            assert!(!portion.events.is_empty());
            stretch.behind = portion.events.last().map(|event| event.id);
        }
        let distinct: std::collections::BTreeSet<_> = seen.iter().collect();
        assert_eq!(
            (seen.len(), distinct.len()),
            (20, 20),
            "{limit} {most_bytes}"
        );
    }
}

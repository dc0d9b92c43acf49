//! How long denials and reads are kept; what happened in a tenant stays as long as the tenant does.

use std::time::Duration;

use chrono::Utc;
use rowhouse_tests::TestApp;
use store::{Chore, Next, Retention};

use crate::state;

/// Entries so many days old, among all tenants alike.
fn age(app: &TestApp, table: &str, days: u32, entries: u32) {
    let id = format!(
        "(lpad(to_hex((extract(epoch FROM now() - interval '{days} days') * 1000)::bigint), 12, '0') \
         || '70008' || lpad(to_hex(n), 15, '0'))::uuid"
    );
    let (tenant, tenants) = if table == "platform_denials" {
        ("NULL::uuid", "")
    } else {
        ("t.id", "tenants t, ")
    };
    let reason = if table == "reads" {
        ""
    } else {
        ", reason, status"
    };
    let because = if table == "reads" {
        ""
    } else {
        ", 'forbidden', 403"
    };
    state::change(
        app,
        &format!(
            "INSERT INTO {table} (tenant_id, id, at, actor_kind, actor_id, route, request_id{reason})
             SELECT {tenant}, {id}, now() - interval '{days} days', 'user', gen_random_uuid(), 'GET /', 'aged-{days}'{because}
             FROM {tenants}generate_series(1, {entries}) n"
        ),
    );
}

#[tokio::test]
async fn denials_and_reads_go_when_their_time_is_over_in_batches_and_events_stay() {
    let (app, alice, _) = TestApp::two_tenants().await;
    drop(alice.create_project("Atlas").await);
    // As old as a trail may ever be.
    state::change(
        &app,
        "UPDATE tenancy.audit_events SET at = now() - interval '10 years'",
    );
    let events = state::rows(&app, "tenancy.audit_events");
    // Two tenants have as many each.
    for (table, days, entries) in [
        ("denials", 31, 5_100),
        ("denials", 29, 3),
        ("reads", 61, 4),
        ("reads", 59, 3),
        ("platform_denials", 31, 5),
        ("platform_denials", 29, 2),
    ] {
        age(&app, table, days, entries);
    }
    let retention = Retention {
        session_days: 30,
        job_days: 7,
        project_days: 30,
        denial_days: 30,
        read_days: 60,
    };
    let hour = Duration::from_secs(3600);
    let run = || {
        app.identity()
            .run_chore(Chore::ForgetTrail, hour, retention, Utc::now())
    };
    let aged = |table: &str| state::count(&app, &format!("{table} WHERE request_id LIKE 'aged-%'"));
    assert_eq!(aged("denials"), 10_206);
    // One run takes no more than a batch of each.
    assert_eq!(run().await.unwrap(), Next::Ran { is_finished: false });
    assert_eq!(aged("denials"), 206);
    assert_eq!((aged("reads"), aged("platform_denials")), (6, 2));
    assert_eq!(run().await.unwrap(), Next::Ran { is_finished: true });
    for (table, young, left) in [
        ("denials", "aged-29", 6),
        ("reads", "aged-59", 6),
        ("platform_denials", "aged-29", 2),
    ] {
        assert_eq!(aged(table), left, "{table}");
        let of_age = format!("{table} WHERE request_id = '{young}'");
        assert_eq!(state::count(&app, &of_age), left, "{table}");
    }
    assert_eq!(state::rows(&app, "tenancy.audit_events"), events);
    assert!(matches!(run().await.unwrap(), Next::In(_)));
}

//! Jobs: who may take them, what they may do, and that a lease that was lost is lost.

use diesel::PgConnection;
use diesel::connection::SimpleConnection as _;
use rowhouse_tests::Database;
use tenant_db::{Actor, Context, Role};
use uuid::Uuid;

use crate::sealed::{Tenant, code, count, enter, texts, two_tenants};

/// A job of the tenant, as a request leaves it.
fn enqueue(app: &mut PgConnection, tenant: &Tenant) -> Uuid {
    enter(app, &tenant.context()).unwrap();
    let id = texts(
        app,
        "SELECT directory.enqueue_job('welcome_member', '{}')::text AS text",
    );
    app.batch_execute("COMMIT").unwrap();
    id.unwrap().remove(0).parse().unwrap()
}

/// Takes what is due, for so many seconds: `tenant job attempt` of each.
fn claim(auth: &mut PgConnection, lease_seconds: i32, max_attempts: i32) -> Vec<String> {
    let sql = format!(
        "SELECT concat_ws(' ', tenant_id, id, attempt) AS text FROM directory.claim_jobs(
             gen_random_uuid(), '{{welcome_member}}', 10, {lease_seconds}, {max_attempts}) ORDER BY id"
    );
    texts(auth, &sql).unwrap()
}

fn context(tenant: Uuid, job: Uuid, attempt: i32) -> Context {
    Context::new(tenant, Actor::Job { id: job }).with_role(Role::Owner, attempt)
}

#[track_caller]
fn refused(app: &mut PgConnection, context: &Context) -> String {
    let refusal = code(enter(app, context));
    app.batch_execute("ROLLBACK").unwrap();
    refusal
}

#[test]
fn a_job_acts_in_its_own_tenant_by_its_last_attempt_until_it_is_done() {
    let database = Database::fresh();
    let (acme, globex) = two_tenants(&database);
    let mut app = database.connect_as("rowhouse_app");
    let mut auth = database.connect_as("rowhouse_auth");
    let job = enqueue(&mut app, &acme);
    // Not before it runs.
    assert_eq!(refused(&mut app, &context(acme.id, job, 0)), "TN007");
    assert_eq!(refused(&mut app, &context(acme.id, job, 1)), "TN007");
    assert_eq!(claim(&mut auth, 60, 5), [format!("{} {job} 1", acme.id)]);

    // Not in another tenant, nor by another attempt, nor as less or more than it is.
    assert_eq!(refused(&mut app, &context(globex.id, job, 1)), "TN007");
    assert_eq!(
        refused(&mut app, &context(acme.id, Uuid::now_v7(), 1)),
        "TN007"
    );
    for attempt in [0, 2] {
        assert_eq!(refused(&mut app, &context(acme.id, job, attempt)), "TN005");
    }
    let viewer = context(acme.id, job, 1).with_role(Role::Viewer, 1);
    assert_eq!(refused(&mut app, &viewer), "TN005");

    enter(&mut app, &context(acme.id, job, 1)).unwrap();
    let seen = texts(&mut app, "SELECT slug AS text FROM tenants").unwrap();
    assert_eq!(seen, ["acme-corp"]);
    let jobs = "(SELECT count(*) FROM jobs)";
    assert_eq!(count(&mut app, jobs).unwrap(), 1);
    app.batch_execute(
        "UPDATE projects SET name = 'by the job'; SELECT directory.complete_job(); COMMIT",
    )
    .unwrap();
    assert_eq!(refused(&mut app, &context(acme.id, job, 1)), "TN007");
    let mut superuser = database.superuser();
    let changed = "(SELECT count(*) FROM projects WHERE name = 'by the job')";
    assert_eq!(count(&mut superuser, changed).unwrap(), 2);
    assert_eq!(
        count(&mut superuser, "(SELECT count(*) FROM tenancy.job)").unwrap(),
        0
    );
}

#[test]
fn the_job_of_a_suspended_tenant_neither_begins_nor_goes_on() {
    let database = Database::fresh();
    let (acme, _) = two_tenants(&database);
    let mut app = database.connect_as("rowhouse_app");
    let mut auth = database.connect_as("rowhouse_auth");
    let mut superuser = database.superuser();
    let running = enqueue(&mut app, &acme);
    assert_eq!(claim(&mut auth, 60, 5).len(), 1);
    let _ = enqueue(&mut app, &acme);
    superuser
        .batch_execute("UPDATE tenants SET status = 'suspended'")
        .unwrap();
    assert_eq!(refused(&mut app, &context(acme.id, running, 1)), "TN003");
    assert!(claim(&mut auth, 60, 5).is_empty());
    superuser
        .batch_execute("UPDATE tenants SET status = 'active'")
        .unwrap();
    assert_eq!(claim(&mut auth, 60, 5).len(), 1);
}

#[test]
fn a_worker_that_lost_its_lease_can_neither_act_nor_finish() {
    let database = Database::fresh();
    let (acme, _) = two_tenants(&database);
    let mut app = database.connect_as("rowhouse_app");
    let mut slow = database.connect_as("rowhouse_app");
    let mut auth = database.connect_as("rowhouse_auth");
    let job = enqueue(&mut app, &acme);
    assert_eq!(claim(&mut auth, 0, 5), [format!("{} {job} 1", acme.id)]);
    // It came in while it still had the job.
    enter(&mut slow, &context(acme.id, job, 1)).unwrap();
    slow.batch_execute("UPDATE projects SET name = 'too late'")
        .unwrap();
    assert_eq!(claim(&mut auth, 60, 5), [format!("{} {job} 2", acme.id)]);
    assert_eq!(
        code(slow.batch_execute("SELECT directory.complete_job()")),
        "TN005"
    );
    slow.batch_execute("ROLLBACK").unwrap();
    assert_eq!(refused(&mut slow, &context(acme.id, job, 1)), "TN005");
    let fail = |attempt| {
        format!(
            "(SELECT directory.fail_job('{}', '{job}', {attempt}, 'x', 0)::int::bigint)",
            acme.id
        )
    };
    assert_eq!(count(&mut auth, &fail(1)).unwrap(), 0);
    // Nobody takes what somebody has.
    assert!(claim(&mut auth, 60, 5).is_empty());
    enter(&mut app, &context(acme.id, job, 2)).unwrap();
    app.batch_execute("SELECT directory.complete_job(); COMMIT")
        .unwrap();
    assert_eq!(count(&mut auth, &fail(2)).unwrap(), 0);
    let late = "(SELECT count(*) FROM projects WHERE name = 'too late')";
    assert_eq!(count(&mut database.superuser(), late).unwrap(), 0);
}

#[test]
fn a_job_whose_workers_die_every_time_is_dead_in_the_end() {
    let database = Database::fresh();
    let (acme, _) = two_tenants(&database);
    let mut app = database.connect_as("rowhouse_app");
    let mut auth = database.connect_as("rowhouse_auth");
    let _ = enqueue(&mut app, &acme);
    for _ in 0..3 {
        assert_eq!(claim(&mut auth, 0, 3).len(), 1);
    }
    assert!(claim(&mut auth, 0, 3).is_empty());
    let dead = "(SELECT count(*) FROM jobs WHERE status = 'dead' AND attempts = 3
        AND last_error = 'the lease of the last attempt ran out')";
    assert_eq!(count(&mut database.superuser(), dead).unwrap(), 1);
}

#[test]
fn two_claims_at_once_share_what_is_due() {
    let database = Database::fresh();
    let (acme, globex) = two_tenants(&database);
    let mut app = database.connect_as("rowhouse_app");
    for tenant in [&acme, &globex, &acme] {
        let _ = enqueue(&mut app, tenant);
    }
    let mut first = database.connect_as("rowhouse_auth");
    let mut second = database.connect_as("rowhouse_auth");
    first.batch_execute("BEGIN").unwrap();
    let sql = "(SELECT count(*) FROM directory.claim_jobs(gen_random_uuid(), '{welcome_member}', 2, 60, 5))";
    assert_eq!(count(&mut first, sql).unwrap(), 2);
    // Without waiting for the first.
    second
        .batch_execute("SET statement_timeout = '10s'")
        .unwrap();
    assert_eq!(count(&mut second, sql).unwrap(), 1);
    first.batch_execute("COMMIT").unwrap();
    assert_eq!(count(&mut second, sql).unwrap(), 0);
}

#[test]
fn the_application_puts_jobs_into_its_own_outbox_and_changes_none() {
    let database = Database::fresh();
    let (acme, globex) = two_tenants(&database);
    let mut app = database.connect_as("rowhouse_app");
    let _ = enqueue(&mut app, &globex);
    acme.become_role(&database, "viewer");
    let viewer = acme.context_as(Role::Viewer);
    // Whatever the role.
    enter(&mut app, &viewer).unwrap();
    app.batch_execute("SELECT directory.enqueue_job('welcome_member', '{}'); COMMIT")
        .unwrap();
    let insert = format!(
        "INSERT INTO jobs (tenant_id, id, kind, payload) VALUES ('{}', gen_random_uuid(), 'x', '{{}}')",
        globex.id
    );
    for (sql, refusal) in [
        (insert.as_str(), "permission denied for table jobs"),
        (
            "UPDATE jobs SET status = 'running'",
            "permission denied for table jobs",
        ),
        ("DELETE FROM jobs", "permission denied for table jobs"),
        ("SELECT directory.complete_job()", "TN005"),
        (
            "SELECT * FROM directory.claim_jobs(gen_random_uuid(), '{x}', 1, 1, 1)",
            "permission denied for function claim_jobs",
        ),
        (
            "SELECT FROM account_mails",
            "permission denied for table account_mails",
        ),
        (
            "SELECT FROM account_tokens",
            "permission denied for table account_tokens",
        ),
        ("SELECT FROM tenancy.job", "permission denied for table job"),
        (
            "SELECT directory.enqueue_job('No Kind', '{}')",
            "jobs_kind_check",
        ),
        (
            "SELECT directory.enqueue_job('x', '[]')",
            "jobs_payload_check",
        ),
    ] {
        enter(&mut app, &viewer).unwrap();
        assert_eq!(code(app.batch_execute(sql)), refusal, "{sql}");
        app.batch_execute("ROLLBACK").unwrap();
    }
    enter(&mut app, &viewer).unwrap();
    let ours = "SELECT tenant_id::text AS text FROM jobs";
    assert_eq!(texts(&mut app, ours).unwrap(), [acme.id.to_string()]);
    app.batch_execute("ROLLBACK").unwrap();
    assert_eq!(
        code(app.batch_execute("SELECT directory.enqueue_job('x', '{}')")),
        "TN001"
    );
    // And the role of sign-in sees no outbox.
    let mut auth = database.connect_as("rowhouse_auth");
    assert_eq!(
        code(auth.batch_execute("SELECT FROM jobs")),
        "permission denied for table jobs"
    );
}

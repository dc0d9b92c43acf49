//! Jobs: who may take them, what they may do, and that a lease that was lost is lost.

use diesel::PgConnection;
use diesel::RunQueryDsl as _;
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

/// Fills an outbox with jobs that have waited for longer than anybody's else.
fn flood(database: &Database, tenant: &Tenant, jobs: i32) {
    let sql = format!(
        "INSERT INTO jobs (tenant_id, id, kind, payload, due_at)
         SELECT '{}', gen_random_uuid(), 'welcome_member', '{{}}', now() - interval '1 day'
         FROM generate_series(1, {jobs})",
        tenant.id
    );
    database.superuser().batch_execute(&sql).unwrap();
}

/// Takes so many for a worker that was served by this tenant last: the tenants, in turn.
fn claim_behind(auth: &mut PgConnection, last: Option<&Tenant>, most: i32) -> Vec<String> {
    let last = last.map_or_else(|| "NULL".to_owned(), |tenant| format!("'{}'", tenant.id));
    let sql = format!(
        "SELECT tenant_id::text AS text FROM directory.claim_jobs(
             gen_random_uuid(), '{{welcome_member,mail_invitation}}', {most}, 60, 5, {last})"
    );
    texts(auth, &sql).unwrap()
}

#[test]
fn a_tenant_with_many_jobs_keeps_no_neighbour_waiting() {
    let database = Database::fresh();
    let (acme, globex) = two_tenants(&database);
    let mut app = database.connect_as("rowhouse_app");
    let mut auth = database.connect_as("rowhouse_auth");
    for (many, few) in [(&acme, &globex), (&globex, &acme)] {
        flood(&database, many, 1000);
        let (many_id, few_id) = (many.id.to_string(), few.id.to_string());
        let _ = enqueue(&mut app, few);
        let _ = enqueue(&mut app, few);
        // In the first batch, whoever comes first in it; and the rest is not idle.
        let mut first = claim_behind(&mut auth, None, 4);
        assert_eq!(first.iter().filter(|id| **id == few_id).count(), 2);
        first.retain(|id| *id == many_id);
        assert_eq!(first.len(), 2);
        // And where one job ends at a time: the turns go on from where they were.
        let _ = enqueue(&mut app, few);
        assert_eq!(claim_behind(&mut auth, Some(few), 1), [many_id.as_str()]);
        assert_eq!(claim_behind(&mut auth, Some(many), 1), [few_id.as_str()]);
        assert_eq!(claim_behind(&mut auth, Some(many), 1), [many_id.as_str()]);
        let sql = "UPDATE jobs SET status = 'done', worker = NULL, finished_at = now()";
        database.superuser().batch_execute(sql).unwrap();
    }
}

#[test]
fn of_a_tenant_s_own_jobs_the_oldest_comes_first_whatever_its_kind() {
    let database = Database::fresh();
    let (acme, _) = two_tenants(&database);
    let jobs = format!(
        "INSERT INTO jobs (tenant_id, id, kind, payload, due_at)
         SELECT '{}', gen_random_uuid(), kind, '{{}}', now() - minutes * interval '1 minute'
         FROM (VALUES ('welcome_member', 1), ('mail_invitation', 2), ('welcome_member', 3), ('unheard_of', 4))
             AS j (kind, minutes)",
        acme.id
    );
    database.superuser().batch_execute(&jobs).unwrap();
    let mut auth = database.connect_as("rowhouse_auth");
    let sql = "SELECT kind AS text FROM directory.claim_jobs(
                   gen_random_uuid(), '{mail_invitation,welcome_member}', 9, 60, 5)";
    assert_eq!(
        texts(&mut auth, sql).unwrap(),
        ["welcome_member", "mail_invitation", "welcome_member"]
    );
}

/// As many pages as for a few jobs: what waits is found through the index, and what cannot be done is
/// jumped over.
#[test]
fn a_claim_reads_no_more_the_more_jobs_wait() {
    let database = Database::fresh();
    let (acme, globex) = two_tenants(&database);
    let mut auth = database.connect_as("rowhouse_auth");
    let mut app = database.connect_as("rowhouse_app");
    let mut pages = |most: i32| {
        auth.batch_execute("BEGIN").unwrap();
        let sql = format!(
            "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, COSTS OFF) SELECT * FROM directory.claim_jobs(
                 gen_random_uuid(), '{{welcome_member}}', {most}, 60, 5)"
        );
        let plan = explain(&mut auth, &sql);
        auth.batch_execute("ROLLBACK").unwrap();
        let buffers = plan.iter().find(|line| line.contains("Buffers: ")).unwrap();
        let counts = buffers
            .split(['=', ' '])
            .filter_map(|word| word.parse::<u64>().ok());
        counts.sum::<u64>()
    };
    // The first call of a session reads what it needs to know of the functions.
    let _ = enqueue(&mut app, &acme);
    let _ = (pages(8), pages(8));
    flood(&database, &acme, 10_000);
    database.superuser().batch_execute("ANALYZE jobs").unwrap();
    let _ = enqueue(&mut app, &globex);
    let busy = pages(8);
    assert!(busy < 1000, "{busy} pages");
    let sql = "UPDATE tenants SET status = 'suspended' WHERE slug = 'acme-corp'";
    database.superuser().batch_execute(sql).unwrap();
    let suspended = pages(8);
    assert!(suspended < 1000, "{suspended} pages");
}

#[derive(diesel::QueryableByName)]
struct Line {
    #[diesel(sql_type = diesel::sql_types::Text, column_name = "QUERY PLAN")]
    line: String,
}

fn explain(conn: &mut PgConnection, sql: &str) -> Vec<String> {
    let lines: Vec<Line> = diesel::sql_query(sql).load(conn).unwrap();
    lines.into_iter().map(|row| row.line).collect()
}

#[test]
fn a_dead_job_that_is_put_back_has_all_of_its_attempts_and_no_former_one_may_act() {
    let database = Database::fresh();
    let (acme, _) = two_tenants(&database);
    let mut app = database.connect_as("rowhouse_app");
    let mut auth = database.connect_as("rowhouse_auth");
    let mut ops = database.connect_as("rowhouse_ops");
    let job = enqueue(&mut app, &acme);
    let retry = format!("SELECT directory.retry_job('{job}') AS text");
    for (round, attempts) in [(1, [1, 2]), (2, [3, 4])] {
        for attempt in attempts {
            let claimed = [format!("{} {job} {attempt}", acme.id)];
            assert_eq!(claim(&mut auth, 0, 2), claimed, "round {round}");
        }
        assert!(claim(&mut auth, 0, 2).is_empty());
        assert_eq!(texts(&mut ops, &retry).unwrap(), ["dead"]);
        // Once.
        assert_eq!(texts(&mut ops, &retry).unwrap(), ["queued"]);
    }
    let sql = "SELECT concat_ws(' ', attempt, tries) AS text
               FROM directory.claim_jobs(gen_random_uuid(), '{welcome_member}', 1, 60, 2)";
    assert_eq!(texts(&mut auth, sql).unwrap(), ["5 1"]);
    for former in 1..=4 {
        assert_eq!(refused(&mut app, &context(acme.id, job, former)), "TN005");
    }
    enter(&mut app, &context(acme.id, job, 5)).unwrap();
    app.batch_execute("SELECT directory.complete_job(); COMMIT")
        .unwrap();
    assert_eq!(texts(&mut ops, &retry).unwrap(), ["done"]);
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
            "SELECT * FROM directory.jobs(NULL, '{dead}', NULL, 1)",
            "permission denied for function jobs",
        ),
        (
            "SELECT directory.retry_job(gen_random_uuid())",
            "permission denied for function retry_job",
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

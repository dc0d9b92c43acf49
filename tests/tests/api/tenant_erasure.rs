//! What becomes of a deleted tenant when its grace is over: nothing of it is left but the proof of
//! its audit trail, and all of everybody else.

use std::collections::{BTreeMap, BTreeSet};

use diesel::RunQueryDsl as _;
use diesel::sql_types::Text;
use rowhouse_tests::{Caller, TestApp, Work};
use serde_json::json;
use tenant_db::{Actor, Context, Error, Role, TenantConn};
use uuid::Uuid;

use crate::mfa::enable;
use crate::projects::path;
use crate::refresh::{ME, PROJECTS, Session, refresh, sign_in};
use crate::resources::{self, create_in};
use crate::rows::{context, principal};
use crate::state;
use crate::tenant_deletion::TENANT;

/// Every row of every table, as text.
type Snapshot = BTreeMap<String, BTreeSet<String>>;

/// What is left of an erased tenant: of each thing that happened there an id, a commitment and a
/// hash, from which nothing can be read; and it grows while others work.
const PROOF: [&str; 3] = [
    "tenancy.audit_heads",
    "tenancy.audit_pending",
    "tenancy.audit_seals",
];

#[derive(diesel::QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

fn lines(app: &TestApp, sql: &str) -> Vec<String> {
    let found: Vec<Line> = diesel::sql_query(sql)
        .load(&mut app.database().superuser())
        .unwrap();
    found.into_iter().map(|found| found.line).collect()
}

/// Of all tables that the catalog of the database knows, private copies too.
fn snapshot(app: &TestApp) -> Snapshot {
    let tables = lines(
        app,
        "SELECT format('%I.%I', n.nspname, c.relname) AS line FROM pg_class c
         JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')",
    );
    let rows = |table: String| {
        let rows = lines(
            app,
            &format!("SELECT to_jsonb(t)::text AS line FROM {table} t"),
        );
        (table, rows.into_iter().collect())
    };
    tables.into_iter().map(rows).collect()
}

/// The tables in which one of these ids stands.
fn mentions(snapshot: &Snapshot, ids: &[String]) -> BTreeSet<String> {
    let is_meant = |row: &String| ids.iter().any(|id| row.contains(id.as_str()));
    let tables = snapshot
        .iter()
        .filter(|(_, rows)| rows.iter().any(is_meant));
    tables.map(|(table, _)| table.clone()).collect()
}

/// The id of Acme, those of its managed accounts and of their sessions.
fn doomed(app: &TestApp) -> Vec<String> {
    lines(
        app,
        "WITH acme AS (SELECT id FROM tenants WHERE slug = 'acme-corp'),
              managed AS (SELECT a.id FROM accounts a, acme WHERE a.home_tenant_id = acme.id)
         SELECT id::text AS line FROM acme UNION ALL SELECT id::text FROM managed
         UNION ALL SELECT s.id::text FROM sessions s JOIN managed m ON m.id = s.account_id",
    )
}

fn end_grace(app: &TestApp) {
    let over =
        "UPDATE tenants SET erase_after = now() - interval '1 second' WHERE status = 'deleting'";
    state::change(app, over);
}

/// Something of everything that a tenant can have, and more than one transaction's worth of it.
async fn furnish(app: &TestApp, alice: &Caller) {
    for number in 0..3 {
        let project = alice.create_project(&format!("Atlas {number}")).await.id();
        let id = create_in(alice, &project, "Sheet", json!({})).await.id();
        let sheet = resources::path(&id);
        for name in ["Sheet 2", "Sheet 3"] {
            let _ = alice
                .patch(&sheet, json!({ "name": name }))
                .await
                .expect(200);
        }
        if number == 2 {
            let _ = alice.delete(&path(&project)).await.expect(204);
        }
    }
    let anna = alice.colleague("admin").await;
    let _ = enable(app, &anna).await;
    let _ = alice.colleague("owner").await;
    let _ = alice
        .colleague_with("auditor", "viewer", &["projects:read"])
        .await;
    let _ = anna.create_key(&["projects:read"]).await;
    let body = json!({ "email": "ivan@home.example", "role": "viewer" });
    let _ = anna.post("/api/v1/invitations", body).await.expect(201);
    let forgot = json!({ "email": "admin@acme-corp.example", "tenant_slug": "acme-corp" });
    let _ = app
        .stranger()
        .post("/api/v1/auth/password/forgot", forgot)
        .await
        .expect(202);
    let wrong = json!({ "email": "admin@acme-corp.example", "password": "wrong", "tenant_slug": "acme-corp" });
    let refused = app.stranger().post("/api/v1/auth/login", wrong).await;
    refused.problem(401, "invalid_credentials");
    state::change(
        app,
        "INSERT INTO projects (tenant_id, id, name, owner_id)
         SELECT m.tenant_id, gen_random_uuid(), 'Project ' || n, m.id
         FROM memberships m, generate_series(1, 2500) n WHERE m.email = 'alice@acme.example'",
    );
}

#[tokio::test]
async fn after_its_grace_nothing_is_left_of_a_tenant_and_all_of_its_neighbours() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let session = sign_in(&app, "alice@acme.example").await;
    let globex = bob.create_project("Globex").await.id();
    let vera = bob.colleague("viewer").await;
    let _ = bob.create_key(&["projects:read"]).await;
    // Carol belongs to both, and works at Acme.
    let body =
        json!({ "email": "carol@home.example", "password": "securepass123", "full_name": "Carol" });
    for slug in ["globex-inc", "acme-corp"] {
        state::set_signup(&app, slug, "open");
        let mut body = body.clone();
        body["tenant_slug"] = json!(slug);
        let joined = app.stranger().post("/api/v1/auth/register", body).await;
        let _ = joined.expect(201);
    }
    furnish(&app, &alice).await;
    let anna = json!({ "email": "admin@acme-corp.example", "tenant_slug": "acme-corp" });
    let _ = alice.delete(TENANT).await.expect(202);
    end_grace(&app);
    // The neighbours' mails shall not change while we look.
    state::change(
        &app,
        "DELETE FROM account_mails WHERE tenant_slug IS NULL;
         DELETE FROM jobs WHERE tenant_id = (SELECT id FROM tenants WHERE slug = 'globex-inc')",
    );

    let (before, doomed) = (snapshot(&app), doomed(&app));
    let filled = mentions(&before, &doomed);
    for table in [
        "public.accounts",
        "public.api_keys",
        "public.credentials",
        "public.invitations",
        "public.jobs",
        "public.login_failures",
        "public.memberships",
        "public.projects",
        "public.recovery_codes",
        "public.refresh_tokens",
        "public.resource_versions",
        "public.resources",
        "public.roles",
        "public.sessions",
        "public.tenants",
        "public.totp_secrets",
        "tenancy.key",
        "tenancy.member",
        "tenancy.session",
        "tenancy.tenant",
    ] {
        assert!(filled.contains(table), "{table} has nothing to lose");
    }
    let worker = app.start_worker(&Work::default());
    state::until(&app, "tenants WHERE slug = 'acme-corp'", 0).await;
    worker.stop_within(std::time::Duration::from_secs(10));
    worker.ended().await;

    let after = snapshot(&app);
    let mut left = mentions(&after, &doomed);
    left.retain(|table| !PROOF.contains(&table.as_str()));
    assert_eq!(left, BTreeSet::new());
    let proved = after["tenancy.audit_pending"]
        .union(&after["tenancy.audit_seals"])
        .filter(|row| row.contains(&doomed[0]))
        .map(|row| serde_json::from_str::<serde_json::Value>(row).unwrap());
    let mut events = 0;
    for proof in proved {
        for column in [
            "changes_salt",
            "changes_digest",
            "address_salt",
            "address_digest",
        ] {
            assert_eq!(proof[column], json!(null), "{proof}");
        }
        events += 1;
    }
    assert!(events > 2500, "{events}");
    assert_eq!(state::count(&app, "account_mails"), 0);
    // What stayed is as it was, and what went was Acme's.
    let moved = ["public.sessions", "tenancy.session", "public.schedule"];
    for (table, rows) in &after {
        let known = &before[table];
        if PROOF.contains(&table.as_str()) {
            continue;
        }
        if !moved.contains(&table.as_str()) {
            assert_eq!(rows.difference(known).next(), None, "{table} has changed");
        }
        for gone in known.difference(rows) {
            let is_acmes = doomed.iter().any(|id| gone.contains(id.as_str()));
            let is_mail = table == "public.account_mails" && gone.contains("acme-corp");
            assert!(is_acmes || is_mail, "{table} has lost {gone}");
        }
    }
    let people = [
        "alice@acme.example",
        "bob@globex.example",
        "carol@home.example",
    ]
    .map(|email| format!("accounts WHERE email = '{email}'"));
    for person in people {
        assert_eq!(state::count(&app, &person), 1);
    }

    // Alice is signed in as before, nowhere; whoever Acme managed is nobody.
    alice.get(PROJECTS).await.problem(401, "token_stale");
    let session = Session::of(&app, &refresh(&app, &session.refresh).await.expect(200));
    assert_eq!(session.tenant(), None);
    let me = session.caller.get(ME).await.expect(200).json();
    assert_eq!(me["email"], "alice@acme.example");
    let mut login = anna;
    login["password"] = json!("correct horse");
    let answer = app.stranger().post("/api/v1/auth/login", login).await;
    answer.problem(401, "invalid_credentials");
    for caller in [&bob, &vera] {
        let _ = caller.get(&path(&globex)).await.expect(200);
    }
    // The slug is free, and leads to nothing that was there.
    let anew = app.register("dora@home.example", "acme-corp").await;
    let list = anew.get(PROJECTS).await.expect(200).json();
    assert_eq!(list["data"], json!([]));
}

#[tokio::test]
async fn before_its_grace_is_over_nothing_is_erased() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let _ = alice.create_project("Atlas").await;
    let _ = bob.create_project("Globex").await;
    let _ = alice.delete(TENANT).await.expect(202);
    let worker = app.start_worker(&Work::default());
    state::until(
        &app,
        "schedule WHERE name = 'erase_tenants' AND runs = 1",
        1,
    )
    .await;
    drop(worker);
    assert_eq!(state::count(&app, "jobs WHERE kind = 'erase_tenant'"), 0);
    assert_eq!(state::count(&app, "projects"), 2);
    for caller in [&alice, &bob] {
        let tenant = principal(caller).tenant.unwrap().id;
        assert!(!app.identity().erase_tenant(tenant).await.unwrap());
    }
    assert_eq!(state::count(&app, "tenants"), 2);
}

/// A job of Acme that is at work.
fn running(app: &TestApp, caller: &Caller, kind: &str) -> Context {
    let (tenant, id) = (principal(caller).tenant.unwrap().id, Uuid::now_v7());
    state::change(
        app,
        &format!(
            "INSERT INTO jobs (tenant_id, id, kind, payload, status, worker, attempts)
             VALUES ('{tenant}', '{id}', '{kind}', '{{}}', 'running', gen_random_uuid(), 1)"
        ),
    );
    Context::new(tenant.uuid(), Actor::Job { id }).with_role(Role::Owner, 1)
}

#[tokio::test]
async fn nobody_but_a_job_after_the_grace_erases() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let _ = alice.create_project("Atlas").await;
    for owner in [&alice, &bob] {
        let _ = owner.colleague("viewer").await;
    }
    let neighbour = state::rows_of(&app, "globex-inc");
    let purge = async |context: Context| {
        let purge = |conn: &mut TenantConn<'_>| store::tenants::purge(conn, 100);
        app.tenants().run(context, purge).await
    };
    let refused = |error: store::Error| match error {
        store::Error::Database(error) => error,
        error => panic!("{error:?}"),
    };
    let too_early = running(&app, &alice, "erase_tenant");
    for context in [context(&alice), too_early.clone()] {
        let error = refused(purge(context).await.unwrap_err());
        assert!(matches!(error, Error::Stale), "{error:?}");
    }
    let _ = alice.delete(TENANT).await.expect(202);
    let error = refused(purge(too_early.clone()).await.unwrap_err());
    assert!(matches!(error, Error::Stale), "{error:?}");
    end_grace(&app);
    // Any other job of a tenant that is to be erased is out.
    let other = running(&app, &alice, "purge_projects");
    let error = refused(purge(other).await.unwrap_err());
    assert!(matches!(error, Error::TenantDeleting), "{error:?}");
    assert_eq!(state::count(&app, "projects"), 1);
    let erased = purge(too_early).await.unwrap();
    assert!(erased > 0);
    assert_eq!(state::count(&app, "projects"), 0);
    // Those that Acme managed went with their memberships.
    let managed = "accounts WHERE home_tenant_id IS NOT NULL";
    assert_eq!(state::count(&app, managed), 1);
    assert_eq!(state::rows_of(&app, "globex-inc"), neighbour);
}

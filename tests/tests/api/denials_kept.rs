//! `/audit/denials`: who was refused, as admins of the tenant read it; and what the operator sees
//! besides. What stands in the log is `denials.rs`.

use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::sql_types::Text;
use jobs::Trail;
use rowhouse_tests::{Caller, TestApp};
use serde_json::{Value, json};
use store::denials::{Asked, NewDenial};
use store::reads::NewRead;
use store::{Moment, Who};

use crate::audit_events::own_id;
use crate::refresh::{age_used_tokens, refresh, sign_in};
use crate::rows::principal;
use crate::state;

const DENIALS: &str = "/api/v1/audit/denials";

/// The denial of this request, once it is written down.
async fn denial(reader: &Caller, request_id: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(denial) = found(reader, request_id).await {
            return denial;
        }
        assert!(Instant::now() < deadline, "no denial of {request_id}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn found(reader: &Caller, request_id: &str) -> Option<Value> {
    let page = reader.get(&format!("{DENIALS}?limit=100")).await;
    let page = page.expect(200).json();
    let denials = page["data"].as_array().unwrap();
    let of_request = |denial: &&Value| denial["request_id"] == request_id;
    assert!(denials.iter().filter(of_request).count() <= 1);
    denials.iter().find(of_request).cloned()
}

/// What the operator's command would read, as text.
fn operators(app: &TestApp) -> String {
    let mut ops = PgConnection::establish(&secrecy_url(app)).unwrap();
    diesel::select(diesel::dsl::sql::<Text>(
        "directory.platform_denials(NULL, 100)::text",
    ))
    .get_result(&mut ops)
    .unwrap()
}

fn secrecy_url(app: &TestApp) -> String {
    use secrecy::ExposeSecret as _;
    app.database()
        .url("rowhouse_ops")
        .expose_secret()
        .to_owned()
}

fn named(caller: &Caller, request_id: &str) -> Caller {
    caller.with_header("x-request-id", request_id)
}

#[tokio::test]
async fn a_refused_request_leaves_who_asked_for_what_and_why_not() {
    let (_app, alice, bob) = TestApp::two_tenants().await;
    let viewer = alice.colleague("viewer").await;
    let project = alice.create_project("Atlas").await.id();
    let path = format!("/api/v1/projects/{project}");
    let answer = named(&viewer, "reaches")
        .patch(&path, json!({ "name": "Mine" }))
        .await;
    drop(answer.problem(403, "forbidden"));
    let denial = denial(&alice, "reaches").await;
    assert_eq!(
        denial,
        json!({
            "id": denial["id"], "at": denial["at"],
            "actor": { "kind": "user", "id": own_id(&viewer).await },
            "route": "PATCH /api/v1/projects/{id}", "reason": "forbidden", "status": 403,
            "object": { "type": "projects", "id": project },
            "request_id": "reaches", "address": "127.0.0.1",
        })
    );
    assert_eq!(found(&bob, "reaches").await, None);
    drop(
        named(&viewer, "no-object")
            .get("/api/v1/roles")
            .await
            .problem(403, "forbidden"),
    );
    let denial = self::denial(&alice, "no-object").await;
    assert_eq!(
        (&denial["object"], &denial["route"]),
        (&Value::Null, &json!("GET /api/v1/roles"))
    );
}

#[tokio::test]
async fn a_rolled_back_request_leaves_its_denial() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let manager = alice
        .colleague_with(
            "manager",
            "admin",
            &["users:read", "users:write", "projects:read"],
        )
        .await;
    // The role is looked up, and refused, inside of the transaction that would have made the user.
    let body = json!({ "email": "new@acme.example", "full_name": "New", "role": "admin",
        "password": "correct horse" });
    let users = state::count(&app, "memberships");
    let project = alice.create_project("Atlas").await.id();
    let answer = named(&manager, "rolled-back")
        .post("/api/v1/users", body)
        .await;
    drop(answer.problem(403, "forbidden"));
    // A guard inside of the database: a member deletes a project that is another's.
    let member = alice.colleague("member").await;
    let answer = named(&member, "refused-inside")
        .delete(&format!("/api/v1/projects/{project}"))
        .await;
    drop(answer.problem(403, "forbidden"));
    // One more for the colleague.
    assert_eq!(state::count(&app, "memberships"), users + 1);
    for (request, who) in [("rolled-back", &manager), ("refused-inside", &member)] {
        let denial = denial(&alice, request).await;
        assert_eq!(denial["actor"]["id"], own_id(who).await.as_str());
        assert_eq!(denial["reason"], "forbidden");
    }
}

#[tokio::test]
async fn a_reach_for_another_tenant_is_seen_by_ones_own_and_the_other_is_named_to_the_operator_alone()
 {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let viewer = alice.colleague("viewer").await;
    let selecting = named(&viewer, "reaches-across").with_header("x-tenant-slug", "globex-inc");
    drop(
        selecting
            .get("/api/v1/projects")
            .await
            .problem(403, "tenant_mismatch"),
    );
    let own = denial(&alice, "reaches-across").await;
    assert_eq!(own["reason"], "tenant_mismatch");
    assert!(!own.to_string().contains("globex"), "{own}");
    assert_eq!(found(&bob, "reaches-across").await, None);
    let operators = operators(&app);
    assert!(
        operators.contains("\"selected\": \"globex-inc\""),
        "{operators}"
    );
    assert!(operators.contains("reaches-across"));
    // What stays within one tenant is not the operator's.
    drop(
        named(&viewer, "stays")
            .get("/api/v1/roles")
            .await
            .problem(403, "forbidden"),
    );
    drop(denial(&alice, "stays").await);
    assert!(!self::operators(&app).contains("\"stays\""));
}

#[tokio::test]
async fn a_failed_login_is_that_tenants_whose_door_it_was_and_else_the_operators() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let login = |slug: Value| json!({ "email": "alice@acme.example", "password": "hunter2 hunter2", "tenant_slug": slug });
    let stranger = |id: &str| named(&app.stranger(), id);
    for (id, slug) in [
        ("at-acme", json!("acme-corp")),
        ("at-none", Value::Null),
        ("at-nobody", json!("no-such-tenant")),
        ("at-nonsense", json!("\u{202e}'; DROP")),
    ] {
        let answer = stranger(id).post("/api/v1/auth/login", login(slug)).await;
        drop(answer.problem(401, "invalid_credentials"));
    }
    let seen = denial(&alice, "at-acme").await;
    assert_eq!(seen["actor"], json!({ "kind": "stranger", "id": null }));
    assert_eq!(
        (&seen["reason"], &seen["status"]),
        (&json!("failed_login"), &json!(401))
    );
    assert_eq!(found(&bob, "at-acme").await, None);
    state::until(&app, "platform_denials", 3).await;
    let operators = operators(&app);
    for id in ["at-none", "at-nobody", "at-nonsense"] {
        assert!(operators.contains(id), "{operators}");
        assert_eq!(found(&alice, id).await, None);
    }
    assert!(!operators.contains("at-acme"));
    let kept = format!("{seen}{operators}");
    for secret in ["hunter2", "alice@acme.example"] {
        assert!(!kept.contains(secret), "{kept}");
    }
}

#[tokio::test]
async fn a_refresh_token_that_is_used_again_tells_whose_it_was() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let session = sign_in(&app, "alice@acme.example").await;
    let _ = refresh(&app, &session.refresh).await.expect(200);
    age_used_tokens(&app, "1 hour");
    let body = json!({ "refresh_token": session.refresh });
    let answer = named(&app.stranger(), "reuses")
        .post("/api/v1/auth/refresh", body)
        .await;
    drop(answer.problem(401, "session_revoked"));
    let denial = denial(&alice, "reuses").await;
    assert_eq!(denial["reason"], "refresh_reused");
    assert_eq!(
        denial["actor"],
        json!({ "kind": "user", "id": own_id(&alice).await })
    );
}

#[tokio::test]
async fn a_refused_seal_is_kept_too() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let kept = "CREATE TABLE public.kept AS SELECT * FROM tenancy.seal_key";
    state::change(&app, &format!("{kept}; DELETE FROM tenancy.seal_key"));
    drop(
        named(&alice, "refused-seal")
            .get("/api/v1/projects")
            .await
            .problem(500, "internal"),
    );
    state::until(&app, "denials WHERE request_id = 'refused-seal'", 1).await;
    state::change(&app, "INSERT INTO tenancy.seal_key SELECT * FROM kept");
    assert_eq!(
        denial(&alice, "refused-seal").await["reason"],
        "isolation_violation"
    );
    assert!(operators(&app).contains("refused-seal"));
}

#[tokio::test]
async fn denials_are_filtered_and_paged() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let viewer = alice.colleague("viewer").await;
    for number in 0..5 {
        let id = format!("many-{number}");
        drop(named(&viewer, &id).get("/api/v1/roles").await.expect(403));
        drop(denial(&alice, &id).await);
    }
    let other = named(&viewer, "other").with_header("x-tenant-slug", "globex-inc");
    drop(other.get("/api/v1/projects").await.expect(403));
    let other = denial(&alice, "other").await;
    let pages = async |query: &str| {
        let mut ids = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = alice
                .get(&format!("{DENIALS}?limit=2&{query}{cursor}"))
                .await;
            let page = page.expect(200).json();
            for denial in page["data"].as_array().unwrap() {
                ids.push(denial["request_id"].as_str().unwrap().to_owned());
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return ids,
            }
        }
    };
    let many = ["many-4", "many-3", "many-2", "many-1", "many-0"];
    assert_eq!(pages("reason=forbidden").await, many);
    assert_eq!(pages("reason=tenant_mismatch").await, ["other"]);
    assert_eq!(pages("reason=nothing").await, Vec::<String>::new());
    let at = other["at"].as_str().unwrap();
    assert_eq!(pages(&format!("from={at}")).await, ["other"]);
    assert_eq!(pages(&format!("to={at}")).await, many);
    for (query, pointer) in [
        ("reason=No", "/reason"),
        ("from=x", "/from"),
        ("limit=0", "/limit"),
        ("cursor=x", "/cursor"),
        ("actor=x", "/actor"),
    ] {
        let answer = alice.get(&format!("{DENIALS}?{query}")).await;
        assert_eq!(answer.refusals()[0].0, pointer, "{query}");
    }
}

#[tokio::test]
async fn what_is_odd_about_a_refused_request_does_not_keep_its_denial_away() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let viewer = alice.colleague("viewer").await;
    let long = "x".repeat(3000);
    let odd = named(&viewer, "odd").with_header("x-tenant-slug", &long);
    drop(
        odd.get("/api/v1/projects/not-an-id")
            .await
            .problem(403, "tenant_mismatch"),
    );
    drop(denial(&alice, "odd").await);
    let host = named(&viewer, "odd-host").with_header("host", "globex-inc.rowhouse.test");
    drop(
        host.get("/api/v1/projects")
            .await
            .problem(403, "tenant_mismatch"),
    );
    drop(denial(&alice, "odd-host").await);
    assert!(operators(&app).contains("\"selected\": \"globex-inc\""));
}

#[tokio::test]
async fn a_full_queue_refuses_nobody_and_what_it_has_is_written_when_the_server_stops() {
    let small =
        |_: &mut api::AppState, services: &mut api::Services| services.trail = Trail::of_size(2);
    let app = TestApp::start_with(small).await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    let viewer = alice.colleague("viewer").await;
    // Nothing can be written meanwhile.
    let mut superuser = app.database().superuser();
    diesel::sql_query("BEGIN").execute(&mut superuser).unwrap();
    diesel::sql_query("LOCK TABLE denials")
        .execute(&mut superuser)
        .unwrap();
    for number in 0..6 {
        let caller = named(&viewer, &format!("storm-{number}"));
        drop(caller.get("/api/v1/roles").await.problem(403, "forbidden"));
    }
    // Requests go on.
    drop(alice.get("/api/v1/projects").await.expect(200));
    diesel::sql_query("ROLLBACK")
        .execute(&mut superuser)
        .unwrap();
    state::until(&app, "denials", 2).await;
    assert!(found(&alice, "storm-0").await.is_some());
    assert!(found(&alice, "storm-5").await.is_none());

    let beside = app.start_beside(|_, _| ()).await;
    let request = beside.stranger().with_token(viewer.token());
    drop(
        named(&request, "the-last")
            .get("/api/v1/roles")
            .await
            .expect(403),
    );
    drop(beside);
    assert!(found(&alice, "the-last").await.is_some());
}

/// A source of denials and reads that the database refuses, as no request leaves them.
#[tokio::test]
async fn what_the_database_refuses_keeps_nothing_else_from_being_written_down() {
    let trail = Trail::of_size(100);
    let shared = trail.clone();
    let app = TestApp::start_with(move |_, services| services.trail = shared).await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    let tenant_id = principal(&alice).tenant.unwrap().id;
    let moment = || Moment::new(chrono::Utc::now());
    let asked = |route: &str| Asked {
        who: Who::User(principal(&alice).account.uuid()),
        route: Some(route.to_owned()),
        object_type: None,
        object_id: None,
        request_id: "refused".to_owned(),
        address: std::net::Ipv4Addr::LOCALHOST.into(),
    };
    let long = format!("GET /{}", "x".repeat(300));
    for route in ["GET /one", &long, "GET /two", "GET /\0", "GET /three"] {
        trail.deny(NewDenial {
            moment: moment(),
            tenant_id: Some(tenant_id),
            slug: None,
            asked: asked(route),
            reason: "forbidden",
            status: 403,
            reaches_across: false,
            selected: None,
        });
        trail.note_read(NewRead {
            moment: moment(),
            tenant_id,
            asked: asked(route),
        });
    }
    for table in ["denials", "reads"] {
        state::until(&app, &format!("{table} WHERE request_id = 'refused'"), 3).await;
    }
    let viewer = alice.colleague("viewer").await;
    drop(
        named(&viewer, "the-next")
            .get("/api/v1/roles")
            .await
            .expect(403),
    );
    drop(denial(&alice, "the-next").await);
    let read = alice.get("/api/v1/audit/reads?limit=100").await.expect(200);
    assert!(!read.text().contains("xxx"));
}

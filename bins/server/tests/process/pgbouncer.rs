//! Servers behind PgBouncer in transaction pooling, set up as `docs/pgbouncer.md` says: sign-in,
//! tenants' work, jobs and limits through few backends, and the one connection that goes past it.

use reqwest::Method;
use rowhouse_tests::{PgBouncer, seal_key};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::http::{Answer, Client};
use crate::servers::{Server, until};
use crate::site::{Site, owner_of};

const PROJECTS: &str = "/api/v1/projects";
/// For each role.
const BACKENDS: i64 = 2;

/// A server whose two pools go through it, and what listens past it, if that has a way.
fn serve(site: &mut Site, bouncer: &PgBouncer, listens: bool) -> Server {
    let (app, auth) = (bouncer.url("rowhouse_app"), bouncer.url("rowhouse_auth"));
    let directly = site.database.url("rowhouse_auth");
    let mut settings = vec![
        ("ROWHOUSE__DATABASE__PGBOUNCER", "true"),
        ("ROWHOUSE__DATABASE__APP_URL", app.expose_secret()),
        ("ROWHOUSE__DATABASE__AUTH_URL", auth.expose_secret()),
        ("ROWHOUSE__RATE_LIMIT__ENABLED", "true"),
        ("ROWHOUSE__PLANS__FREE__MAX_PROJECTS", "5"),
    ];
    if listens {
        settings.push(("ROWHOUSE__DATABASE__LISTEN_URL", directly.expose_secret()));
    }
    site.serve(&settings)
}

async fn send(caller: &Client, method: Method, path: &str, body: Value) -> Answer {
    caller.try_send(method, path, Some(&body)).await.unwrap()
}

fn connections(site: &Site, of: &str) -> i64 {
    let database = "FROM pg_stat_activity WHERE datname = current_database()";
    site.number(&format!("SELECT count(*) {database} AND {of}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_behind_pgbouncer_sign_in_work_mail_and_limit_and_hear_past_it() {
    let mut site = Site::new();
    let mut superuser = site.database.superuser();
    tenant_db::register_seal_key(&mut superuser, &seal_key().unbound()).unwrap();
    let backends = u32::try_from(BACKENDS).unwrap();
    let bouncer = PgBouncer::start(&site.database, backends);
    let (first, second) = (
        serve(&mut site, &bouncer, true),
        serve(&mut site, &bouncer, false),
    );
    // Registered, then signed in with their passwords.
    let alice = owner_of(&first, "acme-corp").await;
    let bob = owner_of(&second, "globex-inc").await;

    // A project's life, unseen by the neighbour.
    let made = alice.create_project("Atlas").await.unwrap();
    assert_eq!(made.status, 201, "{made:?}");
    let path = format!("{PROJECTS}/{}", made.body["id"].as_str().unwrap());
    let renamed = send(&alice, Method::PATCH, &path, json!({ "name": "Borealis" })).await;
    assert_eq!(
        (renamed.status, &renamed.body["name"]),
        (200, &json!("Borealis"))
    );
    let elsewhere = alice.at(second.address());
    assert_eq!(elsewhere.get(&path).await["name"], "Borealis");
    for (method, body) in [
        (Method::GET, None),
        (Method::DELETE, None),
        (Method::PATCH, Some(json!({ "name": "Mine" }))),
    ] {
        let answer = bob.try_send(method, &path, body.as_ref()).await.unwrap();
        assert_eq!(answer.status, 404, "{answer:?}");
    }
    let deleted = alice.try_send(Method::DELETE, &path, None).await.unwrap();
    assert_eq!(deleted.status, 204);
    let restored = send(&alice, Method::POST, &format!("{path}/restore"), json!({})).await;
    assert_eq!(restored.status, 200, "{restored:?}");

    // Of many at once at both servers, as many as the plan allows.
    let mut calls = JoinSet::new();
    for number in 0..24 {
        let caller = [&alice, &elsewhere][number % 2].clone();
        calls.spawn(async move { caller.create_project("One more").await.unwrap().status });
    }
    let mut statuses = calls.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![201; 4], vec![402; 20]].concat());
    assert_eq!(alice.projects().await.len(), 5);
    assert_eq!(bob.projects().await, []);
    let shared = connections(&site, "usename = 'rowhouse_app'");
    assert!((1..=BACKENDS).contains(&shared), "{shared} backends");

    // Jobs of nobody's, and those of a tenant, which enter it.
    let user = json!({ "email": "max@acme.example", "full_name": "Max", "role": "member",
        "password": "correct horse battery" });
    let max = send(&alice, Method::POST, "/api/v1/users", user).await;
    assert_eq!(max.status, 201, "{max:?}");
    for to in ["owner@acme-corp.example", "max@acme.example"] {
        let to = format!("To: {to}\n");
        until(&format!("a mail {to}"), async || {
            site.mails().iter().any(|mail| mail.contains(&to))
        })
        .await;
    }

    // One hears of a tenant's own limits, past PgBouncer; the other asks again by itself.
    let listener = "application_name = 'rowhouse-server listener'";
    assert_eq!(connections(&site, listener), 1);
    site.change("SELECT directory.set_tenant_limits('globex-inc', 1, 3)");
    for server in [&first, &second] {
        let there = bob.at(server.address());
        until("the tenant's own limit holds", async || {
            let answer = there.try_send(Method::GET, PROJECTS, None).await.unwrap();
            // By the tier's numbers it would be a second at most.
            answer.status == 429 && answer.retry_after > Some(5)
        })
        .await;
    }
    assert_eq!(connections(&site, listener), 1);
    for server in [first, second] {
        let unheard = server.log().contains("changes of plans are not heard of");
        assert!(!unheard, "{}", server.log());
        assert!(server.terminate().success());
    }
}

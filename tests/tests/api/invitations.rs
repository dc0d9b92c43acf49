//! Invitations: made by admins, carried by a mail, accepted by whoever has the address.

use reqwest::Method;
use rowhouse_tests::{Answer, Caller, TestApp};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::refresh::Session;
use crate::state;

const INVITATIONS: &str = "/api/v1/invitations";
const ACCEPT: &str = "/api/v1/invitations/accept";
const VERA: &str = "vera@home.example";
const PASSWORD: &str = "securepass123";

/// Acme and its owner, on a server that sends mails.
async fn acme() -> (TestApp, Caller) {
    let app = TestApp::start_with_mails().await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    (app, alice)
}

async fn invite(caller: &Caller, email: &str, role: &str) -> String {
    let body = json!({ "email": email, "role": role });
    caller.post(INVITATIONS, body).await.expect(201).id()
}

/// The link of the newest invitation to this address, of so many mails.
async fn token_of(app: &TestApp, email: &str, mails: usize) -> String {
    let mail = app.mail_to(email, mails).await;
    assert_eq!(mail.subject, "You are invited");
    mail.token()
}

async fn accept(caller: &Caller, body: Value) -> Answer {
    caller.post(ACCEPT, body).await
}

/// Somebody with an account and no tenant.
async fn homeless(app: &TestApp, email: &str) -> Session {
    let body = json!({ "email": email, "password": PASSWORD, "full_name": "Vera Voss" });
    let answer = app.stranger().post("/api/v1/auth/register", body).await;
    Session::of(app, &answer.expect(201))
}

#[tokio::test]
async fn somebody_new_gets_an_account_and_the_role_that_was_meant() {
    let (app, alice) = acme().await;
    let body = json!({ "email": "Vera@Home.example", "role": "admin", "full_name": "V. Voss" });
    let made = alice.post(INVITATIONS, body).await.expect(201);
    let path = format!("{INVITATIONS}/{}", made.id());
    assert_eq!(made.header("location"), path);
    let invitation = made.json();
    assert_eq!(
        invitation,
        json!({
            "id": made.id(), "email": VERA, "role": "admin", "status": "pending",
            "expires_at": invitation["expires_at"], "created_at": invitation["created_at"],
        })
    );
    assert_eq!(alice.get(&path).await.expect(200).json(), invitation);
    let users = alice.get("/api/v1/users").await.expect(200).json();
    assert_eq!(users["data"][0]["email"], VERA);
    assert_eq!(users["data"][0]["status"], "invited");
    assert_eq!(users["data"][0]["is_active"], false);

    let token = token_of(&app, VERA, 1).await;
    let body = json!({ "token": token, "password": PASSWORD, "full_name": "Vera Voss" });
    let answer = accept(&app.stranger(), body.clone()).await.expect(200);
    let vera = Session::of(&app, &answer);
    assert_eq!(vera.tenant().as_deref(), Some("acme-corp"));
    let me = vera.caller.get("/api/v1/users/me").await.expect(200).json();
    assert_eq!(me["tenant"]["role"], "admin");
    assert_eq!(me["full_name"], "Vera Voss");
    assert_eq!(me["email_verified"], true);
    drop(vera.caller.get(&path).await.expect(200));
    let users = alice.get("/api/v1/users").await.expect(200).json();
    assert_eq!(users["data"][0]["full_name"], "Vera Voss");
    assert_eq!(users["data"][0]["status"], "active");
    assert_eq!(alice.get(&path).await.json()["status"], "accepted");

    drop(
        accept(&app.stranger(), body)
            .await
            .problem(401, "invalid_token"),
    );
    let login = json!({ "email": VERA, "password": PASSWORD });
    drop(app.stranger().login(login).await);
}

#[tokio::test]
async fn whoever_has_an_account_proves_it_with_the_password_or_a_token() {
    let (app, alice) = acme().await;
    drop(homeless(&app, VERA).await);
    let wim = homeless(&app, "wim@home.example").await;
    let (first, second) = (
        invite(&alice, VERA, "member").await,
        invite(&alice, "wim@home.example", "viewer").await,
    );
    assert_ne!(first, second);
    let (veras, wims) = (
        token_of(&app, VERA, 2).await,
        token_of(&app, "wim@home.example", 2).await,
    );
    for (body, status, code) in [
        (json!({ "token": veras }), 422, "validation_failed"),
        (
            json!({ "token": veras, "password": "not hers at all" }),
            401,
            "invalid_credentials",
        ),
    ] {
        let refused = accept(&app.stranger(), body).await;
        drop(refused.problem(status, code));
    }
    let body = json!({ "token": veras, "password": PASSWORD, "full_name": "Somebody Else" });
    let answer = accept(&app.stranger(), body).await.expect(200);
    let vera = Session::of(&app, &answer);
    let me = vera.caller.get("/api/v1/users/me").await.expect(200).json();
    assert_eq!(me["full_name"], "Vera Voss");
    assert_eq!(me["tenant"]["role"], "member");

    // Another one's invitation is none of Wim's, and stays good for whom it is.
    let answer = accept(&wim.caller, json!({ "token": wims })).await;
    let there = Session::of(&app, &answer.expect(200));
    assert_eq!(there.tenant().as_deref(), Some("acme-corp"));
    wim.assert_lives().await;
}

#[tokio::test]
async fn another_address_is_refused_and_the_invitation_stays_good() {
    let (app, alice) = acme().await;
    let wim = homeless(&app, "wim@home.example").await;
    drop(invite(&alice, VERA, "admin").await);
    let token = token_of(&app, VERA, 1).await;
    let managed = alice.colleague("viewer").await;
    for other in [&wim.caller, &managed, &alice] {
        let refused = accept(other, json!({ "token": token })).await;
        drop(refused.problem(403, "other_address"));
    }
    let ended = wim.caller.post("/api/v1/auth/logout", json!({})).await;
    drop(ended.expect(204));
    let refused = accept(&wim.caller, json!({ "token": token })).await;
    drop(refused.problem(401, "session_revoked"));
    let body = json!({ "token": token, "password": PASSWORD });
    drop(accept(&app.stranger(), body).await.expect(200));
}

#[tokio::test]
async fn a_link_that_was_replaced_revoked_or_expired_opens_nothing() {
    let (app, alice) = acme().await;
    let id = invite(&alice, VERA, "member").await;
    let path = format!("{INVITATIONS}/{id}");
    let first = token_of(&app, VERA, 1).await;
    let resend = format!("{path}/resend");
    let body = |token: &str| json!({ "token": token, "password": PASSWORD });

    state::change(
        &app,
        "UPDATE invitations SET expires_at = now() - interval '1 second'",
    );
    assert_eq!(alice.get(&path).await.json()["status"], "expired");
    let refused = accept(&app.stranger(), body(&first)).await;
    drop(refused.problem(401, "invalid_token"));
    let renewed = alice.post(&resend, json!({})).await.expect(200).json();
    assert_eq!(renewed["status"], "pending");
    let second = token_of(&app, VERA, 2).await;
    assert_ne!(first, second);
    let refused = accept(&app.stranger(), body(&first)).await;
    drop(refused.problem(401, "invalid_token"));

    drop(alice.delete(&path).await.expect(204));
    let refused = accept(&app.stranger(), body(&second)).await;
    drop(refused.problem(401, "invalid_token"));
    assert_eq!(alice.get(&path).await.json()["status"], "revoked");
    drop(alice.delete(&path).await.problem(409, "not_pending"));
    drop(
        alice
            .post(&resend, json!({}))
            .await
            .problem(409, "not_pending"),
    );

    // The address is free again, and the list tells of both.
    drop(invite(&alice, VERA, "viewer").await);
    let third = token_of(&app, VERA, 3).await;
    drop(accept(&app.stranger(), body(&third)).await.expect(200));
    let list = alice.get(INVITATIONS).await.expect(200).json();
    let statuses: Vec<_> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|invitation| &invitation["status"])
        .collect();
    assert_eq!(statuses, ["accepted", "revoked"]);
}

#[tokio::test]
async fn of_many_who_hold_one_link_one_takes_the_place() {
    let (app, alice) = acme().await;
    drop(invite(&alice, VERA, "member").await);
    let token = token_of(&app, VERA, 1).await;
    let mut guests = JoinSet::new();
    for _ in 0..8 {
        let (stranger, token) = (app.stranger(), token.clone());
        guests.spawn(async move {
            accept(&stranger, json!({ "token": token, "password": PASSWORD }))
                .await
                .status()
        });
    }
    let statuses = guests.join_all().await;
    let taken = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!(taken, 1, "{statuses:?}");
    assert!(
        statuses
            .iter()
            .all(|status| matches!(status, 200 | 401 | 409)),
        "{statuses:?}"
    );
    let places = format!("memberships WHERE email = '{VERA}'");
    assert_eq!(state::count(&app, &places), 1);
}

#[tokio::test]
async fn whoever_revokes_while_it_is_accepted_either_is_too_late_or_in_time() {
    let (app, alice) = acme().await;
    for number in 0..8 {
        let email = format!("guest{number}@home.example");
        let id = invite(&alice, &email, "member").await;
        let token = token_of(&app, &email, 1).await;
        let stranger = app.stranger();
        let path = format!("{INVITATIONS}/{id}");
        let (accepted, revoked) = tokio::join!(
            accept(&stranger, json!({ "token": token, "password": PASSWORD })),
            alice.delete(&path),
        );
        match (accepted.status(), revoked.status()) {
            (200, 409) => assert_eq!(alice.get(&path).await.json()["status"], "accepted"),
            (401, 204) => assert_eq!(alice.get(&path).await.json()["status"], "revoked"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn nobody_invites_above_their_own_role_and_only_admins_invite() {
    let (app, alice) = acme().await;
    let anna = alice.colleague("admin").await;
    let max = alice.colleague("member").await;
    let body = json!({ "email": VERA, "role": "owner" });
    drop(
        anna.post(INVITATIONS, body.clone())
            .await
            .problem(403, "forbidden"),
    );
    let id = invite(&alice, VERA, "owner").await;
    let path = format!("{INVITATIONS}/{id}");
    for (method, path) in [
        (Method::DELETE, path.clone()),
        (Method::POST, format!("{path}/resend")),
    ] {
        // An owner's place is above an admin.
        let refused = anna.send(method, &path, None).await;
        drop(refused.problem(403, "forbidden"));
    }
    for (method, path, body) in [
        (Method::GET, INVITATIONS.to_owned(), None),
        (Method::GET, path.clone(), None),
        (Method::POST, INVITATIONS.to_owned(), Some(body)),
        (Method::DELETE, path.clone(), None),
        (Method::POST, format!("{path}/resend"), None),
    ] {
        drop(
            max.send(method, &path, body)
                .await
                .problem(403, "forbidden"),
        );
    }
    let bob = app.register("bob@globex.example", "globex-inc").await;
    for method in [Method::GET, Method::DELETE] {
        drop(
            bob.send(method, &path, None)
                .await
                .problem(404, "not_found"),
        );
    }
    let resent = bob.post(&format!("{path}/resend"), json!({})).await;
    drop(resent.problem(404, "not_found"));
    drop(alice.get(&path).await.expect(200));
}

#[tokio::test]
async fn an_invited_user_is_listed_changed_and_removed_like_any_other() {
    let (app, alice) = acme().await;
    let body = json!({ "email": VERA, "full_name": "V", "role": "viewer" });
    let made = alice.post("/api/v1/users", body.clone()).await.expect(201);
    assert_eq!(made.json()["status"], "invited");
    let user = format!("/api/v1/users/{}", made.id());
    drop(
        alice
            .post("/api/v1/users", body.clone())
            .await
            .problem(409, "email_taken"),
    );
    drop(
        alice
            .post(INVITATIONS, json!({ "email": VERA, "role": "viewer" }))
            .await
            .problem(409, "email_taken"),
    );
    for status in ["active", "suspended"] {
        let refused = alice.patch(&user, json!({ "status": status })).await;
        drop(refused.problem(409, "conflict"));
    }
    let changed = alice.patch(&user, json!({ "role": "member" })).await;
    assert_eq!(changed.expect(200).json()["role"], "member");
    let token = token_of(&app, VERA, 1).await;
    drop(alice.delete(&user).await.expect(204));
    let refused = accept(
        &app.stranger(),
        json!({ "token": token, "password": PASSWORD }),
    )
    .await;
    drop(refused.problem(401, "invalid_token"));
    let list = alice.get(INVITATIONS).await.expect(200).json();
    assert_eq!(list["data"][0]["status"], "revoked");
}

#[tokio::test]
async fn a_suspended_tenant_takes_nobody_in() {
    let (app, alice) = acme().await;
    drop(invite(&alice, VERA, "member").await);
    let body = json!({ "token": token_of(&app, VERA, 1).await, "password": PASSWORD });
    state::set_tenant_status(&app, "acme-corp", "suspended");
    let refused = accept(&app.stranger(), body.clone()).await;
    drop(refused.problem(401, "invalid_token"));
    state::set_tenant_status(&app, "acme-corp", "active");
    drop(accept(&app.stranger(), body).await.expect(200));
}

#[tokio::test]
async fn what_is_wrong_with_an_invitation_or_an_acceptance_is_named() {
    let (app, alice) = acme().await;
    for (body, pointer) in [
        (json!({ "role": "member" }), "/email"),
        (json!({ "email": "nobody", "role": "member" }), "/email"),
        (json!({ "email": VERA }), "/role"),
        (json!({ "email": VERA, "role": "King" }), "/role"),
        (json!({ "email": VERA, "role": "unheard_of" }), "/role"),
        (
            json!({ "email": VERA, "role": "member", "full_name": "" }),
            "/full_name",
        ),
        (
            json!({ "email": VERA, "role": "member", "token": "x" }),
            "/token",
        ),
    ] {
        let problem = alice.post(INVITATIONS, body).await;
        let problem = problem.problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    drop(invite(&alice, VERA, "member").await);
    let token = token_of(&app, VERA, 1).await;
    for (body, pointer) in [
        (json!({}), "/token"),
        (json!({ "token": token }), "/password"),
        (json!({ "token": token, "password": "short" }), "/password"),
        (
            json!({ "token": token, "password": PASSWORD, "full_name": "" }),
            "/full_name",
        ),
        (json!({ "token": token, "role": "owner" }), "/role"),
    ] {
        let problem = accept(&app.stranger(), body).await;
        let problem = problem.problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    let mut tampered = token.clone();
    let last = if tampered.pop() == Some('A') {
        'E'
    } else {
        'A'
    };
    tampered.push(last);
    for token in ["", "mt_", "nonsense", &tampered, &token.to_uppercase()] {
        let refused = accept(
            &app.stranger(),
            json!({ "token": token, "password": PASSWORD }),
        )
        .await;
        drop(refused.problem(401, "invalid_token"));
    }
}

#[tokio::test]
async fn the_database_keeps_no_link_and_lets_no_admin_forge_one() {
    use diesel::RunQueryDsl as _;
    let (app, alice) = acme().await;
    drop(invite(&alice, VERA, "member").await);
    let token = token_of(&app, VERA, 1).await;
    let (_, encoded) = token.split_once('_').unwrap();
    for table in ["invitations", "jobs"] {
        let clear = format!("{table} t WHERE to_jsonb(t)::text LIKE '%{encoded}%'");
        assert_eq!(state::count(&app, &clear), 0, "{table}");
    }
    let context = crate::rows::context(&alice);
    for sql in [
        "UPDATE invitations SET hash = sha256('forged')",
        "SELECT directory.issue_invitation(id, issue, sha256('forged')) FROM invitations",
        "UPDATE memberships SET account_id = gen_random_uuid()",
    ] {
        let forged = app
            .tenants()
            .run(context.clone(), move |conn| {
                Ok::<_, tenant_db::Error>(diesel::sql_query(sql).execute(conn)?)
            })
            .await;
        assert!(forged.is_err(), "{sql}");
    }
}

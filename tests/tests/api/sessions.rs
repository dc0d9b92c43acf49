//! `/users/me/sessions`: where an account is signed in, and how it ends that.

use chrono::{Duration, Utc};
use rowhouse_tests::{Answer, TestApp};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::projects::{refusal, time};
use crate::refresh::{ME, Session, refresh, sign_in};
use crate::state;

const SESSIONS: &str = "/api/v1/users/me/sessions";
const ALICE: &str = "alice@acme.example";

fn path(id: &str) -> String {
    format!("{SESSIONS}/{id}")
}

fn ids(page: &Answer) -> Vec<String> {
    let body = page.json();
    let data = body["data"].as_array().unwrap().iter();
    data.map(|session| session["id"].as_str().unwrap().to_owned())
        .collect()
}

/// This many sessions of Alice, newest first, in a house where Bob lives, too. The one that
/// registration opened is gone.
async fn sessions(count: usize) -> (TestApp, Vec<Session>) {
    let (app, _, _) = TestApp::two_tenants().await;
    state::revoke_sessions(&app, ALICE);
    let mut sessions = Vec::new();
    for _ in 0..count {
        sessions.insert(0, sign_in(&app, ALICE).await);
    }
    (app, sessions)
}

#[tokio::test]
async fn an_account_sees_its_own_live_sessions_newest_first() {
    let (app, _) = sessions(0).await;
    let before = Utc::now() - Duration::seconds(5);
    let phone = app.stranger().with_header("user-agent", "Phone/1.0");
    let body = json!({ "email": ALICE, "password": "securepass123" });
    let answer = phone.post("/api/v1/auth/login", body).await.expect(200);
    let phone = Session::of(&app, &answer);
    let laptop = sign_in(&app, ALICE).await;
    for (asker, asked_by_laptop) in [(&laptop, true), (&phone, false)] {
        let answer = asker.caller.get(SESSIONS).await.expect(200);
        let body = answer.json();
        let session = |row: usize, session: &Session, device: Value, current: bool| {
            json!({
                "id": session.id(),
                "device": device,
                "address": "127.0.0.1",
                "created_at": body["data"][row]["created_at"],
                "last_used_at": body["data"][row]["last_used_at"],
                "current": current,
            })
        };
        assert_eq!(
            body,
            json!({
                "data": [
                    session(0, &laptop, Value::Null, asked_by_laptop),
                    session(1, &phone, json!("Phone/1.0"), !asked_by_laptop),
                ],
                "next_cursor": null,
            })
        );
        for row in body["data"].as_array().unwrap() {
            assert!(time(&row["created_at"]) > before);
            assert!(time(&row["last_used_at"]) >= time(&row["created_at"]));
        }
        assert_eq!(answer.header("cache-control"), "private, no-cache");
        assert_eq!(answer.header("link"), "");
        answer.assert_framed();
    }
}

#[tokio::test]
async fn a_refresh_moves_the_time_of_last_use_and_nothing_else() {
    let (app, sessions) = sessions(1).await;
    let session = &sessions[0];
    let mut before = session.caller.get(SESSIONS).await.json();
    let answer = refresh(&app, &session.refresh).await.expect(200);
    let after = Session::of(&app, &answer).caller.get(SESSIONS).await.json();
    let used = |list: &Value| time(&list["data"][0]["last_used_at"]);
    assert!(used(&after) > used(&before));
    before["data"][0]["last_used_at"] = after["data"][0]["last_used_at"].clone();
    assert_eq!(after, before);
}

#[tokio::test]
async fn what_was_revoked_or_has_expired_is_not_listed() {
    let (app, sessions) = sessions(4).await;
    let (asker, revoked, expired) = (&sessions[0], &sessions[1], &sessions[2]);
    state::change(
        &app,
        &format!(
            "UPDATE sessions SET revoked_at = now() WHERE id = '{}';
             UPDATE refresh_tokens SET expires_at = now() WHERE session_id = '{}'",
            revoked.id(),
            expired.id(),
        ),
    );
    let page = asker.caller.get(SESSIONS).await.expect(200);
    assert_eq!(ids(&page), [asker.id(), sessions[3].id()]);
}

#[tokio::test]
async fn walking_by_cursor_and_by_link_yields_each_session_once() {
    let (_app, sessions) = sessions(7).await;
    let caller = &sessions[0].caller;
    let (mut by_cursor, mut by_link) = (Vec::new(), Vec::new());
    let mut next = format!("{SESSIONS}?limit=3");
    loop {
        let page = caller.get(&next).await.expect(200);
        by_cursor.extend(ids(&page));
        match page.json()["next_cursor"].as_str() {
            Some(cursor) => next = format!("{SESSIONS}?limit=3&cursor={cursor}"),
            None => break,
        }
    }
    next = format!("{SESSIONS}?limit=3");
    loop {
        let page = caller.get(&next).await.expect(200);
        by_link.extend(ids(&page));
        let link = page.header("link");
        match link
            .strip_prefix('<')
            .and_then(|link| link.split_once(">; rel=\"next\""))
        {
            Some((target, _)) => next = target.to_owned(),
            None => break,
        }
    }
    let expected: Vec<String> = sessions.iter().map(Session::id).collect();
    assert_eq!(by_cursor, expected);
    assert_eq!(by_link, expected);
}

#[tokio::test]
async fn a_cursor_is_good_for_ones_own_list_only() {
    let (app, sessions) = sessions(3).await;
    let page = sessions[0].caller.get(&format!("{SESSIONS}?limit=1")).await;
    let cursor = page.json()["next_cursor"].as_str().unwrap().to_owned();
    let bob = sign_in(&app, "bob@globex.example").await;
    for path in [
        format!("{SESSIONS}?cursor={cursor}"),
        format!("/api/v1/users/me/tenants?cursor={cursor}"),
    ] {
        let answer = bob.caller.get(&path).await;
        assert_eq!(answer.refusals(), refusal("/cursor", "invalid"));
    }
    for query in ["limit=0", "limit=101", "limit=x", "device=x"] {
        let answer = bob.caller.get(&format!("{SESSIONS}?{query}")).await;
        assert_eq!(answer.status(), 422, "{query}");
    }
}

#[tokio::test]
async fn another_session_of_ones_own_ends_at_once() {
    let (app, sessions) = sessions(3).await;
    let (asker, ended, other) = (&sessions[0], &sessions[1], &sessions[2]);
    let answer = asker.caller.delete(&path(&ended.id())).await.expect(204);
    assert_eq!(answer.text(), "");
    ended.assert_ended(&app).await;
    for session in [asker, other] {
        session.assert_lives().await;
    }
    let page = asker.caller.get(SESSIONS).await;
    assert_eq!(ids(&page), [asker.id(), other.id()]);
}

#[tokio::test]
async fn the_session_that_asks_can_end_itself() {
    let (app, sessions) = sessions(2).await;
    let answer = sessions[0].caller.delete(&path(&sessions[0].id())).await;
    let _ = answer.expect(204);
    sessions[0].assert_ended(&app).await;
    sessions[1].assert_lives().await;
}

#[tokio::test]
async fn a_foreign_a_revoked_and_no_session_at_all_are_not_found_alike() {
    let (app, sessions) = sessions(2).await;
    let caller = &sessions[0].caller;
    let bob = sign_in(&app, "bob@globex.example").await;
    let _ = caller.delete(&path(&sessions[1].id())).await.expect(204);
    let reference = caller.delete(&path(&Uuid::now_v7().to_string())).await;
    reference.problem(404, "not_found");
    let nil = Uuid::nil().to_string();
    for id in [&bob.id(), &sessions[1].id(), &nil, "not-an-id", "%00"] {
        let answer = caller.delete(&path(id)).await;
        assert_eq!(answer.essence(), reference.essence(), "{id}");
    }
    bob.assert_lives().await;
    // Nor does a colleague reach it, whatever its role: sessions belong to the account.
    let colleague = caller.colleague("owner").await;
    let answer = colleague.delete(&path(&sessions[0].id())).await;
    assert_eq!(answer.essence(), reference.essence());
    sessions[0].assert_lives().await;
}

#[tokio::test]
async fn a_session_that_stands_elsewhere_by_now_has_to_refresh_first() {
    let (app, sessions) = sessions(2).await;
    let caller = &sessions[0].caller;
    state::change(&app, "UPDATE sessions SET tenant_id = NULL");
    let other = path(&sessions[1].id());
    caller.get(ME).await.problem(401, "token_stale");
    caller.get(SESSIONS).await.problem(401, "token_stale");
    caller.delete(&other).await.problem(401, "token_stale");
    let answer = refresh(&app, &sessions[0].refresh).await.expect(200);
    let caller = Session::of(&app, &answer).caller;
    assert_eq!(ids(&caller.get(SESSIONS).await.expect(200)).len(), 2);
    let _ = caller.delete(&other).await.expect(204);
}

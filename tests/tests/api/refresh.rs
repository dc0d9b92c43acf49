//! `POST /auth/refresh`: a refresh token is good once, and a stolen one ends the session.

use std::collections::BTreeSet;

use rowhouse_tests::{Answer, Caller, TestApp};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::projects::refusal;
use crate::registration::{assert_is_a_token, founder, register};
use crate::{rows::principal, state};

const REFRESH: &str = "/api/v1/auth/refresh";
pub(crate) const ME: &str = "/api/v1/users/me";
pub(crate) const PROJECTS: &str = "/api/v1/projects";

/// One sign-in: whoever holds both tokens.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) caller: Caller,
    pub(crate) refresh: String,
}

impl Session {
    /// Of a token answer, held against all that is promised of one.
    pub(crate) fn of(app: &TestApp, answer: &Answer) -> Self {
        let token = assert_is_a_token(app, answer);
        let access = token["access_token"].as_str().unwrap();
        Self {
            caller: app.stranger().with_token(access),
            refresh: token["refresh_token"].as_str().unwrap().to_owned(),
        }
    }

    /// The id of the session.
    pub(crate) fn id(&self) -> String {
        principal(&self.caller).session.to_string()
    }

    /// The slug of the tenant that the access token names.
    pub(crate) fn tenant(&self) -> Option<String> {
        principal(&self.caller).tenant.map(|tenant| tenant.slug)
    }

    /// Neither token is good for anything, as of now.
    pub(crate) async fn assert_ended(&self, app: &TestApp) {
        for path in [PROJECTS, ME] {
            let answer = self.caller.get(path).await;
            answer.problem(401, "session_revoked");
        }
        let answer = refresh(app, &self.refresh).await;
        answer.problem(401, "session_revoked");
    }

    /// The access token is good for the account.
    pub(crate) async fn assert_lives(&self) {
        let _ = self.caller.get(ME).await.expect(200);
    }
}

/// Signs in with the password that registration sets, to the only tenant or to none.
pub(crate) async fn sign_in(app: &TestApp, email: &str) -> Session {
    let body = json!({ "email": email, "password": "securepass123" });
    let answer = app.stranger().post("/api/v1/auth/login", body).await;
    Session::of(app, &answer.expect(200))
}

/// Signs a managed account of Acme in, as `Caller::colleague` makes it.
pub(crate) async fn sign_in_managed(app: &TestApp, role: &str) -> Session {
    let email = format!("{role}@acme-corp.example");
    let body = json!({ "email": email, "password": "correct horse", "tenant_slug": "acme-corp" });
    let answer = app.stranger().post("/api/v1/auth/login", body).await;
    Session::of(app, &answer.expect(200))
}

/// Presents a refresh token.
pub(crate) async fn refresh(app: &TestApp, token: &str) -> Answer {
    let body = json!({ "refresh_token": token });
    app.stranger().post(REFRESH, body).await
}

/// As if the refresh tokens used so far had been used this long ago.
pub(crate) fn age_used_tokens(app: &TestApp, interval: &str) {
    state::change(
        app,
        &format!("UPDATE refresh_tokens SET used_at = used_at - interval '{interval}'"),
    );
}

/// A condition on a table, for `state::count`, that holds for the rows of one session.
pub(crate) fn tokens_of(session: &Session) -> String {
    format!("refresh_tokens WHERE session_id = '{}'", session.id())
}

#[tokio::test]
async fn a_refresh_answers_new_tokens_of_the_same_session() {
    let (app, _alice, _bob) = TestApp::two_tenants().await;
    let mut session = sign_in(&app, "alice@acme.example").await;
    let (id, me) = (session.id(), session.caller.get(ME).await.json());
    let sessions = state::count(&app, "sessions");
    let mut seen = BTreeSet::from([session.refresh.clone()]);
    for used in 1..=5 {
        let answer = refresh(&app, &session.refresh).await.expect(200);
        assert_eq!(answer.json()["user"], me);
        session = Session::of(&app, &answer);
        assert_eq!(session.id(), id);
        assert!(seen.insert(session.refresh.clone()));
        let _ = session.caller.get(PROJECTS).await.expect(200);
        let used_up = format!("{} AND used_at IS NOT NULL", tokens_of(&session));
        assert_eq!(state::count(&app, &used_up), used);
        assert_eq!(state::count(&app, &tokens_of(&session)), used + 1);
    }
    assert_eq!(state::count(&app, "sessions"), sessions);
}

#[tokio::test]
async fn a_refresh_needs_no_access_token_and_selects_no_tenant() {
    let (app, _alice, bob) = TestApp::two_tenants().await;
    let mut session = sign_in(&app, "alice@acme.example").await;
    for caller in [
        bob.clone(),
        app.stranger().with_token("nonsense"),
        app.stranger().with_header("x-tenant-slug", "globex-inc"),
        app.stranger()
            .with_header("host", "globex-inc.rowhouse.test"),
    ] {
        let body = json!({ "refresh_token": session.refresh });
        let answer = caller.post(REFRESH, body).await.expect(200);
        session = Session::of(&app, &answer);
        assert_eq!(session.tenant().as_deref(), Some("acme-corp"));
    }
}

#[tokio::test]
async fn a_session_remembers_when_and_where_it_was_last_refreshed() {
    let (app, _alice, _bob) = TestApp::two_tenants().await;
    let session = sign_in(&app, "alice@acme.example").await;
    let id = session.id();
    state::change(
        &app,
        &format!(
            "UPDATE sessions SET last_used_at = now() - interval '1 day', address = '192.0.2.1' WHERE id = '{id}'"
        ),
    );
    let _ = refresh(&app, &session.refresh).await.expect(200);
    let remembered = format!(
        "sessions WHERE id = '{id}' AND last_used_at > now() - interval '1 hour' AND address = '127.0.0.1'"
    );
    assert_eq!(state::count(&app, &remembered), 1);
}

#[tokio::test]
async fn of_a_refresh_token_only_the_hash_is_kept() {
    let (app, _alice, _bob) = TestApp::two_tenants().await;
    let session = sign_in(&app, "alice@acme.example").await;
    let answer = refresh(&app, &session.refresh).await.expect(200);
    let child = Session::of(&app, &answer);
    for token in [&session.refresh, &child.refresh] {
        let (_, random) = token.split_once('_').unwrap();
        let bytes = format!("decode(translate('{random}', '-_', '+/') || '=', 'base64')");
        let hashed = format!("refresh_tokens WHERE hash = sha256({bytes})");
        assert_eq!(state::count(&app, &hashed), 1);
        let clear = format!("refresh_tokens WHERE hash = {bytes}");
        assert_eq!(state::count(&app, &clear), 0);
    }
}

#[tokio::test]
async fn within_ten_seconds_the_same_parent_has_the_same_child() {
    let (app, _alice, _bob) = TestApp::two_tenants().await;
    let session = sign_in(&app, "alice@acme.example").await;
    let first = Session::of(&app, &refresh(&app, &session.refresh).await.expect(200));
    age_used_tokens(&app, "1 second");
    let second = Session::of(&app, &refresh(&app, &session.refresh).await.expect(200));
    assert_eq!(first.refresh, second.refresh);
    // Also when the child is in use already: whoever was late gets what the other one got.
    let grandchild = Session::of(&app, &refresh(&app, &first.refresh).await.expect(200));
    let third = Session::of(&app, &refresh(&app, &session.refresh).await.expect(200));
    assert_eq!(third.refresh, first.refresh);
    let again = Session::of(&app, &refresh(&app, &third.refresh).await.expect(200));
    assert_eq!(again.refresh, grandchild.refresh);
    assert_eq!(state::count(&app, &tokens_of(&session)), 3);
    for session in [session, first, second, grandchild, third, again] {
        let _ = session.caller.get(PROJECTS).await.expect(200);
    }
}

#[tokio::test]
async fn sixteen_tabs_that_refresh_at_once_get_one_child() {
    let (app, _alice, _bob) = TestApp::two_tenants().await;
    let session = sign_in(&app, "alice@acme.example").await;
    let mut tabs = JoinSet::new();
    for _ in 0..16 {
        let (caller, token) = (app.stranger(), session.refresh.clone());
        tabs.spawn(async move {
            caller
                .post(REFRESH, json!({ "refresh_token": token }))
                .await
        });
    }
    let answers = tabs.join_all().await;
    let mut children = BTreeSet::new();
    for answer in answers {
        let child = Session::of(&app, &answer.expect(200));
        let _ = child.caller.get(PROJECTS).await.expect(200);
        children.insert(child.refresh);
    }
    assert_eq!(children.len(), 1);
    assert_eq!(state::count(&app, &tokens_of(&session)), 2);
    let unused = format!("{} AND used_at IS NULL", tokens_of(&session));
    assert_eq!(state::count(&app, &unused), 1);
}

#[tokio::test]
async fn a_token_used_before_ends_the_session_at_once_and_no_other() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let stolen = sign_in(&app, "alice@acme.example").await;
    let other = sign_in(&app, "alice@acme.example").await;
    let child = Session::of(&app, &refresh(&app, &stolen.refresh).await.expect(200));
    let _ = child.caller.get(PROJECTS).await.expect(200);
    age_used_tokens(&app, "11 seconds");
    let answer = refresh(&app, &stolen.refresh).await;
    answer.problem(401, "session_revoked");
    // Committed, although the answer was an error.
    let revoked = format!(
        "sessions WHERE id = '{}' AND revoked_at IS NOT NULL",
        stolen.id()
    );
    assert_eq!(state::count(&app, &revoked), 1);
    for session in [&stolen, &child] {
        session.assert_ended(&app).await;
    }
    other.assert_lives().await;
    let _ = refresh(&app, &other.refresh).await.expect(200);
    for caller in [&alice, &bob] {
        let _ = caller.get(PROJECTS).await.expect(200);
    }
}

#[tokio::test]
async fn any_ancestor_that_was_used_before_ends_the_session() {
    let (app, _alice, _bob) = TestApp::two_tenants().await;
    let first = sign_in(&app, "alice@acme.example").await;
    let second = Session::of(&app, &refresh(&app, &first.refresh).await.expect(200));
    age_used_tokens(&app, "1 day");
    let third = Session::of(&app, &refresh(&app, &second.refresh).await.expect(200));
    let answer = refresh(&app, &first.refresh).await;
    answer.problem(401, "session_revoked");
    third.assert_ended(&app).await;
}

#[tokio::test]
async fn what_is_no_refresh_token_or_none_any_more_is_invalid() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let session = sign_in(&app, "alice@acme.example").await;
    let unknown = format!("rt_{}", "A".repeat(43));
    let reference = refresh(&app, &unknown).await;
    reference.problem(401, "invalid_token");
    for token in [
        "",
        "rt_",
        "nonsense",
        alice.token(),
        &session.refresh.to_uppercase(),
        &format!(" {}", session.refresh),
        &format!("{}A", session.refresh),
        &"x".repeat(10_000),
    ] {
        let answer = refresh(&app, token).await;
        assert_eq!(answer.essence(), reference.essence(), "{token:.60}");
    }
    let expire = format!(
        "UPDATE refresh_tokens SET expires_at = now() WHERE session_id = '{}'",
        session.id()
    );
    state::change(&app, &expire);
    let answer = refresh(&app, &session.refresh).await;
    assert_eq!(answer.essence(), reference.essence());
    // That a refresh token is old says nothing against the access token.
    let _ = session.caller.get(PROJECTS).await.expect(200);
}

#[tokio::test]
async fn a_body_of_another_shape_is_refused() {
    let app = TestApp::start().await;
    for (body, pointer, code) in [
        (json!({}), "/refresh_token", "missing_field"),
        (
            json!({ "refresh_token": null }),
            "/refresh_token",
            "wrong_type",
        ),
        (
            json!({ "refresh_token": 7 }),
            "/refresh_token",
            "wrong_type",
        ),
        (
            json!({ "refresh_token": "rt_", "x": 1 }),
            "/x",
            "unknown_field",
        ),
        (json!(["rt_"]), "", "wrong_type"),
    ] {
        let answer = app.stranger().post(REFRESH, body).await;
        assert_eq!(answer.refusals(), refusal(pointer, code));
    }
}

#[tokio::test]
async fn a_revoked_session_is_not_refreshed() {
    let (app, _alice, _bob) = TestApp::two_tenants().await;
    let session = sign_in(&app, "alice@acme.example").await;
    state::revoke_sessions(&app, "alice@acme.example");
    session.assert_ended(&app).await;
}

#[tokio::test]
async fn a_refresh_brings_the_new_role() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let _ = alice.colleague("member").await;
    let mut session = sign_in_managed(&app, "member").await;
    for role in ["viewer", "admin"] {
        state::update_member(
            &app,
            "member@acme-corp.example",
            &format!("role = '{role}'"),
        );
        let answer = session.caller.get(PROJECTS).await;
        answer.problem(401, "token_stale");
        let answer = refresh(&app, &session.refresh).await.expect(200);
        assert_eq!(answer.json()["tenant"]["role"], role);
        session = Session::of(&app, &answer);
        let _ = session.caller.get(PROJECTS).await.expect(200);
    }
    let _ = session.caller.create_project("Atlas").await;
}

#[tokio::test]
async fn a_session_whose_tenant_is_closed_to_it_stands_in_none() {
    let (app, _alice, _bob) = TestApp::two_tenants().await;
    let email = "carol@home.example";
    state::set_signup(&app, "acme-corp", "open");
    let _ = register(&app, founder(email, "acme-corp"))
        .await
        .expect(201);
    let member =
        |assignment: &str| format!("UPDATE memberships SET {assignment} WHERE email = '{email}'");
    let tenant = |status: &str| {
        format!(
            "UPDATE tenants SET status = '{status}', erase_after = CASE '{status}' WHEN 'deleting' THEN now() END
             WHERE slug = 'acme-corp'"
        )
    };
    for (close, open) in [
        (member("status = 'suspended'"), member("status = 'active'")),
        (member("removed_at = now()"), member("removed_at = NULL")),
        (tenant("suspended"), tenant("active")),
        (tenant("deleting"), tenant("active")),
    ] {
        let session = sign_in(&app, email).await;
        assert_eq!(session.tenant().as_deref(), Some("acme-corp"));
        state::change(&app, &close);
        let answer = refresh(&app, &session.refresh).await.expect(200);
        assert_eq!(answer.json()["tenant"], Value::Null, "{close}");
        let homeless = Session::of(&app, &answer);
        assert_eq!(homeless.id(), session.id());
        let me = homeless.caller.get(ME).await.expect(200).json();
        assert_eq!(me["tenant"], Value::Null);
        let answer = homeless.caller.get(PROJECTS).await;
        answer.problem(403, "no_tenant");
        // It does not go back by itself.
        state::change(&app, &open);
        let answer = refresh(&app, &homeless.refresh).await.expect(200);
        assert_eq!(answer.json()["tenant"], Value::Null);
        for path in [PROJECTS, ME] {
            session.caller.get(path).await.problem(401, "token_stale");
        }
    }
}

#[tokio::test]
async fn a_refresh_beside_a_logout_never_brings_the_session_back() {
    let (app, _alice, _bob) = TestApp::two_tenants().await;
    let session = sign_in(&app, "alice@acme.example").await;
    let mut tabs = JoinSet::new();
    for tab in 0..16 {
        let (caller, token) = (session.caller.clone(), session.refresh.clone());
        tabs.spawn(async move {
            if tab == 8 {
                return caller
                    .post("/api/v1/auth/logout", json!({}))
                    .await
                    .expect(204);
            }
            caller
                .post(REFRESH, json!({ "refresh_token": token }))
                .await
        });
    }
    for answer in tabs.join_all().await {
        match answer.status() {
            204 => {}
            200 => Session::of(&app, &answer).assert_ended(&app).await,
            _ => drop(answer.problem(401, "session_revoked")),
        }
    }
    session.assert_ended(&app).await;
}

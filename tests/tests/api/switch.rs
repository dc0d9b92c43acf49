//! `POST /auth/switch`: one session, one tenant at a time.

use rowhouse_tests::{Answer, Caller, TestApp};
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::projects::refusal;
use crate::refresh::{
    ME, PROJECTS, Session, age_used_tokens, refresh, sign_in, sign_in_managed, tokens_of,
};
use crate::state;

const SWITCH: &str = "/api/v1/auth/switch";
const ALICE: &str = "alice@acme.example";

async fn switch(caller: &Caller, slug: &str) -> Answer {
    caller.post(SWITCH, json!({ "tenant_slug": slug })).await
}

/// Alice founds Acme and Acme Labs, bob Globex; alice's new session stands in Acme.
async fn at_two_desks() -> (TestApp, Session, Caller) {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let _ = app.register(ALICE, "acme-labs").await;
    let answer = switch(&alice, "acme-corp").await.expect(200);
    let session = Session::of(&app, &answer);
    (app, session, bob)
}

fn tenant_id(app: &TestApp, slug: &str) -> Uuid {
    use diesel::prelude::*;
    use diesel::sql_types::Uuid as SqlUuid;
    let query = format!("(SELECT id FROM tenants WHERE slug = '{slug}')");
    diesel::select(diesel::dsl::sql::<SqlUuid>(&query))
        .get_result(&mut app.database().superuser())
        .unwrap()
}

/// What a refused switch must leave as it was.
async fn assert_still_at_acme(app: &TestApp, session: &Session) {
    let _ = session.caller.get(PROJECTS).await.expect(200);
    assert_eq!(
        session.caller.get(ME).await.expect(200).json()["tenant"]["slug"],
        "acme-corp"
    );
    let unused = format!("{} AND used_at IS NULL", tokens_of(session));
    assert_eq!(state::count(app, &unused), 1);
}

#[tokio::test]
async fn a_switch_moves_the_session_and_leaves_the_tokens_of_the_old_tenant_stale() {
    let (app, at_corp, _bob) = at_two_desks().await;
    let sessions = state::count(&app, "sessions");
    let in_corp = at_corp.caller.create_project("Corp").await.id();
    let by_id = json!({ "tenant_id": tenant_id(&app, "acme-labs") });
    let mut here = at_corp.clone();
    for (body, slug) in [
        (json!({ "tenant_slug": "acme-labs" }), "acme-labs"),
        (json!({ "tenant_slug": "acme-corp" }), "acme-corp"),
        (by_id, "acme-labs"),
    ] {
        let answer = here.caller.post(SWITCH, body).await.expect(200);
        assert_eq!(answer.json()["tenant"]["slug"], slug);
        assert_eq!(answer.json()["tenant"]["role"], "owner");
        let there = Session::of(&app, &answer);
        assert_eq!(there.id(), here.id());
        assert_ne!(there.refresh, here.refresh);
        for path in [PROJECTS, ME] {
            here.caller.get(path).await.problem(401, "token_stale");
        }
        let me = there.caller.get(ME).await.expect(200).json();
        assert_eq!(me, answer.json()["user"]);
        here = there;
    }
    let answer = here.caller.get(&format!("{PROJECTS}/{in_corp}")).await;
    answer.problem(404, "not_found");
    let back = switch(&here.caller, "acme-corp").await.expect(200);
    let back = Session::of(&app, &back);
    let _ = back
        .caller
        .get(&format!("{PROJECTS}/{in_corp}"))
        .await
        .expect(200);
    assert_eq!(state::count(&app, "sessions"), sessions);
}

#[tokio::test]
async fn a_switch_moves_one_session_of_the_account_only() {
    let (app, session, _bob) = at_two_desks().await;
    let other = Session::of(
        &app,
        &switch(&sign_in(&app, ALICE).await.caller, "acme-corp").await,
    );
    let _ = switch(&session.caller, "acme-labs").await.expect(200);
    let _ = other.caller.get(PROJECTS).await.expect(200);
    assert_still_at_acme(&app, &other).await;
}

#[tokio::test]
async fn unknown_and_foreign_tenants_are_refused_alike() {
    let (app, session, _bob) = at_two_desks().await;
    let reference = switch(&session.caller, "no-such-tenant").await;
    reference.problem(403, "not_a_member");
    state::set_tenant_status(&app, "globex-inc", "suspended");
    for body in [
        json!({ "tenant_slug": "globex-inc" }),
        json!({ "tenant_slug": "ACME-LABS" }),
        json!({ "tenant_slug": "" }),
        json!({ "tenant_slug": "' OR true--" }),
        json!({ "tenant_id": tenant_id(&app, "globex-inc") }),
        json!({ "tenant_id": Uuid::now_v7() }),
        json!({ "tenant_id": Uuid::nil() }),
    ] {
        let answer = session.caller.post(SWITCH, body.clone()).await;
        assert_eq!(answer.essence(), reference.essence(), "{body}");
    }
    state::set_tenant_status(&app, "globex-inc", "active");
    let answer = switch(&session.caller, "globex-inc").await;
    assert_eq!(answer.essence(), reference.essence());
    // Nor does one come in where one was a member; another owner stays behind.
    let there = switch(&sign_in(&app, ALICE).await.caller, "acme-labs").await;
    let _ = Session::of(&app, &there).caller.colleague("owner").await;
    for assignment in ["status = 'suspended'", "removed_at = now()"] {
        let labs = tenant_id(&app, "acme-labs");
        state::change(
            &app,
            &format!(
                "UPDATE memberships SET {assignment} WHERE tenant_id = '{labs}' AND email = '{ALICE}'"
            ),
        );
        let answer = switch(&session.caller, "acme-labs").await;
        assert_eq!(answer.essence(), reference.essence(), "{assignment}");
    }
    assert_still_at_acme(&app, &session).await;
}

#[tokio::test]
async fn ones_own_suspended_tenant_says_so() {
    let (app, session, _bob) = at_two_desks().await;
    state::set_tenant_status(&app, "acme-labs", "suspended");
    let answer = switch(&session.caller, "acme-labs").await;
    answer.problem(403, "tenant_suspended");
    assert_still_at_acme(&app, &session).await;
    state::set_tenant_status(&app, "acme-labs", "active");
    let _ = switch(&session.caller, "acme-labs").await.expect(200);
}

#[tokio::test]
async fn who_stands_in_no_tenant_can_switch_to_one() {
    let (app, _session, _bob) = at_two_desks().await;
    let homeless = sign_in(&app, ALICE).await;
    assert_eq!(homeless.tenant(), None);
    let answer = switch(&homeless.caller, "acme-labs").await.expect(200);
    let there = Session::of(&app, &answer);
    assert_eq!(there.tenant().as_deref(), Some("acme-labs"));
    let _ = there.caller.get(PROJECTS).await.expect(200);
    homeless.caller.get(ME).await.problem(401, "token_stale");
}

#[tokio::test]
async fn a_managed_account_can_switch_nowhere_else() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let _ = alice.colleague("admin").await;
    let session = sign_in_managed(&app, "admin").await;
    // Globex has a member of the same address, and takes anybody in.
    state::set_signup(&app, "globex-inc", "open");
    let body = json!({ "email": "admin@acme-corp.example", "full_name": "A", "role": "admin", "password": "correct horse" });
    let _ = bob.post("/api/v1/users", body).await.expect(201);
    let answer = switch(&session.caller, "globex-inc").await;
    answer.problem(403, "not_a_member");
    assert_still_at_acme(&app, &session).await;
    let _ = switch(&session.caller, "acme-corp").await.expect(200);
}

#[tokio::test]
async fn exactly_one_tenant_is_to_be_named() {
    let (app, session, _bob) = at_two_desks().await;
    let id = tenant_id(&app, "acme-labs");
    for (body, pointer, code) in [
        (json!({}), "/tenant_slug", "missing_field"),
        (
            json!({ "tenant_slug": null }),
            "/tenant_slug",
            "missing_field",
        ),
        (
            json!({ "tenant_slug": "acme-labs", "tenant_id": id }),
            "/tenant_id",
            "invalid",
        ),
        (json!({ "tenant_slug": 7 }), "/tenant_slug", "wrong_type"),
        (json!({ "tenant_id": "acme-labs" }), "/tenant_id", "invalid"),
        (json!({ "tenant_id": [id] }), "/tenant_id", "wrong_type"),
        (json!({ "slug": "acme-labs" }), "/slug", "unknown_field"),
    ] {
        let answer = session.caller.post(SWITCH, body.clone()).await;
        assert_eq!(answer.refusals(), refusal(pointer, code), "{body}");
    }
    assert_still_at_acme(&app, &session).await;
}

#[tokio::test]
async fn no_header_or_host_name_keeps_anybody_from_switching() {
    let (app, session, _bob) = at_two_desks().await;
    let mut session = session;
    for (name, value) in [
        ("x-tenant-slug", "acme-labs"),
        ("x-tenant-slug", "globex-inc"),
        ("host", "acme-labs.rowhouse.test"),
        ("x-tenant-id", "nonsense"),
    ] {
        let answer = session.caller.with_header(name, value).get(ME).await;
        answer.problem(403, "tenant_mismatch");
        let contradictory = session
            .caller
            .with_header(name, value)
            .with_header("x-tenant-slug", "something-else");
        for caller in [session.caller.with_header(name, value), contradictory] {
            // A stale token can be used, too.
            let answer = switch(&caller, "acme-labs").await.expect(200);
            assert_eq!(answer.json()["tenant"]["slug"], "acme-labs");
        }
        let answer = switch(&session.caller, "acme-corp").await.expect(200);
        session = Session::of(&app, &answer);
    }
}

#[tokio::test]
async fn the_new_refresh_token_stands_in_the_new_tenant() {
    let (app, session, _bob) = at_two_desks().await;
    let answer = switch(&session.caller, "acme-labs").await.expect(200);
    let mut there = Session::of(&app, &answer);
    for _ in 0..2 {
        let answer = refresh(&app, &there.refresh).await.expect(200);
        assert_eq!(answer.json()["tenant"]["slug"], "acme-labs");
        assert_eq!(Session::of(&app, &answer).id(), session.id());
        there = Session::of(&app, &answer);
    }
}

#[tokio::test]
async fn the_refresh_token_of_before_is_replaced() {
    let (app, session, _bob) = at_two_desks().await;
    let answer = switch(&session.caller, "acme-labs").await.expect(200);
    let there = Session::of(&app, &answer);
    // Another tab that did not know yet: it gets nothing, and breaks nothing.
    let answer = refresh(&app, &session.refresh).await;
    answer.problem(401, "invalid_token");
    there.assert_lives().await;
    // Later it is what any token used before is.
    age_used_tokens(&app, "11 seconds");
    let answer = refresh(&app, &session.refresh).await;
    answer.problem(401, "session_revoked");
    there.assert_ended(&app).await;
}

#[tokio::test]
async fn who_has_no_live_session_cannot_switch() {
    let (app, session, _bob) = at_two_desks().await;
    let body = json!({ "tenant_slug": "acme-labs" });
    let answer = app.stranger().post(SWITCH, body.clone()).await;
    answer.problem(401, "missing_token");
    let answer = app
        .stranger()
        .with_token("nonsense")
        .post(SWITCH, body)
        .await;
    answer.problem(401, "invalid_token");
    state::revoke_sessions(&app, ALICE);
    for slug in ["acme-labs", "acme-corp", "no-such-tenant"] {
        let answer = switch(&session.caller, slug).await;
        answer.problem(401, "session_revoked");
    }
}

#[tokio::test]
async fn sixteen_switches_at_once_leave_the_session_in_one_place_with_one_refresh_token() {
    let (app, session, _bob) = at_two_desks().await;
    let mut tabs = JoinSet::new();
    for tab in 0..16 {
        let caller = session.caller.clone();
        let slug = ["acme-corp", "acme-labs"][tab % 2];
        tabs.spawn(async move { switch(&caller, slug).await });
    }
    let standing = format!("sessions WHERE id = '{}' AND tenant_id", session.id());
    let answers = tabs.join_all().await;
    let in_labs = format!("{standing} = '{}'", tenant_id(&app, "acme-labs"));
    let expected = if state::count(&app, &in_labs) == 1 {
        "acme-labs"
    } else {
        "acme-corp"
    };
    for answer in answers {
        let there = Session::of(&app, &answer.expect(200));
        assert_eq!(there.id(), session.id());
        let projects = there.caller.get(PROJECTS).await;
        if there.tenant().as_deref() == Some(expected) {
            let _ = projects.expect(200);
        } else {
            projects.problem(401, "token_stale");
        }
    }
    let unused = format!("{} AND used_at IS NULL", tokens_of(&session));
    assert_eq!(state::count(&app, &unused), 1);
}

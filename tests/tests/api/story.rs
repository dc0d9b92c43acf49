//! The life of a company, from its first day to its founder's last, told as it happens:
//! `cargo nextest run --workspace -E 'test(the_life_of_a_company)' --no-capture`.

use rowhouse_tests::{Caller, TestApp};
use serde_json::{Value, json};

use crate::refresh::{Session, refresh};

const PROJECTS: &str = "/api/v1/projects";
const PASSWORD: &str = "securepass123";

/// One sentence of the story.
#[expect(clippy::print_stdout, reason = "the story is to be read")]
fn tell(sentence: &str) {
    println!("  {sentence}");
}

/// The company hears of somebody: an invitation goes out, a mail comes in, a seat is taken.
async fn joins(app: &TestApp, admin: &Caller, name: &str, role: &str) -> Session {
    let email = format!("{}@home.example", name.to_lowercase());
    let body = json!({ "email": email, "role": role, "full_name": name });
    drop(admin.post("/api/v1/invitations", body).await.expect(201));
    let link = app.mail_to(&email, 1).await.token();
    let body = json!({ "token": link, "password": PASSWORD, "full_name": name });
    let accepted = app
        .stranger()
        .post("/api/v1/invitations/accept", body)
        .await;
    let session = Session::of(app, &accepted.expect(200));
    let again = json!({ "token": link, "password": PASSWORD });
    let late = app
        .stranger()
        .post("/api/v1/invitations/accept", again)
        .await;
    late.problem(401, "invalid_token");
    tell(&format!(
        "{name} is invited as {role}, follows the link in the mail, and is in. The link is good for nobody else."
    ));
    session
}

/// The path of whoever this is, as a member.
async fn place(caller: &Caller) -> String {
    let me = caller.get("/api/v1/users/me").await.expect(200).json();
    let id = me["tenant"]["membership_id"].as_str().unwrap();
    format!("/api/v1/users/{id}")
}

/// The next tokens of a session, which say what its holder is today.
async fn refreshed(app: &TestApp, session: &Session) -> Session {
    Session::of(app, &refresh(app, &session.refresh).await.expect(200))
}

async fn role_of(caller: &Caller) -> Value {
    let me = caller.get("/api/v1/users/me").await.expect(200).json();
    me["tenant"]["role"].clone()
}

#[tokio::test]
async fn the_life_of_a_company() {
    let app = TestApp::start_with_mails().await;
    let rival = app.register("bob@globex.example", "globex-inc").await;
    tell("Ada registers and founds Acme. She is its owner.");
    let body = json!({
        "email": "ada@acme.example", "password": PASSWORD, "full_name": "Ada",
        "tenant_slug": "acme", "tenant_name": "Acme",
    });
    let founded = app.stranger().post("/api/v1/auth/register", body).await;
    let ada = Session::of(&app, &founded.expect(201));
    assert_eq!(role_of(&ada.caller).await, "owner");
    let link = app.mail_to("ada@acme.example", 1).await.token();
    let verify = app
        .stranger()
        .post("/api/v1/auth/verify-email", json!({ "token": link }))
        .await;
    drop(verify.expect(204));
    tell("A mail asks whether the address is hers; she follows its link, and it is.");

    let ben = joins(&app, &ada.caller, "Ben", "admin").await;
    let cleo = joins(&app, &ada.caller, "Cleo", "member").await;
    let dan = joins(&app, &ben.caller, "Dan", "viewer").await;

    let rocket = cleo.caller.create_project("Rocket").await.id();
    let rocket = format!("{PROJECTS}/{rocket}");
    drop(dan.caller.get(&rocket).await.expect(200));
    let refused = dan.caller.patch(&rocket, json!({ "name": "Dan's" })).await;
    drop(refused.problem(403, "forbidden"));
    tell("Cleo begins the project Rocket. Dan reads it, and may not change it.");
    drop(rival.get(&rocket).await.problem(404, "not_found"));
    tell("For Globex, next door, there is no such project.");

    let dans = place(&dan.caller).await;
    let promoted = ben.caller.patch(&dans, json!({ "role": "member" })).await;
    drop(promoted.expect(200));
    let told = dan.caller.get(PROJECTS).await;
    drop(told.problem(401, "token_stale"));
    let dan = refreshed(&app, &dan).await;
    drop(dan.caller.create_project("Launch pad").await);
    tell(
        "Ben promotes Dan to member. Dan is told that his token is out of date, refreshes it, and begins Launch pad.",
    );

    let before = cleo.clone();
    let cleo = refreshed(&app, &before).await;
    cleo.assert_lives().await;
    crate::state::change(
        &app,
        "UPDATE refresh_tokens SET used_at = used_at - interval '11 seconds' WHERE used_at IS NOT NULL",
    );
    let thief = refresh(&app, &before.refresh).await;
    drop(thief.problem(401, "session_revoked"));
    cleo.assert_ended(&app).await;
    tell(
        "Cleo's tokens rotate. Somebody presents the old one once more: that session ends, for the thief and for Cleo.",
    );
    let login = json!({ "email": "cleo@home.example", "password": PASSWORD });
    let cleo = app.stranger().login(login).await;
    tell("Cleo signs in again, as nobody else can.");

    let up = ben
        .caller
        .patch(&place(&cleo).await, json!({ "role": "owner" }))
        .await;
    drop(up.problem(403, "forbidden"));
    tell("Ben, an admin, cannot make anybody an owner.");
    let down = ada
        .caller
        .patch(&place(&ben.caller).await, json!({ "role": "viewer" }))
        .await;
    drop(down.expect(200));
    let ben = refreshed(&app, &ben).await;
    let refused = ben.caller.post(
        "/api/v1/invitations",
        json!({ "email": "eve@home.example", "role": "viewer" }),
    );
    drop(refused.await.problem(403, "forbidden"));
    tell("Ada demotes Ben to viewer. From then on he invites nobody.");

    drop(ada.caller.delete(&dans).await.expect(204));
    let out = dan.caller.get(PROJECTS).await;
    drop(out.problem(403, "not_a_member"));
    let list = ada.caller.get(PROJECTS).await.expect(200).json();
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
    tell("Ada removes Dan. With his next click he is out; Launch pad, which he began, stays.");

    let gone = ada.caller.delete("/api/v1/users/me").await;
    drop(gone.problem(409, "last_owner"));
    tell("Ada wants to delete her account, and cannot: a company keeps an owner.");
    let cleos = place(&cleo).await;
    let id = cleos.rsplit('/').next().unwrap();
    let body = json!({ "user_id": id });
    let handed = ada
        .caller
        .post("/api/v1/tenant/transfer-ownership", body)
        .await;
    drop(handed.expect(200));
    let ada = refreshed(&app, &ada).await;
    assert_eq!(role_of(&ada.caller).await, "admin");
    drop(ada.caller.delete("/api/v1/users/me").await.expect(204));
    let login = json!({ "email": "ada@acme.example", "password": PASSWORD });
    let late = app.stranger().post("/api/v1/auth/login", login).await;
    drop(late.problem(401, "invalid_credentials"));
    tell("She hands Acme over to Cleo and deletes her account. Nobody signs in with it any more.");

    let login = json!({ "email": "cleo@home.example", "password": PASSWORD });
    let cleo = app.stranger().login(login).await;
    assert_eq!(role_of(&cleo).await, "owner");
    drop(cleo.delete(&rocket).await.expect(204));
    drop(cleo.get(&rocket).await.problem(404, "not_found"));
    drop(
        cleo.post(&format!("{rocket}/restore"), json!({}))
            .await
            .expect(200),
    );
    tell("Cleo deletes Rocket by mistake, and brings it back.");

    let deleted = cleo.delete("/api/v1/tenant").await.expect(202).json();
    assert_eq!(deleted["status"], "deleting");
    let closed = ben.caller.get(PROJECTS).await;
    drop(closed.problem(403, "tenant_deleting"));
    drop(cleo.get(PROJECTS).await.problem(403, "tenant_deleting"));
    let mail = app.mail_to("cleo@home.example", 2).await;
    assert_eq!(mail.subject, "Your company is to be deleted");
    tell(
        "Cleo is tired and deletes Acme. Nobody can work there any more, and a mail tells her so.",
    );
    let restored = cleo.post("/api/v1/tenant/restore", json!({})).await;
    assert_eq!(restored.expect(200).json()["status"], "active");
    drop(ben.caller.get(&rocket).await.expect(200));
    tell("She sleeps over it and brings Acme back, with Rocket and all. Acme goes on.");
}

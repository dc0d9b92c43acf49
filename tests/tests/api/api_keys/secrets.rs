//! What is no key: mistyped, ended, guessed, or another's. Nobody gets in by it, and nobody learns from
//! the answer what was wrong.

use auth::KeySecret;
use rowhouse_tests::TestApp;
use serde_json::{Value, json};

use super::{KEYS, PROJECTS, assert_invalid, path};
use crate::state;

/// Makes a key be found by the prefix of a secret that is not its own.
fn give_prefix(app: &TestApp, id: &str, secret: &KeySecret) {
    let prefix = secret.prefix();
    let sql = format!("UPDATE api_keys SET prefix = '{prefix}' WHERE id = '{id}'");
    state::change(app, &sql);
}

#[tokio::test]
async fn bad_keys_are_all_answered_alike() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let (_, good) = alice.create_key(&["projects:read"]).await;
    let (revoked_id, revoked) = alice.create_key(&["projects:read"]).await;
    drop(alice.delete(&path(&revoked_id)).await.expect(204));
    let (expired_id, expired) = alice.create_key(&["projects:read"]).await;
    drop(expired.get(PROJECTS).await.expect(200));
    state::change(
        &app,
        &format!("UPDATE api_keys SET expires_at = now() WHERE id = '{expired_id}'"),
    );
    let (_, theirs) = bob.create_key(&["projects:read"]).await;
    let unknown = KeySecret::generate().reveal();
    let text = good.token();
    let mistyped = format!(
        "{}{}",
        &text[..63],
        if text.ends_with('A') { "B" } else { "A" }
    );
    // The prefix of one key with the secret, and the checksum, of another.
    let mixed = format!("{}{}", &text[..15], &theirs.token()[15..]);
    // Well-formed, with the prefix of a key that stands, and another secret.
    let (guessed_id, _) = alice.create_key(&["projects:read"]).await;
    let guessed = KeySecret::generate();
    give_prefix(&app, &guessed_id, &guessed);
    let reference = app.stranger().with_token(&unknown).get(PROJECTS).await;
    assert_invalid(&reference);
    for bad in [
        revoked.token(),
        expired.token(),
        &guessed.reveal(),
        &mistyped,
        &mixed,
        "rh_",
        "rh_x",
        &text[..63],
        &format!("{text}A"),
        &text.to_uppercase().replace("RH_", "rh_"),
        &format!("rh_{}", "0".repeat(4000)),
    ] {
        let caller = app.stranger().with_token(bad);
        assert_eq!(
            caller.get(PROJECTS).await.essence(),
            reference.essence(),
            "{bad}"
        );
        // Before anything else is looked at, the body among it.
        let answer = caller.post(KEYS, json!({ "nonsense": 1 })).await;
        assert_eq!(answer.essence(), reference.essence(), "{bad}");
        let answer = caller.get("/api/v1/projects?limit=abc").await;
        assert_eq!(answer.essence(), reference.essence(), "{bad}");
        // Nor does an account's route tell more.
        let answer = caller.get("/api/v1/users/me").await;
        assert_eq!(answer.essence(), reference.essence(), "{bad}");
    }
    let twice = good.with_header("authorization", &format!("Bearer {text}"));
    assert_invalid(&twice.get(PROJECTS).await);
    drop(good.get(PROJECTS).await.expect(200));
    drop(theirs.get(PROJECTS).await.expect(200));
}

#[tokio::test]
async fn nobody_takes_the_key_of_another_tenant_by_its_prefix_or_its_id() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let (id, key) = alice.create_key(&["projects:read"]).await;
    let squat = format!(
        "INSERT INTO api_keys (tenant_id, id, name, prefix, hash, role, scopes, created_by)
         SELECT m.tenant_id, '{id}', 'x', '{}', decode(repeat('00', 32), 'hex'), 'viewer', '{{projects:read}}', m.id
         FROM memberships m WHERE m.email = 'bob@globex.example'",
        &key.token()[..15]
    );
    state::change(&app, &squat);
    drop(alice.create_project("Acme").await);
    drop(bob.create_project("Globex").await);
    let listed = key.get(PROJECTS).await.expect(200).json();
    assert_eq!(listed["data"][0]["name"], "Acme");
    drop(bob.delete(&path(&id)).await.expect(204));
    drop(key.get(PROJECTS).await.expect(200));
}

#[tokio::test]
async fn the_last_use_is_noted_once_a_minute() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let (id, key) = alice.create_key(&["projects:read"]).await;
    let last_used = async || alice.get(&path(&id)).await.expect(200).json()["last_used_at"].clone();
    assert_eq!(last_used().await, Value::Null);
    // Whoever knows the prefix alone leaves no trace of a use.
    let guessed = KeySecret::generate();
    let (guessed_id, _) = alice.create_key(&["projects:read"]).await;
    give_prefix(&app, &guessed_id, &guessed);
    let stranger = app.stranger().with_token(guessed.reveal());
    assert_invalid(&stranger.get(PROJECTS).await);
    let used = "api_keys WHERE last_used_at IS NOT NULL";
    assert_eq!(state::count(&app, used), 0);

    drop(key.get(PROJECTS).await.expect(200));
    let first = last_used().await;
    assert_ne!(first, Value::Null);
    for _ in 0..5 {
        drop(key.get(PROJECTS).await.expect(200));
    }
    assert_eq!(last_used().await, first);
    for (age, noted_again) in [("50 seconds", false), ("61 seconds", true)] {
        let aged = format!("UPDATE api_keys SET last_used_at = now() - interval '{age}'");
        state::change(&app, &aged);
        let before = last_used().await;
        drop(key.get(PROJECTS).await.expect(200));
        assert_eq!(last_used().await != before, noted_again, "{age}");
    }
}

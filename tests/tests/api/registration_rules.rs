//! What `POST /auth/register` takes for an address, a password, a name and a slug.

use rowhouse_tests::TestApp;
use serde_json::json;

use crate::projects::refusal;
use crate::registration::{founder, person, register};
use crate::state;

#[tokio::test]
async fn every_value_that_breaks_a_rule_is_named_at_once() {
    let app = TestApp::start().await;
    let good = founder("alice@acme.example", "acme-corp");
    for (field, values) in [
        (
            "email",
            vec![
                "",
                "alice",
                "alice@",
                "@acme.example",
                "a b@acme.example",
                "alice@acme",
                "a@b@c.example",
                "<alice@acme.example>",
            ],
        ),
        ("password", vec!["", "short12"]),
        ("full_name", vec!["", " ", "two\nlines", "\u{200b}"]),
        (
            "tenant_slug",
            vec![
                "",
                "ab",
                "Acme",
                "acme corp",
                "-acme",
                "acme-",
                "acme.corp",
                "www",
                "xn--acme",
                "two\nlines",
                "0190163d-8694-739b-aea5-966c26f8ad91",
            ],
        ),
        ("tenant_name", vec!["", " ", "two\nlines"]),
    ] {
        for value in values {
            let mut body = good.clone();
            body[field] = json!(value);
            let answer = register(&app, body).await;
            assert_eq!(
                answer.refusals(),
                refusal(&format!("/{field}"), "invalid"),
                "{value:?}"
            );
        }
    }
    let answer = register(&app, json!({
        "email": "alice", "password": "short", "full_name": "", "tenant_slug": "A", "tenant_name": "",
    })).await;
    let fields = [
        "/email",
        "/password",
        "/full_name",
        "/tenant_slug",
        "/tenant_name",
    ];
    let expected: Vec<_> = fields
        .iter()
        .flat_map(|field| refusal(field, "invalid"))
        .collect();
    assert_eq!(answer.refusals(), expected);
    for secret in ["short", "alice"] {
        assert!(!answer.text().contains(secret), "{}", answer.text());
    }
    for (field, value, code) in [
        ("email", json!(7), "wrong_type"),
        ("password", json!(null), "wrong_type"),
        ("full_name", json!({}), "wrong_type"),
        ("tenant_slug", json!(["acme-corp"]), "wrong_type"),
        ("is_admin", json!(true), "unknown_field"),
        ("role", json!("owner"), "unknown_field"),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let answer = register(&app, body).await;
        assert_eq!(answer.refusals(), refusal(&format!("/{field}"), code));
    }
    for field in ["email", "password", "full_name"] {
        let mut body = good.clone();
        let _ = body.as_object_mut().unwrap().remove(field);
        let answer = register(&app, body).await;
        assert_eq!(
            answer.refusals(),
            refusal(&format!("/{field}"), "missing_field")
        );
    }
    assert_eq!(state::count(&app, "accounts"), 0);
    let _ = register(&app, good).await.expect(201);
}

#[tokio::test]
async fn a_tenant_name_needs_a_slug() {
    let app = TestApp::start().await;
    let mut body = person("alice@acme.example");
    body["tenant_name"] = json!("Acme");
    let answer = register(&app, body).await;
    assert_eq!(answer.refusals(), refusal("/tenant_name", "invalid"));
}

#[tokio::test]
async fn a_password_has_71_bytes_at_most_and_all_of_them_count() {
    let app = TestApp::start().await;
    let long = "nobody guesses this";
    for (number, (password, is_good)) in [
        (format!("{long}{}", "x".repeat(71 - long.len())), true),
        (format!("{long}{}", "x".repeat(72 - long.len())), false),
        (format!("Größe {long}{}", "é".repeat(21)), true),
        (format!("Größe {long}{}", "é".repeat(25)), false),
        ("x".repeat(100_000), false),
        ("pass\0word".to_owned(), false),
        ("pa55 vvord".to_owned(), true),
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("person{number}@acme.example");
        let mut body = person(&email);
        body["password"] = json!(password);
        let answer = register(&app, body).await;
        if !is_good {
            assert_eq!(
                answer.refusals(),
                refusal("/password", "invalid"),
                "{password:.80}"
            );
            continue;
        }
        let _ = answer.expect(201);
        let login = |password: String| {
            let body = json!({ "email": email, "password": password });
            let stranger = app.stranger();
            async move { stranger.post("/api/v1/auth/login", body).await.status() }
        };
        let shorter: String = password
            .chars()
            .take(password.chars().count() - 1)
            .collect();
        assert_eq!(login(shorter).await, 401);
        assert_eq!(login(format!("{password}x")).await, 401);
        assert_eq!(login(password).await, 200);
    }
}

#[tokio::test]
async fn a_password_that_is_guessed_early_is_refused_wherever_one_is_set() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    for password in [
        "password",
        "12345678",
        "qwertyuiop",
        "Password1!",
        "letmein123",
    ] {
        let mut body = person("carol@home.example");
        body["password"] = json!(password);
        let registered = alice.post("/api/v1/auth/register", body.clone()).await;
        body["role"] = json!("viewer");
        let managed = alice.post("/api/v1/users", body).await;
        let body = json!({ "current_password": "securepass123", "new_password": password });
        let changed = alice.post("/api/v1/auth/password/change", body).await;
        for (answer, pointer) in [
            (registered, "/password"),
            (managed, "/password"),
            (changed, "/new_password"),
        ] {
            assert_eq!(answer.refusals(), refusal(pointer, "invalid"), "{password}");
            assert!(answer.text().contains("too easy to guess"));
            assert!(!answer.text().contains(password) || password == "password");
        }
    }
}

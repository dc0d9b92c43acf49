//! `settings` and `branding` of the tenant: merged deep inside, checked, bounded.

use rowhouse_tests::{Answer, Caller, TestApp};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const TENANT: &str = "/api/v1/tenant";

async fn patch(caller: &Caller, body: Value) -> Answer {
    let merge = caller.with_header("content-type", "application/merge-patch+json");
    let body = body.to_string();
    merge.send_bytes(reqwest::Method::PATCH, TENANT, body).await
}

async fn changed(caller: &Caller, body: Value) -> Value {
    let tenant = patch(caller, body).await.expect(200).json();
    assert_eq!(caller.get(TENANT).await.expect(200).json(), tenant);
    tenant
}

#[tokio::test]
async fn settings_and_branding_are_merged_and_what_is_null_goes() {
    let (_app, alice, bob) = TestApp::two_tenants().await;
    let neighbour = bob.get(TENANT).await.expect(200).json();
    let anna = alice.colleague("admin").await;
    let body = json!({
        "settings": { "locale": "en-gb", "timezone": "Europe/Berlin", "week_starts_on": "monday",
            "grid": { "rows": 10, "columns": ["a", "b"], "gone": null } },
        "branding": { "logo_url": "https://CDN.acme.example/logo.png", "primary_color": "#1A2B3C",
            "support_email": "Help@Acme.example" },
    });
    let tenant = changed(&anna, body).await;
    assert_eq!(
        tenant["settings"],
        json!({ "locale": "en-GB", "timezone": "Europe/Berlin", "week_starts_on": "monday",
            "grid": { "rows": 10, "columns": ["a", "b"] } })
    );
    let branding = json!({ "logo_url": "https://cdn.acme.example/logo.png", "primary_color": "#1a2b3c",
        "support_email": "help@acme.example" });
    assert_eq!(tenant["branding"], branding);

    // Members that are not named stay, also inside.
    let body =
        json!({ "settings": { "timezone": null, "grid": { "rows": null, "columns": ["c"] } } });
    let tenant = changed(&anna, body).await;
    let settings =
        json!({ "locale": "en-GB", "week_starts_on": "monday", "grid": { "columns": ["c"] } });
    assert_eq!(
        (&tenant["settings"], &tenant["branding"]),
        (&settings, &branding)
    );
    let body = json!({ "branding": { "logo_url": null, "accent_color": "#ffcc00" }, "settings": { "grid": 7 } });
    let tenant = changed(&anna, body).await;
    assert_eq!(
        tenant["branding"],
        json!({ "primary_color": "#1a2b3c", "support_email": "help@acme.example", "accent_color": "#ffcc00" })
    );
    assert_eq!(tenant["settings"]["grid"], 7);
    for nothing in [json!({}), json!({ "settings": {}, "branding": {} })] {
        let after = changed(&anna, nothing).await;
        assert_eq!(
            (&after["settings"], &after["branding"]),
            (&tenant["settings"], &tenant["branding"])
        );
    }
    for role in ["member", "viewer"] {
        let lower = alice.colleague(role).await;
        let read = lower.get(TENANT).await.expect(200).json();
        assert_eq!(read["settings"], tenant["settings"]);
        let answer = patch(&lower, json!({ "settings": { "x": 1 } })).await;
        answer.problem(403, "forbidden");
    }
    assert_eq!(bob.get(TENANT).await.expect(200).json(), neighbour);
}

#[tokio::test]
async fn each_bad_value_is_named_and_changes_nothing() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let good =
        json!({ "settings": { "locale": "en" }, "branding": { "primary_color": "#000000" } });
    let before = changed(&alice, good).await;
    let nested = (0..8).fold(json!(1), |inner, _| json!({ "a": inner }));
    for (body, pointer, code) in [
        (json!({ "settings": null }), "/settings", "wrong_type"),
        (json!({ "settings": [] }), "/settings", "wrong_type"),
        (
            json!({ "settings": { "locale": 7 } }),
            "/settings/locale",
            "wrong_type",
        ),
        (
            json!({ "settings": { "locale": "english" } }),
            "/settings/locale",
            "invalid",
        ),
        (
            json!({ "settings": { "timezone": "Europe/Atlantis" } }),
            "/settings/timezone",
            "invalid",
        ),
        (
            json!({ "settings": { "timezone": { "a": 1 } } }),
            "/settings/timezone",
            "wrong_type",
        ),
        (
            json!({ "settings": { "week_starts_on": "someday" } }),
            "/settings/week_starts_on",
            "invalid",
        ),
        (
            json!({ "settings": { "No name": 1 } }),
            "/settings/No name",
            "invalid",
        ),
        (json!({ "settings": { "": 1 } }), "/settings/", "invalid"),
        (
            json!({ "settings": { "a/b": null } }),
            "/settings/a~1b",
            "invalid",
        ),
        (
            json!({ "settings": { "x": nested } }),
            "/settings/x/a/a/a/a/a/a/a",
            "invalid",
        ),
        (
            json!({ "settings": { "x": ["a", "b\u{7}"] } }),
            "/settings/x/1",
            "invalid",
        ),
        (
            json!({ "settings": { "x": { "y": "\0" } } }),
            "/settings/x/y",
            "invalid",
        ),
        (
            json!({ "settings": { "x": "y".repeat(16_384) } }),
            "/settings",
            "invalid",
        ),
        (json!({ "branding": null }), "/branding", "wrong_type"),
        (json!({ "branding": "red" }), "/branding", "wrong_type"),
        (
            json!({ "branding": { "font": "Comic Sans" } }),
            "/branding/font",
            "unknown_field",
        ),
        (
            json!({ "branding": { "logo_url": 7 } }),
            "/branding/logo_url",
            "wrong_type",
        ),
        (
            json!({ "branding": { "logo_url": "http://acme.example/" } }),
            "/branding/logo_url",
            "invalid",
        ),
        (
            json!({ "branding": { "icon_url": "javascript:alert(1)" } }),
            "/branding/icon_url",
            "invalid",
        ),
        (
            json!({ "branding": { "support_url": "https://user:secret@acme.example/" } }),
            "/branding/support_url",
            "invalid",
        ),
        (
            json!({ "branding": { "logo_url": format!("https://acme.example/{}", "x".repeat(2048)) } }),
            "/branding/logo_url",
            "invalid",
        ),
        (
            json!({ "branding": { "primary_color": "red" } }),
            "/branding/primary_color",
            "invalid",
        ),
        (
            json!({ "branding": { "accent_color": "#1234567" } }),
            "/branding/accent_color",
            "invalid",
        ),
        (
            json!({ "branding": { "support_email": "nobody" } }),
            "/branding/support_email",
            "invalid",
        ),
    ] {
        let answer = patch(&alice, body).await;
        let expected = vec![(pointer.to_owned(), code.to_owned())];
        assert_eq!(answer.refusals(), expected);
    }
    // What is refused by value is refused all at once.
    let body = json!({
        "name": "", "settings": { "locale": "?", "Bad": 1 }, "branding": { "logo_url": "x", "primary_color": "x" },
    });
    let refusals = patch(&alice, body).await.refusals();
    let mut pointers: Vec<_> = refusals
        .iter()
        .map(|(pointer, _)| pointer.as_str())
        .collect();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        [
            "/branding/logo_url",
            "/branding/primary_color",
            "/name",
            "/settings/Bad",
            "/settings/locale"
        ]
    );
    assert_eq!(alice.get(TENANT).await.expect(200).json(), before);
}

#[tokio::test]
async fn settings_are_bounded_as_a_whole_and_what_is_removed_makes_room() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    // {"a":""} has eight bytes.
    let _ = changed(
        &alice,
        json!({ "settings": { "a": "x".repeat(16_384 - 8) } }),
    )
    .await;
    let answer = patch(&alice, json!({ "settings": { "b": 1 } })).await;
    let full = vec![("/settings".to_owned(), "invalid".to_owned())];
    assert_eq!(answer.refusals(), full);
    let tenant = changed(&alice, json!({ "settings": { "a": null, "b": 1 } })).await;
    assert_eq!(tenant["settings"], json!({ "b": 1 }));
}

#[tokio::test]
async fn of_many_who_set_something_else_at_once_nobody_loses() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let mut calls = JoinSet::new();
    for number in 0..16 {
        let alice = alice.clone();
        let body = json!({ "settings": { format!("s{number}"): { "by": number } } });
        calls.spawn(async move { alice.patch(TENANT, body).await });
    }
    for answer in calls.join_all().await {
        let _ = answer.expect(200);
    }
    let tenant = alice.get(TENANT).await.expect(200).json();
    let settings = tenant["settings"].as_object().unwrap();
    assert_eq!(settings.len(), 16);
    assert_eq!(settings["s7"], json!({ "by": 7 }));
}

//! `q`: projects by how their names begin.

use rowhouse_tests::{Answer, Caller, TestApp};
use serde_json::{Value, json};

use crate::projects::{path, refusal};

const PROJECTS: &str = "/api/v1/projects";

/// Every byte but the harmless ones as `%xx`.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn names(page: &Answer) -> Vec<String> {
    let data = page.json()["data"].as_array().unwrap().clone();
    let names = data.iter().map(|project| project["name"].as_str().unwrap());
    names.map(ToOwned::to_owned).collect()
}

async fn found(caller: &Caller, q: &str) -> Vec<String> {
    let path = format!("{PROJECTS}?sort=name&limit=100&q={}", encoded(q));
    names(&caller.get(&path).await.expect(200))
}

async fn create_all(caller: &Caller, names: &[&str]) {
    for name in names {
        let _ = caller.create_project(name).await;
    }
}

#[tokio::test]
async fn a_prefix_is_literal_and_regardless_of_case() {
    let (_app, alice, bob) = TestApp::two_tenants().await;
    let all = [
        "Atlas",
        "atlas two",
        "ATLANTIS",
        "Borealis",
        "My Atlas",
        "100% sure",
        "1000",
        "_x",
        "axx",
        "a\\b",
        "a'b",
    ];
    create_all(&alice, &all).await;
    create_all(&bob, &["Atlas of Globex", "100% Globex"]).await;
    for (q, expected) in [
        ("atl", &["ATLANTIS", "Atlas", "atlas two"][..]),
        ("ATLAS", &["Atlas", "atlas two"]),
        ("Atlas ", &["atlas two"]),
        (" atlas", &[]),
        ("100%", &["100% sure"]),
        ("100", &["100% sure", "1000"]),
        ("%", &[]),
        ("_", &["_x"]),
        ("a_", &[]),
        ("a%", &[]),
        ("a\\", &["a\\b"]),
        ("a'", &["a'b"]),
        ("' OR true --", &[]),
        ("*", &[]),
        (".*", &[]),
        ("borealis and more", &[]),
    ] {
        assert_eq!(found(&alice, q).await, expected, "{q:?}");
    }
    // Nothing to look for is everything.
    assert_eq!(found(&alice, "").await.len(), all.len());
}

#[tokio::test]
async fn a_prefix_is_compared_as_unicode_means_it() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    create_all(
        &alice,
        &[
            "Ärger",
            "Éclair",
            "株式会社",
            "ＦＵＬＬ",
            "ﬁle",
            "🏘️ row",
            "Ωmega",
        ],
    )
    .await;
    for (q, expected) in [
        ("äR", &["Ärger"][..]),
        ("A\u{308}r", &["Ärger"]),
        ("e\u{301}c", &["Éclair"]),
        ("ec", &[]),
        ("株式", &["株式会社"]),
        ("full", &["ＦＵＬＬ"]),
        ("fi", &["ﬁle"]),
        ("🏘️", &["🏘️ row"]),
        ("\u{2126}m", &["Ωmega"]),
        ("\u{10ffff}", &[]),
    ] {
        assert_eq!(found(&alice, q).await, expected, "{q:?}");
    }
    // The last of all characters is one like any other.
    let _ = alice.create_project("Z\u{10ffff}\u{10ffff}z").await;
    assert_eq!(found(&alice, "z").await, ["Z\u{10ffff}\u{10ffff}z"]);
    assert_eq!(
        found(&alice, "z\u{10ffff}").await,
        ["Z\u{10ffff}\u{10ffff}z"]
    );
}

#[tokio::test]
async fn a_prefix_goes_with_the_other_filters_and_its_cursor_with_it() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    for number in 0..5 {
        for status in ["active", "archived"] {
            let body = json!({ "name": format!("Atlas {number} {status}"), "status": status });
            let _ = alice.post(PROJECTS, body).await.expect(201);
        }
        let _ = alice.create_project(&format!("Borealis {number}")).await;
    }
    let gone = alice.create_project("Atlas gone").await.id();
    let _ = alice.delete(&path(&gone)).await.expect(204);
    let deleted = alice.get(&format!("{PROJECTS}?deleted=true&q=atlas")).await;
    assert_eq!(names(&deleted), ["Atlas gone"]);

    let query = format!("{PROJECTS}?q=ATLAS&status=archived&limit=2");
    let (mut seen, mut next) = (Vec::new(), Some(query.clone()));
    let mut cursor = Value::Null;
    while let Some(path) = next {
        let page = alice.get(&path).await.expect(200);
        seen.extend(names(&page));
        let link = page.header("link").strip_prefix('<');
        next = link
            .and_then(|link| link.strip_suffix(">; rel=\"next\""))
            .map(ToOwned::to_owned);
        if next.is_some() {
            cursor = page.json()["next_cursor"].clone();
        }
    }
    assert_eq!(
        seen,
        [4, 3, 2, 1, 0].map(|number| format!("Atlas {number} archived"))
    );
    let cursor = cursor.as_str().unwrap();
    for other in [
        "q=atlas&status=archived",
        "q=ATLAS",
        "status=archived",
        "q=ATLAS&status=archived&sort=name",
    ] {
        let answer = alice
            .get(&format!("{PROJECTS}?{other}&cursor={cursor}"))
            .await;
        assert_eq!(answer.refusals(), refusal("/cursor", "invalid"), "{other}");
    }
    let _ = alice
        .get(&format!("{query}&cursor={cursor}"))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_prefix_that_no_name_can_have_is_refused() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let long = "x".repeat(201);
    for (q, code) in [
        (long.as_str(), "invalid"),
        ("a%0Ab", "invalid"),
        ("%00", "invalid"),
        ("%ff", "invalid"),
        ("%1b", "invalid"),
    ] {
        let answer = alice.get(&format!("{PROJECTS}?q={q}")).await;
        assert_eq!(answer.refusals(), refusal("/q", code), "{q:.20}");
    }
    let twice = alice.get(&format!("{PROJECTS}?q=a&q=b")).await;
    assert_eq!(twice.refusals(), refusal("/q", "duplicate"));
    let longest = format!("{PROJECTS}?q={}", encoded(&"🏠".repeat(200)));
    assert_eq!(
        names(&alice.get(&longest).await.expect(200)),
        Vec::<String>::new()
    );
}

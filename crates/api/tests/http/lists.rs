//! Lists, page by page.

use crate::app::{Answer, NUMBERS, TestApp, member, send};
use auth::UserPrincipal;
use domain::Role;
use serde_json::json;

async fn get(app: &TestApp, caller: &UserPrincipal, path: &str) -> Answer {
    send(app.request("GET", path).bearer_auth(app.token(caller))).await
}

fn numbers(answer: &Answer) -> Vec<u64> {
    let body = answer.json();
    let data = body["data"].as_array().unwrap();
    data.iter().map(|n| n["number"].as_u64().unwrap()).collect()
}

/// The path of `Link: <path>; rel="next"`.
fn next(answer: &Answer) -> Option<String> {
    let link = answer.header("link")?;
    let (path, rel) = link.strip_prefix('<').unwrap().split_once('>').unwrap();
    assert_eq!(rel, "; rel=\"next\"");
    Some(path.to_owned())
}

#[actix_web::test]
async fn following_the_links_shows_every_row_once() {
    let app = TestApp::start();
    let alice = member(Role::Viewer);
    for (query, page_size, expected) in [
        ("", 20, (1..=u64::from(NUMBERS)).collect::<Vec<_>>()),
        ("?limit=45", 45, (1..=45).collect()),
        ("?limit=1", 1, (1..=45).collect()),
        (
            "?even=true&limit=4&min=30",
            4,
            (30..=45).step_by(2).collect(),
        ),
    ] {
        let mut seen = Vec::new();
        let mut path = Some(format!("/numbers{query}"));
        while let Some(here) = path {
            let answer = get(&app, &alice, &here).await;
            assert_eq!(answer.status, 200, "{here}: {}", answer.body);
            seen.extend(numbers(&answer));
            path = next(&answer);
            let cursor = &answer.json()["next_cursor"];
            match &path {
                Some(path) => {
                    assert_eq!(numbers(&answer).len(), page_size);
                    assert!(path.ends_with(&format!("cursor={}", cursor.as_str().unwrap())));
                }
                None => assert!(cursor.is_null()),
            }
        }
        assert_eq!(seen, expected, "{query}");
    }
}

#[actix_web::test]
async fn an_empty_list_is_complete() {
    let app = TestApp::start();
    let answer = get(&app, &member(Role::Viewer), "/numbers?min=100").await;
    assert_eq!(answer.json(), json!({"data": [], "next_cursor": null}));
    assert_eq!(answer.header("link"), None);
}

#[actix_web::test]
async fn a_limit_outside_of_1_to_100_is_422() {
    let app = TestApp::start();
    let alice = member(Role::Viewer);
    for limit in ["0", "101", "-1", "abc", "", "1e1", "99999999999999999999"] {
        let answer = get(&app, &alice, &format!("/numbers?limit={limit}")).await;
        let refused = answer.refused();
        assert_eq!((&*refused.0, &*refused.1), ("/limit", "invalid"), "{limit}");
        assert_eq!(answer.json()["errors"][0]["parameter"], "limit");
    }
    for limit in ["1", "100"] {
        let answer = get(&app, &alice, &format!("/numbers?limit={limit}")).await;
        assert_eq!(answer.status, 200);
    }
}

#[actix_web::test]
async fn filters_and_page_share_one_set_of_known_parameters() {
    let app = TestApp::start();
    let alice = member(Role::Viewer);
    for (query, pointer, code) in [
        ("limit=5&max=1", "/max", "unknown_field"),
        ("limit=5&limit=6", "/limit", "duplicate"),
        ("min=x", "/min", "invalid"),
    ] {
        let answer = get(&app, &alice, &format!("/numbers?{query}")).await;
        let refused = answer.refused();
        assert_eq!((&*refused.0, &*refused.1), (pointer, code), "{query}");
    }
}

#[actix_web::test]
async fn a_cursor_is_bound_to_tenant_and_filters_but_not_to_the_limit() {
    let app = TestApp::start();
    let alice = member(Role::Viewer);
    let first = get(&app, &alice, "/numbers?limit=5&min=3&even=true").await;
    let cursor = first.json()["next_cursor"].as_str().unwrap().to_owned();

    let same = format!("/numbers?even=true&cursor={cursor}&min=3&limit=7");
    assert_eq!(numbers(&get(&app, &alice, &same).await)[0], 14);

    let bob = member(Role::Viewer);
    let other_filter = format!("/numbers?min=4&even=true&cursor={cursor}");
    let no_filter = format!("/numbers?cursor={cursor}");
    let cut = format!("/numbers?even=true&min=3&cursor={}", &cursor[1..]);
    let nonsense = "/numbers?even=true&min=3&cursor=abc".to_owned();
    let empty = "/numbers?even=true&min=3&cursor=".to_owned();
    for (caller, path) in [
        (&bob, &same),
        (&alice, &other_filter),
        (&alice, &no_filter),
        (&alice, &cut),
        (&alice, &nonsense),
        (&alice, &empty),
    ] {
        let answer = get(&app, caller, path).await;
        let refused = answer.refused();
        assert_eq!((&*refused.0, &*refused.1), ("/cursor", "invalid"), "{path}");
        assert_eq!(answer.json()["errors"][0]["parameter"], "cursor");
    }
}

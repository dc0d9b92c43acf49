//! Query strings.

use crate::app::TestApp;
use serde_json::json;

#[actix_web::test]
async fn parameters_are_decoded_and_parsed() {
    let app = TestApp::start();
    let answer = app
        .get("/queries?status=admin&count=7&deleted=true&q=a%20b+c%26%C3%BC")
        .await;
    let expected = json!({"status": "admin", "count": 7, "deleted": true, "q": "a b c&ü"});
    assert_eq!(answer.json(), expected);
    let nothing = json!({"status": null, "count": null, "deleted": null, "q": null});
    assert_eq!(app.get("/queries").await.json(), nothing);
    assert_eq!(app.get("/queries?").await.json(), nothing);
}

#[actix_web::test]
async fn a_bad_parameter_is_422_by_its_name() {
    let app = TestApp::start();
    for (query, name, code) in [
        ("x=1", "x", "unknown_field"),
        ("q=a&limt=7", "limt", "unknown_field"),
        ("=", "", "unknown_field"),
        ("count=abc", "count", "invalid"),
        ("count=", "count", "invalid"),
        ("count=256", "count", "invalid"),
        ("deleted=1", "deleted", "invalid"),
        ("status=boss", "status", "invalid"),
        ("q=a&q=b", "q", "duplicate"),
        ("q=a%00b", "q", "invalid"),
        ("q=%ff", "q", "invalid"),
    ] {
        let answer = app.get(&format!("/queries?{query}")).await;
        let refused = answer.refused();
        assert_eq!(refused.0, format!("/{name}"), "{query}");
        assert_eq!(refused.1, code, "{query}");
        assert_eq!(answer.json()["errors"][0]["parameter"], name, "{query}");
    }
}

#[actix_web::test]
async fn a_name_with_a_slash_is_escaped_in_the_pointer_only() {
    let answer = TestApp::start().get("/queries?a%2Fb=1").await;
    let error = &answer.problem(422, "validation_failed")["errors"][0];
    assert_eq!(error["pointer"], "/a~1b");
    assert_eq!(error["parameter"], "a/b");
}

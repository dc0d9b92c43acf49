//! ETags and conditions over HTTP; the rules of comparison are tested beside the code.

use crate::app::{THING, TestApp, send};

#[actix_web::test]
async fn a_known_version_is_304_with_its_etag_and_no_body() {
    let app = TestApp::start();
    let path = format!("/things/{THING}");
    let first = app.get(&path).await;
    let etag = first.header("etag").unwrap();
    assert!(etag.starts_with('"') && etag.ends_with("-3\""), "{etag}");

    let again = send(app.request("GET", &path).header("if-none-match", etag)).await;
    assert_eq!((again.status, &*again.body), (304, ""));
    assert_eq!(again.header("etag"), Some(etag));
    assert_eq!(again.header("cache-control"), first.header("cache-control"));
}

#[actix_web::test]
async fn a_write_on_a_stale_version_is_412() {
    let app = TestApp::start();
    let path = format!("/things/{THING}");
    let etag = app.get(&path).await.header("etag").unwrap().to_owned();
    let delete = async |if_match: &str| {
        send(app.request("DELETE", &path).header("if-match", if_match)).await
    };
    delete("\"stale\"")
        .await
        .problem(412, "precondition_failed");
    delete(&format!("W/{etag}"))
        .await
        .problem(412, "precondition_failed");
    assert_eq!(delete(&format!("\"stale\", {etag}")).await.status, 204);
    assert_eq!(delete("*").await.status, 204);
    assert_eq!(send(app.request("DELETE", &path)).await.status, 204);
}

#[actix_web::test]
async fn a_read_on_a_stale_version_is_412_too() {
    let app = TestApp::start();
    let request = app.request("GET", &format!("/things/{THING}"));
    let answer = send(request.header("if-match", "\"stale\"")).await;
    answer.problem(412, "precondition_failed");
}

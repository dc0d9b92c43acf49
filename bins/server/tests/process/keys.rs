//! The settings of the keys, as an administrator rotates them.

use std::fs;

use reqwest::Method;
use serde_json::json;

use crate::servers::{Home, Server};

const ME: &str = "/api/v1/users/me";
const JWKS: &str = "/.well-known/jwks.json";
const OLD: &str = "0d4c1c9a6a1f0b8f6f2d7a5f1c0b6e3f0d4c1c9a6a1f0b8f6f2d7a5f1c0b6e3f";
const NEW: &str = "6a1f0b8f6f2d7a5f1c0b6e3f0d4c1c9a6a1f0b8f6f2d7a5f1c0b6e3f0d4c1c9a";
const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIH0lFrZ6xm9k8gfDjE7ZYSsiZBOSbxh11k51GL/KWl75\n-----END PRIVATE KEY-----\n";

#[tokio::test]
async fn a_secret_key_is_rotated_by_the_settings() {
    let home = Home::new();
    let before = Server::start(home.command().env("SECRET_KEY", OLD));
    let during = Server::start(
        home.command()
            .env("SECRET_KEY", NEW)
            .env("ROWHOUSE__AUTH__PREVIOUS_SECRET_KEYS", OLD),
    );
    let after = Server::start(home.command().env("SECRET_KEY", NEW));
    let old = before.client().demo("owner@dunder-mifflin.example").await;
    let new = during.client().demo("owner@dunder-mifflin.example").await;
    for (client, server, status) in [
        (&old, &during, 200),
        (&old, &after, 401),
        (&new, &after, 200),
        (&new, &before, 401),
    ] {
        let client = client.at(server.address());
        let answer = client.try_send(Method::GET, ME, None).await.unwrap();
        assert_eq!(answer.status, status, "{answer:?}");
    }
}

#[tokio::test]
async fn eddsa_is_a_setting_and_a_file() {
    let home = Home::new();
    let file = home.path().join("signing.pem");
    fs::write(&file, PEM).unwrap();
    let server = Server::start(
        home.command()
            .env("ROWHOUSE__AUTH__ALGORITHM", "EdDSA")
            .env("ROWHOUSE__AUTH__SIGNING_KEYS", &file),
    );
    let owner = server.client().demo("owner@dunder-mifflin.example").await;
    let me = owner.get(ME).await;
    assert_eq!(me["tenant"]["slug"], "dunder-mifflin");
    let published = server.client().get(JWKS).await;
    assert_eq!(published["keys"].as_array().unwrap().len(), 1);
    assert!(!server.log().contains("PRIVATE KEY"));

    let hs256 = home.serve();
    assert_eq!(hs256.client().get(JWKS).await, json!({ "keys": [] }));
    let refused = owner.at(hs256.address());
    let refused = refused.try_send(Method::GET, ME, None).await.unwrap();
    assert_eq!(refused.status, 401);
}

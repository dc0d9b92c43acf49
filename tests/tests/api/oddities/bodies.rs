//! Bodies, and values of fields, that no client means.

use serde_json::{Value, json};

pub(super) fn odd_bodies() -> Vec<Vec<u8>> {
    let deep = |open: &str, close: &str, depth: usize| {
        let body = format!(
            "{{\"name\": {}1{}}}",
            open.repeat(depth),
            close.repeat(depth)
        );
        body.into_bytes()
    };
    let mut bodies: Vec<Vec<u8>> = [
        "",
        " ",
        "null",
        "true",
        "0",
        "-0",
        "[]",
        "{}",
        "\"\"",
        "{",
        "}",
        "[",
        "{]",
        "{\"",
        "{\"name\"",
        "{\"name\":",
        "{\"name\":\"A\"",
        "{\"name\":\"A\",}",
        "{\"name\":\"A\"}}",
        "{\"name\":\"A\"} {\"name\":\"B\"}",
        "{'name':'A'}",
        "{name:1}",
        "nul",
        "NaN",
        "Infinity",
        "\u{feff}{}",
        "<xml/>",
        "a=b&c=d",
        "--boundary\r\n",
        r#"{"name": "\ud800"}"#,
        r#"{"name": "\udc00\ud800"}"#,
        r#"{"name": "\u0000"}"#,
        r#"{"\u0000": 1}"#,
        r#"{"name": "\uZZZZ"}"#,
        r#"{"name": "\x41"}"#,
        r#"{"name": "A", "name": "B"}"#,
        r#"{"email": "a", "email": "b"}"#,
        r#"{"": ""}"#,
        r#"{"__proto__": {}, "constructor": 1}"#,
        r#"{"name": 1e999}"#,
        r#"{"name": -1e-999}"#,
        r#"{"name": 123456789012345678901234567890123456789012345678901234567890}"#,
        r#"{"name": 0.1e1}"#,
        r#"{"name": 01}"#,
        r#"{"name": +1}"#,
        r#"{"name": .5}"#,
        r#"{"unknown`back`tick": 1}"#,
        r#"{"status": {"active": null}}"#,
        r#"{"role": {"owner": []}}"#,
        r#"{"$ref": "file:///etc/passwd"}"#,
    ]
    .into_iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    bodies.extend([
        b"{\"name\": \"\xff\"}".to_vec(),
        b"{\"name\": \"\xed\xa0\x80\"}".to_vec(),
        b"\xff\xfe{\x00}\x00".to_vec(),
        b"{\"name\": \"a\x00b\"}".to_vec(),
        b"\x1f\x8b\x08\x00".to_vec(),
        vec![0; 1000],
        vec![b'['; 200_000],
        deep("[", "]", 100),
        deep("[", "]", 127),
        deep("[", "]", 100_000),
        deep("{\"a\":", "}", 127),
        deep("{\"a\":", "}", 50_000),
        format!("{{\"name\": \"{}\"}}", "\u{1F468}".repeat(200_000)).into_bytes(),
        format!("{{\"name\": {}}}", "9".repeat(500_000)).into_bytes(),
        format!("{{\"{}\": 1}}", "k".repeat(500_000)).into_bytes(),
        format!("{{{}}}", vec!["\"a\": 1"; 50_000].join(",")).into_bytes(),
    ]);
    bodies
}

pub(super) fn odd_values() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(i64::MIN),
        json!([]),
        json!({}),
        json!(""),
        json!(" "),
        json!("\0"),
        json!("a\0b"),
        json!("\u{7f}\u{80}\u{9f}"),
        json!("\u{202e}\u{2066}"),
        json!("\u{fffd}\u{ffff}\u{10ffff}"),
        json!("\u{1e9e}\u{130}\u{fb03}ﷺ"),
        json!("ﷺ".repeat(70)),
        json!("e\u{301}".repeat(200)),
        json!("\u{301}".repeat(200)),
        json!("x".repeat(200)),
        json!("x".repeat(1_000_000)),
        json!("'; DROP TABLE projects; --"),
        json!("\\'; SELECT pg_sleep(10); --"),
        json!("$1$$1$"),
        json!("%s%n{}{{}}${jndi:ldap://x}"),
        json!("a@b.example"),
        json!(format!("{}@b.example", "ä".repeat(32))),
        json!(format!("{}@b.example", "İ".repeat(21))),
        json!("🏠🏠🏠🏠🏠🏠🏠🏠"),
        json!("owner"),
        json!("active"),
        json!("acme-corp"),
        json!("a".repeat(63)),
    ]
}

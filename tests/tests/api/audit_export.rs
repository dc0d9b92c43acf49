//! `/audit/events/export`: the trail as files that other programs read.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use rowhouse_tests::{Answer, Caller, TestApp};
use serde_json::{Value, json};

use crate::audit_events::{EVENTS, events};
use crate::projects::path;
use crate::state;

fn export(query: &str) -> String {
    format!("{EVENTS}/export?{query}")
}

fn lines(answer: &Answer) -> Vec<Value> {
    let lines = answer.text().lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The cells of a CSV, as RFC 4180 says them.
fn cells(text: &str) -> Vec<Vec<String>> {
    let mut rows = vec![vec![String::new()]];
    let mut is_quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let row = rows.last_mut().unwrap();
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => {
                letters.next();
                row.last_mut().unwrap().push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => row.push(String::new()),
            '\r' if !is_quoted => {
                assert_eq!(letters.next(), Some('\n'));
                rows.push(vec![String::new()]);
            }
            other => row.last_mut().unwrap().push(other),
        }
    }
    assert_eq!(rows.pop(), Some(vec![String::new()]));
    rows
}

async fn made(alice: &Caller) {
    let project = alice.create_project("Odd, \"quoted\" and =1+1").await.id();
    drop(
        alice
            .patch(&path(&project), json!({ "description": "é" }))
            .await
            .expect(200),
    );
    drop(alice.delete(&path(&project)).await.expect(204));
}

#[tokio::test]
async fn lines_of_json_are_the_events_of_the_list() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    made(&alice).await;
    for query in [
        "",
        "action=update",
        "object_type=projects",
        "from=2020-01-01T00:00:00Z",
    ] {
        let answer = alice
            .get(&export(&format!("format=jsonl&{query}")))
            .await
            .expect(200);
        assert_eq!(answer.header("content-type"), "application/x-ndjson");
        let disposition = "attachment; filename=\"audit-events.jsonl\"";
        assert_eq!(answer.header("content-disposition"), disposition);
        assert_eq!(lines(&answer), events(&alice, query).await, "{query}");
        assert!(!lines(&answer).is_empty());
    }
    let none = alice.get(&export("format=jsonl&object_type=nothing")).await;
    assert_eq!(none.expect(200).text(), "");
}

#[tokio::test]
async fn cells_of_csv_are_the_events_of_the_list() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let odd = alice.with_header("x-request-id", "-1");
    made(&odd).await;
    let answer = alice.get(&export("format=csv")).await.expect(200);
    assert_eq!(
        answer.header("content-type"),
        "text/csv; charset=utf-8; header=present"
    );
    let rows = cells(answer.text());
    let names = [
        "id",
        "seq",
        "at",
        "actor_kind",
        "actor_id",
        "action",
        "object_type",
        "object_id",
        "changes",
        "request_id",
        "address",
    ];
    assert_eq!(rows[0], names);
    let listed = events(&alice, "").await;
    assert_eq!(rows.len() - 1, listed.len());
    for (row, event) in rows[1..].iter().zip(&listed) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let request_id = match text(&event["request_id"]).as_str() {
            // No formula.
            "-1" => "'-1".to_owned(),
            other => other.to_owned(),
        };
        let expected = [
            text(&event["id"]),
            String::new(),
            text(&event["at"]),
            text(&event["actor"]["kind"]),
            text(&event["actor"]["id"]),
            text(&event["action"]),
            text(&event["object"]["type"]),
            text(&event["object"]["id"]),
            event["changes"].to_string(),
            request_id,
            text(&event["address"]),
        ];
        let changes: Value = serde_json::from_str(&row[8]).unwrap();
        assert_eq!(changes, event["changes"]);
        for (column, (cell, expected)) in row.iter().zip(&expected).enumerate() {
            match column {
                // Microseconds, with or without zeros at their end.
                2 => assert_eq!(
                    cell.parse::<chrono::DateTime<chrono::Utc>>(),
                    expected.parse()
                ),
                8 => {}
                _ => assert_eq!(cell, expected),
            }
        }
    }
    assert!(rows.iter().any(|row| row[9] == "'-1"));
}

#[tokio::test]
async fn an_export_that_is_cut_says_where_the_next_one_begins() {
    let (app, alice, _) = TestApp::two_tenants().await;
    for number in 0..5 {
        drop(alice.create_project(&format!("Project {number}")).await);
    }
    let all = events(&alice, "").await;
    let mut exported = Vec::new();
    let mut next = export("format=jsonl&limit=3");
    loop {
        let answer = alice.get(&next).await.expect(200);
        let page = lines(&answer);
        assert!(page.len() <= 3);
        exported.extend(page);
        // What comes meanwhile is newer.
        drop(alice.create_project("Meanwhile").await);
        let Some(link) = answer.headers().get("link") else {
            break;
        };
        let link = link.to_str().unwrap();
        next = link
            .strip_prefix('<')
            .unwrap()
            .split_once('>')
            .unwrap()
            .0
            .to_owned();
        assert!(link.ends_with(">; rel=\"next\""));
    }
    assert_eq!(exported, all);

    // More than are in memory at once.
    let tenant = crate::rows::principal(&alice).tenant.unwrap().id;
    crate::state::change(
        &app,
        &format!(
            "INSERT INTO roles (tenant_id, id, name, based_on, permissions)
             SELECT '{tenant}', gen_random_uuid(), 'r' || n, 'viewer', '{{}}' FROM generate_series(1, 450) n"
        ),
    );
    let answer = alice
        .get(&export("format=jsonl&object_type=roles"))
        .await
        .expect(200);
    let ids: std::collections::BTreeSet<String> = lines(&answer)
        .iter()
        .map(|event| event["id"].to_string())
        .collect();
    assert_eq!((ids.len(), lines(&answer).len()), (450, 450));
    assert_eq!(
        lines(&answer)[0]["actor"],
        json!({ "kind": "system", "id": null })
    );
}

#[tokio::test]
async fn what_an_export_cannot_be_is_refused_by_name() {
    let (_app, alice, bob) = TestApp::two_tenants().await;
    made(&alice).await;
    for (query, pointer) in [
        ("", "/format"),
        ("format=xml", "/format"),
        ("format=CSV", "/format"),
        ("format=csv&limit=0", "/limit"),
        ("format=csv&limit=10001", "/limit"),
        ("format=csv&from=x", "/from"),
        ("format=csv&cursor=x", "/cursor"),
        ("format=csv&colour=red", "/colour"),
    ] {
        let answer = alice.get(&export(query)).await;
        assert_eq!(answer.refusals()[0].0, pointer, "{query}");
    }
    let answer = bob.get(&export("format=csv")).await.expect(200);
    assert!(!answer.text().contains("Odd"));
    assert!(cells(answer.text()).len() > 1);
}

/// More than the system keeps for a client that takes nothing.
const LARGE_EVENTS: i64 = 200;

async fn large(app: &TestApp, alice: &Caller) {
    let tenant = crate::rows::principal(alice).tenant.unwrap().id;
    state::change(
        app,
        &format!(
            "INSERT INTO tenancy.audit_events (tenant_id, id, at, actor_kind, actor_id, action, object_type, object_id, changes)
             SELECT '{tenant}', gen_random_uuid(), now(), 'system', 'postgres', 'insert', 'large', n,
                 jsonb_build_object('data', jsonb_build_object('before', NULL, 'after', repeat('x', 60000)))
             FROM generate_series(1, {LARGE_EVENTS}) n"
        ),
    );
}

/// Asks for a large export, and takes the first bytes of the answer alone.
fn ask(app: &TestApp, caller: &Caller) -> (TcpStream, Vec<u8>) {
    let mut stream = TcpStream::connect(app.address()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let request = format!(
        "GET {} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\r\n",
        export("format=jsonl&object_type=large"),
        caller.token()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut first = vec![0; 12];
    stream.read_exact(&mut first).unwrap();
    (stream, first)
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_take_nothing_hold_up_their_own_tenant_alone_and_are_cut_off() {
    let app = TestApp::start_with(|state, _| {
        state.settings.send_timeout_seconds = NonZeroU32::new(1).unwrap();
    })
    .await;
    let alice = app.register("alice@home.example", "acme-corp").await;
    let bob = app.register("bob@home.example", "globex").await;
    large(&app, &alice).await;
    let stalled: Vec<_> = (0..4).map(|_| ask(&app, &alice)).collect();
    for (_, first) in &stalled {
        assert_eq!(first, b"HTTP/1.1 200");
    }
    let busy = alice.get(&export("format=csv")).await;
    assert_eq!(busy.header("retry-after"), "10");
    busy.problem(503, "busy");
    drop(bob.get(&export("format=csv")).await.expect(200));
    // They take nothing, and do not go by themselves.
    let deadline = Instant::now() + Duration::from_secs(60);
    let answer = loop {
        let answer = alice.get(&export("format=jsonl&object_type=large")).await;
        if answer.status() == 200 {
            break answer;
        }
        assert!(Instant::now() < deadline, "nobody was cut off");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    // In pieces of a few events each, and all of them, each once.
    let ids: std::collections::BTreeSet<String> = lines(&answer)
        .iter()
        .map(|event| event["object"]["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 200);
    assert_eq!(lines(&answer).len(), 200);
    for (mut stream, _) in stalled {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.len() < 60_000 * 200, "it had got all of it");
    }
}

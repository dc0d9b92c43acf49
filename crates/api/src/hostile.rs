//! Tests only: every parser of what a stranger sends, fed with what is nearly right. The seeds below
//! are changed by chance, the same chance in every run. **A new parser is a row of [`PARSERS`]**: seeds
//! that reach its corners, and a function that calls it and asserts what holds whatever comes.

use actix_web::{
    Responder as _,
    http::header::{HeaderName, HeaderValue},
    test::TestRequest,
};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    strategy::ValueTree as _,
    test_runner::TestRunner,
};
use serde_json::Value;
use std::net::{IpAddr, SocketAddr};
use uuid::Uuid;

use crate::{
    authenticate::bearer_token,
    client_address::{Network, client_address},
    cors::AllowedOrigin,
    cursor::{CursorKey, Scope},
    etag::{ETag, IfMatch, Versioned},
    extract::{self, parse_id},
    host::{HostPattern, host},
    idempotency::key_of,
    request_id::RequestId,
    scheme::is_https,
};

/// How many texts each parser is fed with.
const TEXTS: usize = 2000;

struct Parser {
    name: &'static str,
    seeds: &'static [&'static str],
    check: fn(&[u8]),
}

const PARSERS: &[Parser] = &[
    Parser {
        name: "Authorization",
        seeds: &[
            "Bearer rh_abc",
            "bearer a.b.c",
            "Basic dXNlcg==",
            "Bearer",
            "Bearer  x y",
        ],
        check: authorization,
    },
    Parser {
        name: "If-Match, If-None-Match",
        seeds: &[
            "*",
            "\"a-1\"",
            "W/\"a\"",
            "\"a\", W/\"b\" , \"c\"",
            "\"",
            ",,\"a\"",
            "\"a\\\"b\"",
        ],
        check: conditions,
    },
    Parser {
        name: "Idempotency-Key",
        seeds: &[
            "\"8e03978e\"",
            "8e03978e-40d5",
            "a key",
            "\"",
            "\"a\\\"b\"",
            "",
        ],
        check: idempotency_key,
    },
    Parser {
        name: "Host",
        seeds: &[
            "a.example",
            "a.example:8000",
            "[::1]:8000",
            "[::1",
            "::1",
            "a.example.",
            "*.a.example",
            "a]b[:1",
        ],
        check: hosts,
    },
    Parser {
        name: "X-Forwarded-For",
        seeds: &[
            "1.2.3.4",
            "1.2.3.4, 10.0.0.1",
            "[2001:db8::1]:99",
            "::ffff:1.2.3.4",
            "unknown, _hidden",
            "1.2.3.4:5,,",
        ],
        check: forwarded,
    },
    Parser {
        name: "Origin",
        seeds: &[
            "https://a.example",
            "http://[::1]:3000",
            "null",
            "*",
            "https://a.example:443",
        ],
        check: origin,
    },
    Parser {
        name: "X-Request-Id",
        seeds: &["0198c0de00007000800000000000000a", "a-b_c", "a|b", ""],
        check: request_id,
    },
    Parser {
        name: "query",
        seeds: &[
            "limit=1&cursor=abc",
            "a=%20b+c",
            "a=%ff",
            "%=%",
            "&&=&a",
            "a=1;b=2",
            "%c3%bc=%F0%9F%8F%A0",
        ],
        check: query,
    },
    Parser {
        name: "cursor",
        seeds: &[
            "AAAA",
            "eyJh",
            "0123456789012345678901234567890123456789012",
            "=",
            "-_-_",
        ],
        check: cursor,
    },
    Parser {
        name: "id in a path",
        seeds: &[
            "0198c0de-0000-7000-8000-00000000000a",
            "{0198c0de-0000-7000-8000-00000000000a}",
        ],
        check: id,
    },
    Parser {
        name: "body",
        seeds: &[
            r#"{"a": {"a": [1, {"b": 2, "b": 3}]}}"#,
            r#"{"\u0061": 1e9, "a": "\ud83d\ude00"}"#,
            "{\"a\": [[[[]]]]}",
        ],
        check: body,
    },
];

/// A request with this header; what HTTP itself does not let through is nobody's to parse.
fn request(name: &'static str, value: &[u8]) -> Option<TestRequest> {
    let value = HeaderValue::from_bytes(value).ok()?;
    let peer: SocketAddr = ([10, 0, 0, 1], 9).into();
    let name = HeaderName::from_static(name);
    Some(
        TestRequest::default()
            .peer_addr(peer)
            .insert_header((name, value)),
    )
}

fn authorization(text: &[u8]) {
    let Some(request) = request("authorization", text) else {
        return;
    };
    if let Ok(token) = bearer_token(&request.to_http_request()) {
        assert!(text.ends_with(token.as_bytes()));
        assert!(text.len() >= "bearer".len() + token.len());
    }
}

fn conditions(text: &[u8]) {
    let tag = || ETag::new(Uuid::nil(), 1);
    for name in ["if-match", "if-none-match"] {
        let Some(request) = request(name, text) else {
            return;
        };
        let request = request.to_http_request();
        let status = Versioned::ok(tag(), "view").respond_to(&request).status();
        assert!(matches!(status.as_u16(), 200 | 304 | 400 | 412), "{status}");
        // None of the seeds is the tag: nobody writes over what they have not read.
        let condition = IfMatch::of(&request);
        let may_write = condition.is_ok_and(|condition| condition.check(|| Ok(tag())).is_ok());
        assert_eq!(
            may_write,
            name == "if-none-match" || text.trim_ascii() == b"*"
        );
    }
}

fn idempotency_key(text: &[u8]) {
    let Some(request) = request("idempotency-key", text) else {
        return;
    };
    if let Ok(found) = key_of(&request.to_http_request()) {
        let key = found.unwrap();
        assert!((1..=255).contains(&key.as_str().len()));
        assert!(key.as_str().bytes().all(|b| b.is_ascii_graphic()));
    }
}

fn hosts(text: &[u8]) {
    let pattern: HostPattern = "*.a.example".parse().unwrap();
    if let Some(request) = request("host", text) {
        let request = request.to_http_request();
        if let Some(found) = host(&request) {
            assert!(text.starts_with(found.as_bytes()));
            let name = found
                .strip_suffix('.')
                .unwrap_or(found)
                .to_ascii_lowercase();
            assert!(
                !pattern.matches(found) || name.ends_with(".a.example"),
                "{found}"
            );
        }
    }
    if let Some(parsed) = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
    {
        let parsed: HostPattern = parsed;
        assert!(!parsed.matches("") && !parsed.matches("evil.test"));
    }
}

fn forwarded(text: &[u8]) {
    let Some(request) = request("x-forwarded-for", text) else {
        return;
    };
    let request = request.to_http_request();
    let peer: IpAddr = [10, 0, 0, 1].into();
    assert_eq!(client_address(&request, &[]), peer);
    let proxies: Network = "10.0.0.0/8".parse().unwrap();
    let client = client_address(&request, &[proxies]);
    // Beyond the first that is no proxy's, nothing is believed.
    let words = String::from_utf8_lossy(text);
    let last = words.rsplit(',').next().unwrap_or_default().trim();
    if let Ok(last) = last.parse::<IpAddr>()
        && !proxies.contains(last)
    {
        assert_eq!(client, last.to_canonical());
    }
    assert!(!is_https(&request, &[proxies]));
}

fn origin(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    if text.parse::<AllowedOrigin>().is_ok() && text != "*" {
        let (scheme, host) = text.split_once("://").unwrap();
        assert!(matches!(scheme, "http" | "https"), "{text}");
        assert!(
            !host.is_empty() && !host.contains(['/', '@', '*', '?', '#', ' ']),
            "{text}"
        );
    }
}

fn request_id(text: &[u8]) {
    if let Some(request) = request("x-request-id", text) {
        let id = RequestId::of(&request.to_http_request());
        let is_harmless = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        assert!(id.as_str().bytes().all(is_harmless) && (1..=64).contains(&id.as_str().len()));
    }
}

fn query(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    if let Ok(pairs) = extract::pairs(text) {
        let mut names: Vec<_> = pairs.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), pairs.len());
        assert!(
            pairs
                .iter()
                .all(|(name, value)| !name.contains('\0') && !value.contains('\0'))
        );
    }
}

fn cursor(text: &[u8]) {
    let scope = Scope {
        owner: Uuid::nil(),
        list: String::new(),
        filters: String::new(),
    };
    if let Ok(text) = std::str::from_utf8(text) {
        assert!(
            CursorKey::derive(b"secret")
                .decode::<Value>(&scope, text)
                .is_err()
        );
    }
}

fn id(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    if let Ok(id) = parse_id::<Uuid>(text) {
        assert_eq!(id.to_string(), text.to_ascii_lowercase());
    }
}

fn body(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let refused = extract::refuse_duplicates(text);
    // What serde_json writes again has every key once.
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        assert!(extract::refuse_duplicates(&value.to_string()).is_ok());
    } else {
        assert!(refused.is_ok());
    }
}

/// A seed with some bytes of it replaced, several times over.
fn nearly(seeds: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop_oneof![
        vec(any::<u8>(), 0..4),
        select(vec![
            ",", ":", ".", "\"", "%", "[", "]", "*", " ", "\0", "ä", "🏠", "/", "=", "&", "{", "}"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        select(seeds.to_vec()).prop_map(|seed| seed.as_bytes().to_vec()),
    ];
    let change = (any::<Index>(), 0..3_usize, bytes);
    (select(seeds.to_vec()), vec(change, 0..4)).prop_map(|(seed, changes)| {
        let mut text = seed.as_bytes().to_vec();
        for (place, cut, put) in changes {
            let start = place.index(text.len() + 1);
            let end = (start + cut).min(text.len());
            text.splice(start..end, put);
        }
        text
    })
}

#[test]
fn no_parser_is_surprised() {
    for parser in PARSERS {
        let mut runner = TestRunner::deterministic();
        let strategy = nearly(parser.seeds);
        let made = (0..TEXTS).map(|_| strategy.new_tree(&mut runner).unwrap().current());
        let seeds = parser.seeds.iter().map(|seed| seed.as_bytes().to_vec());
        for text in seeds.chain(made) {
            let checked = std::panic::catch_unwind(|| (parser.check)(&text));
            assert!(
                checked.is_ok(),
                "{}: {:?}",
                parser.name,
                String::from_utf8_lossy(&text)
            );
        }
    }
}

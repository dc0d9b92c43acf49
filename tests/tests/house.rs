//! Rules of the house that a review would otherwise have to remember.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};
use rowhouse_tests::TestApp;

/// Which of our crates may use which; all else is a new arrow, and ARCHITECTURE.md should say why.
const ARROWS: [(&str, &[&str]); 13] = [
    ("domain", &[]),
    ("settings", &[]),
    ("embedded-postgres", &[]),
    ("rate-limit", &[]),
    ("tenant-db", &[]),
    ("auth", &["domain"]),
    ("store", &["auth", "domain", "tenant-db"]),
    ("jobs", &["auth", "domain", "store", "tenant-db"]),
    (
        "api",
        &["auth", "domain", "jobs", "rate-limit", "store", "tenant-db"],
    ),
    (
        "server",
        &[
            "api",
            "auth",
            "domain",
            "embedded-postgres",
            "jobs",
            "rate-limit",
            "settings",
            "store",
            "tenant-db",
        ],
    ),
    (
        "migrate",
        &[
            "auth",
            "domain",
            "embedded-postgres",
            "settings",
            "store",
            "tenant-db",
        ],
    ),
    (
        "admin",
        &[
            "auth",
            "domain",
            "embedded-postgres",
            "settings",
            "store",
            "tenant-db",
        ],
    ),
    (
        "rowhouse-tests",
        &[
            "api",
            "auth",
            "domain",
            "embedded-postgres",
            "jobs",
            "rate-limit",
            "settings",
            "store",
            "tenant-db",
        ],
    ),
];

/// Who alone may use these packages of others.
const OWNERS: [(&str, &[&str]); 15] = [
    (
        "diesel",
        &["tenant-db", "store", "embedded-postgres", "rowhouse-tests"],
    ),
    ("r2d2", &["tenant-db"]),
    ("lettre", &["jobs"]),
    ("redis", &["rate-limit"]),
    ("governor", &["rate-limit"]),
    ("actix-web", &["api"]),
    ("awc", &["api"]),
    ("actix-rt", &["server", "rowhouse-tests"]),
    ("metrics-exporter-prometheus", &["server"]),
    ("jsonwebtoken", &["auth"]),
    ("bcrypt", &["auth"]),
    ("aws-lc-rs", &["auth"]),
    ("totp-rs", &["auth"]),
    ("zxcvbn", &["auth"]),
    ("config", &["settings"]),
];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .unwrap()
}

/// What each of our packages uses when it is shipped.
fn shipped_dependencies(metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    metadata
        .workspace_packages()
        .iter()
        .map(|package| {
            let used = package
                .dependencies
                .iter()
                .filter(|used| used.kind == DependencyKind::Normal);
            (
                package.name.to_string(),
                used.map(|used| used.name.clone()).collect(),
            )
        })
        .collect()
}

#[test]
fn the_tree_is_the_architecture() {
    let dependencies = shipped_dependencies(&metadata());
    let ours: BTreeSet<&str> = dependencies.keys().map(String::as_str).collect();
    let declared: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        ours, declared,
        "declare the new crate, and its arrows, in ARROWS and in ARCHITECTURE.md"
    );
    for (name, allowed) in ARROWS {
        for used in &dependencies[name] {
            assert!(
                !ours.contains(used.as_str()) || allowed.contains(&used.as_str()),
                "{name} uses {used}: a new arrow. Either find the code its place, or add the arrow to ARROWS and \
                 say in ARCHITECTURE.md why"
            );
        }
    }
}

#[test]
fn packages_with_an_owner_are_used_by_their_owner_alone() {
    for (name, used) in shipped_dependencies(&metadata()) {
        for (package, owners) in OWNERS {
            assert!(
                !used.contains(package) || owners.contains(&name.as_str()),
                "{name} uses {package}, which belongs to {owners:?}: call a function of theirs instead"
            );
        }
    }
}

#[test]
fn sign_in_queries_are_fixed_statements() {
    for file in [
        "accounts.rs",
        "account_mails.rs",
        "account_tokens.rs",
        "directory.rs",
        "directory/tenant.rs",
        "schedule.rs",
        "sessions.rs",
        "refresh_tokens.rs",
        "identity.rs",
        "identity/account.rs",
        "identity/chores.rs",
        "identity/links.rs",
        "identity/queue.rs",
        "identity/key.rs",
        "identity/session.rs",
        "identity/mfa.rs",
        "identity/proof.rs",
        "login_failures.rs",
        "totp_secrets.rs",
        "identity/views.rs",
        "identity/tenant_plan.rs",
        "identity/api_calls.rs",
        "plan_limits.rs",
        "trail_db.rs",
    ] {
        let text = fs::read_to_string(root().join("crates/store/src").join(file)).unwrap();
        for word in ["format!", "concat!", "push_str", "sql::<", "batch_execute"] {
            assert!(
                !text.contains(word),
                "crates/store/src/{file} holds `{word}`: the sign-in queries are fixed statements, every value bound"
            );
        }
        for (number, line) in text.lines().enumerate() {
            let composed = line.contains("sql_query(")
                && !line.contains("sql_query(\"")
                && !line.ends_with("sql_query(");
            assert!(
                !composed,
                "crates/store/src/{file}:{} composes SQL",
                number + 1
            );
        }
    }
}

/// How the store makes what plans limit.
const MAKERS: [&str; 9] = [
    "insert_into(projects::table)",
    "projects::is_deleted.eq(false),",
    "insert_into(roles::table)",
    "insert_into(api_keys::table)",
    "select(create_managed_account(",
    "select(invite(",
    "invitations::expires_at.eq(",
    "directory.join_tenant($1",
    "directory.add_owner($1",
];

#[test]
fn what_plans_limit_is_made_with_a_room_in_hand() {
    let mut made = BTreeSet::new();
    for (path, text) in sources(&["crates/store/src"]) {
        // What the demo has is the same on every plan.
        if path.ends_with("/demo.rs") {
            continue;
        }
        for function in text.split("fn ") {
            for maker in MAKERS {
                if function.contains(maker) {
                    assert!(
                        function.contains("room.take("),
                        "{path} makes something by `{maker}`: take it from a `Room`, so that nobody forgets the plan"
                    );
                    made.insert(maker);
                }
            }
        }
        for table in ["memberships", "invitations"] {
            let insert = format!("insert_into({table}::table)");
            assert!(!text.contains(&insert), "{path}: doors make {table}");
        }
    }
    assert_eq!(made, MAKERS.into(), "MAKERS names what is no more");
}

/// Every word between quotes, or behind an operator, that is the name of one of our metrics.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = text.split(|letter| !is_part(letter));
    let ends = ["_total", "_seconds", "_in_use", "_up"];
    words
        .filter(|word| {
            ["rowhouse_", "tenant_db_", "rate_limit_"]
                .iter()
                .any(|start| word.starts_with(start))
        })
        .filter(|word| ends.iter().any(|end| word.ends_with(end)))
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn alerts_are_on_metrics_that_there_are() {
    let rules = fs::read_to_string(root().join("docker/prometheus/rules.yaml")).unwrap();
    let mut counted = BTreeSet::new();
    for file in [
        "crates/api/src/denial.rs",
        "crates/api/src/rate_limits.rs",
        "crates/jobs/src/sealer.rs",
        "crates/jobs/src/trail.rs",
        "crates/tenant-db/src/meters.rs",
    ] {
        // Only what stands between quotes: a name in a comment counts nothing.
        let text = fs::read_to_string(root().join(file)).unwrap();
        let quoted = text.split('"').skip(1).step_by(2);
        counted.extend(quoted.flat_map(metrics_in));
    }
    let asked = metrics_in(&rules);
    assert!(asked.len() > 5, "{asked:?}");
    let missing: Vec<&String> = asked.difference(&counted).collect();
    assert!(
        missing.is_empty(),
        "nothing counts {missing:?}, on which there are alerts"
    );
}

/// Every Rust file below these folders, with its path.
fn sources(folders: &[&str]) -> Vec<(String, String)> {
    let mut folders: Vec<_> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                sources.push((path.display().to_string(), text));
            }
        }
    }
    sources
}

#[test]
fn every_file_says_what_it_is() {
    for (path, text) in sources(&["crates", "bins", "tests"]) {
        assert!(
            text.starts_with("//!") || text.starts_with("// @generated"),
            "{path} does not open with //!"
        );
    }
}

#[tokio::test]
async fn the_session_in_the_readme_works_as_it_stands() {
    let app = TestApp::start().await;
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let session = readme
        .split_once("<!-- session: begin")
        .and_then(|(_, rest)| rest.split_once("```sh\n"))
        .and_then(|(_, rest)| rest.split_once("```"))
        .map(|(session, _)| session.replace("127.0.0.1:8000", &app.address().to_string()))
        .unwrap_or_else(|| panic!("the README has no session between its markers"));
    let output = tokio::task::spawn_blocking(move || {
        Command::new("bash")
            .args(["-euo", "pipefail", "-c", &session])
            .output()
            .unwrap()
    })
    .await
    .unwrap();
    let (said, complained) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(output.status.success(), "{said}\n{complained}");
    let expected = [
        r#""name":"Atlas","description":"Maps""#,
        r#""code":"not_found""#,
        "}404\n",
        r#""email":"vera@acme.example","full_name":"Vera","role":"viewer""#,
        r#""code":"forbidden""#,
        "}403\n",
    ];
    let mut rest = said.as_str();
    for part in expected {
        rest = rest
            .split_once(part)
            .unwrap_or_else(|| panic!("{part:?} is missing in order in {said}"))
            .1;
    }
}

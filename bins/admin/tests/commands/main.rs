//! `rowhouse-admin` as an administrator types it, beside a server that serves.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod demo;
mod jobs;
mod tenant;

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use rowhouse_tests::TestApp;
use secrecy::ExposeSecret as _;
use serde_json::Value;

/// The command with nothing in its environment but its database.
fn admin(app: &TestApp, arguments: &[&str]) -> Output {
    admin_with(app, &[], arguments)
}

/// The same with these settings.
fn admin_with(app: &TestApp, settings: &[(&str, &str)], arguments: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_rowhouse-admin"))
        .env_clear()
        .env("ROWHOUSE_ENV", "test")
        .env("ROWHOUSE_HOME", home.path())
        .env(
            "ROWHOUSE__DATABASE__OPS_URL",
            app.database().url("rowhouse_ops").expose_secret(),
        )
        .envs(settings.iter().copied())
        .current_dir(home.path())
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn done(app: &TestApp, arguments: &[&str]) -> String {
    let output = admin(app, arguments);
    let errors = text(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    text(&output.stdout)
}

fn done_as_json(app: &TestApp, arguments: &[&str]) -> Value {
    let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
    serde_json::from_str(&done(app, &arguments)).unwrap()
}

#[track_caller]
fn refused(app: &TestApp, code: i32, arguments: &[&str], why: &str) {
    let output = admin(app, arguments);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
    assert!(errors.contains(why), "{arguments:?}: {errors}");
    assert_eq!(text(&output.stdout), "", "{arguments:?}");
}

#[tokio::test]
async fn an_operator_is_somebody_who_has_registered() {
    let app = TestApp::start().await;
    drop(app.register("alice@acme.example", "acme-corp").await);
    for _ in 0..2 {
        let said = done(&app, &["operator", "add", "alice@acme.example"]);
        assert!(said.contains("alice@acme.example"), "{said}");
    }
    let why = "nobody has registered as who@acme.example";
    refused(&app, 1, &["operator", "add", "who@acme.example"], why);
}

#[tokio::test]
async fn what_cannot_be_done_is_said_in_one_line() {
    let app = TestApp::start().await;
    drop(app.register("alice@acme.example", "acme-corp").await);
    for (code, arguments, why) in [
        (
            2,
            &["tenant", "show", "nowhere"][..],
            "there is no tenant nowhere",
        ),
        (
            2,
            &["tenant", "suspend", "nowhere"],
            "there is no tenant nowhere",
        ),
        (
            2,
            &["tenant", "set-tier", "nowhere", "free"],
            "there is no tenant nowhere",
        ),
        (
            2,
            &["tenant", "set-limits", "nowhere"],
            "there is no tenant nowhere",
        ),
        (
            2,
            &["tenant", "set-feature", "nowhere", "api_keys", "on"],
            "there is no tenant nowhere",
        ),
        (
            2,
            &["tenant", "set-feature", "acme-corp", "flying", "on"],
            "flying",
        ),
        (
            2,
            &["tenant", "set-feature", "acme-corp", "api_keys", "maybe"],
            "maybe",
        ),
        (
            2,
            &["tenant", "add-owner", "nowhere", "a@b.example"],
            "there is no tenant nowhere",
        ),
        (2, &["tenant", "show", "A"], "must have 3 to 63 characters"),
        (2, &["tenant", "create", "initech"], "--name"),
        (2, &["tenant", "set-tier", "acme-corp", "gold"], "gold"),
        (
            2,
            &["tenant", "set-limits", "acme-corp", "--burst", "0"],
            "--burst",
        ),
        (2, &["tenant", "dance"], "dance"),
        (
            1,
            &["tenant", "create", "acme-corp", "--name", "Again"],
            "acme-corp is taken",
        ),
    ] {
        refused(&app, code, arguments, why);
    }
    let sql = "UPDATE tenants SET status = 'deleting', erase_after = now() + interval '1 day' WHERE slug = 'acme-corp'";
    app.database().superuser().batch_execute(sql).unwrap();
    let why = "acme-corp is about to be erased";
    refused(&app, 1, &["tenant", "activate", "acme-corp"], why);
}

#[tokio::test]
async fn the_administrator_s_role_sees_no_row_of_anybody() {
    let app = TestApp::start().await;
    let mut ops = app.database().connect_as("rowhouse_ops");
    for table in [
        "tenants",
        "memberships",
        "projects",
        "accounts",
        "credentials",
        "sessions",
        "operators",
    ] {
        let refusal = ops.batch_execute(&format!("SELECT FROM {table}"));
        let refusal = refusal.unwrap_err().to_string();
        assert!(refusal.contains("permission denied"), "{table}: {refusal}");
    }
}

#[test]
fn without_a_database_there_is_one_clear_line() {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_rowhouse-admin"))
        .env_clear()
        .env("ROWHOUSE_HOME", home.path())
        .current_dir(home.path())
        .args(["tenant", "list"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let errors = text(&output.stderr);
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.contains("set DATABASE_URL"), "{errors}");
}

/// As it is set on an operator's machine: with the key, and the right to read rows for an export.
fn audit(app: &TestApp, home: &std::path::Path, arguments: &[&str]) -> (i32, String, String) {
    audit_trusting(app, home, "", arguments)
}

/// The same, where these keys signed before.
fn audit_trusting(
    app: &TestApp,
    home: &std::path::Path,
    earlier: &str,
    arguments: &[&str],
) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_rowhouse-admin"))
        .env_clear()
        .env("ROWHOUSE_ENV", "test")
        .env("ROWHOUSE_HOME", home)
        .env("ROWHOUSE__AUDIT__EARLIER_PUBLIC_KEYS", earlier)
        .env(
            "ROWHOUSE__DATABASE__OPS_URL",
            app.database().url("rowhouse_ops").expose_secret(),
        )
        .env(
            "DATABASE_URL",
            app.database().url("postgres").expose_secret(),
        )
        .current_dir(home)
        .args(["audit"].iter().chain(arguments))
        .output()
        .unwrap();
    let code = output.status.code().unwrap();
    (code, text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn the_operator_lists_who_reached_from_one_tenant_to_another() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let (code, said, errors) = audit(&app, home.path(), arguments);
        assert_eq!(code, 0, "{errors}");
        said
    };
    assert_eq!(run(&["denials"]), "");
    for (caller, other) in [(&alice, "globex-inc"), (&bob, "acme-corp")] {
        let astray = caller.with_header("x-tenant-slug", other);
        let answer = astray.get("/api/v1/projects").await;
        drop(answer.problem(403, "tenant_mismatch"));
    }
    // A member's own reach is the tenant's matter alone.
    let viewer = alice.colleague("viewer").await;
    drop(viewer.get("/api/v1/audit/events").await.expect(403));
    let deadline = Instant::now() + Duration::from_secs(60);
    let found = loop {
        let said = run(&["denials", "--json"]);
        let found: Vec<Value> = serde_json::from_str(&said).unwrap();
        if found.len() == 2 {
            break found;
        }
        assert!(Instant::now() < deadline, "not within a minute: {said}");
    };
    let selected: Vec<&Value> = found.iter().map(|denial| &denial["selected"]).collect();
    assert_eq!(selected, ["acme-corp", "globex-inc"]);
    assert!(
        found
            .iter()
            .all(|denial| denial["reason"] == "tenant_mismatch")
    );
    let newest = found[0]["id"].as_str().unwrap();
    let said = run(&["denials", "--before", newest, "--limit", "1"]);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.contains("403 tenant_mismatch user=") && said.contains(r#"selected="globex-inc""#),
        "{said}"
    );
    for usage in [["--limit", "0"], ["--limit", "1001"], ["--before", "7"]] {
        let (code, _, _) = audit(&app, home.path(), &[&["denials"], &usage[..]].concat());
        assert_eq!(code, 2, "{usage:?}");
    }
}

#[tokio::test]
async fn the_audit_trail_is_signed_examined_and_handed_out() {
    let app = TestApp::start().await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    let project = alice.create_project("Atlas").await.id();
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| audit(&app, home.path(), arguments);
    let tenant = ["verify", "--tenant", "acme-corp"];

    // Nothing is sealed yet, and nothing wrong.
    let (code, said, _) = run(&tenant);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("0 events sealed, 0 of them erased, 3 not sealed yet"),
        "{said}"
    );
    let tenants = app.identity().tenants_to_seal(10).await.unwrap();
    for waiting in tenants {
        let sealed = app.identity().seal_events(waiting.tenant.into(), 10).await;
        assert_eq!(sealed.unwrap(), 3);
    }
    let kept = home.path().join("checkpoint.json");
    let (code, said, errors) = run(&["checkpoint", "--output", kept.to_str().unwrap()]);
    assert_eq!(code, 0, "{errors}");
    assert!(said.contains("checkpoint 1 names 1 chains"), "{said}");
    let key = said.rsplit(' ').next().unwrap().trim();
    let (_, again, _) = run(&["checkpoint"]);
    assert!(again.contains("no chain has grown"), "{again}");
    // Whoever asks for a file gets the newest one.
    let again = home.path().join("again.json");
    let (code, said, errors) = run(&["checkpoint", "--output", again.to_str().unwrap()]);
    assert_eq!(code, 0, "{errors}");
    assert!(said.contains("no chain has grown"), "{said}");
    let [first, again] = [&kept, &again].map(|path| std::fs::read(path).unwrap());
    assert_eq!(first, again);
    let export = home.path().join("acme.jsonl");
    let export = export.to_str().unwrap();
    let (code, said, errors) = run(&["export", "--tenant", "acme-corp", "--output", export]);
    assert_eq!((code, errors.as_str()), (0, ""), "{said}");
    assert!(said.contains("3 events"), "{said}");
    assert_eq!(
        run(&["export", "--tenant", "acme-corp", "--output", export]).0,
        2
    );
    assert_eq!(run(&["export", "--tenant", "nobody", "--output", "x"]).0, 2);

    // Offline: with no database in sight.
    let offline = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_rowhouse-admin"))
            .env_clear()
            .env("ROWHOUSE_ENV", "test")
            .current_dir(home.path())
            .args(["audit", "verify", "--export"].iter().chain(arguments))
            .output()
            .unwrap();
        (output.status.code().unwrap(), text(&output.stderr))
    };
    assert_eq!(offline(&[export]).0, 0);
    assert_eq!(offline(&[export, "--public-key", key]), (0, String::new()));
    let stranger = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let (code, why) = offline(&[export, "--public-key", stranger]);
    assert_eq!(code, 1);
    assert!(
        why.contains(&format!(
            "checkpoint 1 is signed by a key that is not known here: {key}"
        )),
        "{why}"
    );
    assert_eq!(offline(&[export, "--public-key", "short"]).0, 2);
    assert_eq!(offline(&["nowhere"]).0, 2);
    // How far the signature reaches.
    let extent = |file: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_rowhouse-admin"))
            .env_clear()
            .env("ROWHOUSE_ENV", "test")
            .current_dir(home.path())
            .args(["audit", "verify", "--public-key", key, "--export", file])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0));
        text(&output.stdout)
    };
    let whole = extent(export);
    assert!(whole.contains("checkpoint 1 of 20"), "{whole}");
    assert!(whole.ends_with("Z signs 3 of 3 events\n"), "{whole}");
    for (number, expected) in [
        (4, "4 is signed by nobody yet"),
        (5, "4 to 5 are signed by nobody yet"),
    ] {
        drop(alice.create_project(&format!("Project {number}")).await);
        for waiting in app.identity().tenants_to_seal(10).await.unwrap() {
            let sealed = app.identity().seal_events(waiting.tenant.into(), 10).await;
            assert_eq!(sealed.unwrap(), 1);
        }
        let longer = home.path().join(format!("{number}.jsonl"));
        let longer = longer.to_str().unwrap();
        let arguments = ["export", "--tenant", "acme-corp", "--output", longer];
        assert_eq!(run(&arguments).0, 0);
        let said = extent(longer);
        let end = format!("Z signs 3 of {number} events; {expected}\n");
        assert!(said.ends_with(&end), "{said}");
    }
    let forged = std::fs::read_to_string(export)
        .unwrap()
        .replace("Atlas", "Atlantis");
    std::fs::write(export, forged).unwrap();
    let (code, why) = offline(&[export]);
    assert_eq!(code, 1);
    assert!(
        why.contains("event 3 (") && why.contains("was changed"),
        "{why}"
    );

    // In the database.
    let kept = kept.to_str().unwrap();
    let (code, said, errors) = run(&["verify", "--checkpoint", kept]);
    assert_eq!((code, errors.as_str()), (0, ""), "{said}");
    let mut superuser = app.database().superuser();
    superuser
        .batch_execute(&format!(
            "UPDATE tenancy.audit_events SET actor_id = gen_random_uuid()::text WHERE object_id = '{project}'"
        ))
        .unwrap();
    let bob = app.register("bob@globex.example", "globex").await;
    drop(bob.create_project("Cumulus").await);
    for waiting in app.identity().tenants_to_seal(10).await.unwrap() {
        let sealed = app.identity().seal_events(waiting.tenant.into(), 10).await;
        assert_eq!(sealed.unwrap(), 3);
    }
    superuser
        .batch_execute(
            "UPDATE tenancy.audit_events e SET actor_id = 'x' FROM tenants t
             WHERE t.id = e.tenant_id AND t.slug = 'globex' AND e.object_type = 'tenants'",
        )
        .unwrap();
    let (code, said, why) = run(&["verify"]);
    assert_eq!(code, 1);
    assert!(why.contains("; and 1 more do not hold"), "{why}");
    let line = |slug: &str| {
        let found = said.lines().find(|line| line.starts_with(slug));
        found.unwrap_or_else(|| panic!("{said}")).to_owned()
    };
    assert!(
        line("acme-corp (").contains("): broken at 3 of 5: event 3 ("),
        "{said}"
    );
    assert!(
        line("globex (").contains("): broken at 1 of 3: event 1 ("),
        "{said}"
    );
    let (code, said, why) = run(&["verify", "--json"]);
    assert_eq!(code, 1);
    assert!(
        why.contains("event 3 (") && why.contains("was changed"),
        "{why}"
    );
    let said: Value = serde_json::from_str(&said).unwrap();
    let tenants = said["tenants"].as_array().unwrap();
    let found = |slug: &str| {
        let found = tenants
            .iter()
            .find(|tenant| tenant["slug"] == slug)
            .unwrap();
        (found["flaw_at"].clone(), found["length"].clone())
    };
    assert_eq!(found("acme-corp"), (3.into(), 5.into()));
    assert_eq!(found("globex"), (1.into(), 3.into()));
    assert_eq!(said["clean"], false);
    assert_eq!(said["checkpoints"], 1);
    superuser
        .batch_execute(
            "DELETE FROM tenancy.audit_events; DELETE FROM tenancy.audit_seals; DELETE FROM tenancy.audit_heads;
             DELETE FROM tenancy.audit_checkpoints",
        )
        .unwrap();
    assert_eq!(run(&["verify"]).0, 0, "nobody knows better");
    let (code, _, why) = run(&["verify", "--checkpoint", kept]);
    assert_eq!(code, 1);
    assert!(why.contains("checkpoint 1 is missing"), "{why}");
    assert_eq!(run(&["verify", "--checkpoint", "nowhere"]).0, 2);
    assert_eq!(run(&["verify", "--tenant", "nobody"]).0, 2);
}

#[tokio::test]
async fn after_a_change_of_the_key_that_signs_the_trail_what_the_earlier_one_signed_still_counts() {
    let app = TestApp::start().await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    let home = tempfile::tempdir().unwrap();
    let run =
        |earlier: &str, arguments: &[&str]| audit_trusting(&app, home.path(), earlier, arguments);
    let export = |name: &str| {
        let path = home.path().join(name).to_str().unwrap().to_owned();
        let (code, _, errors) = run("", &["export", "--tenant", "acme-corp", "--output", &path]);
        assert_eq!(code, 0, "{errors}");
        path
    };
    let mut keys = Vec::new();
    for number in 1..=2 {
        drop(alice.create_project("Atlas").await);
        for waiting in app.identity().tenants_to_seal(10).await.unwrap() {
            let sealed = app.identity().seal_events(waiting.tenant.into(), 10).await;
            assert!(sealed.unwrap() > 0);
        }
        let (code, said, errors) = run("", &["checkpoint"]);
        assert_eq!(code, 0, "{errors}");
        assert!(
            said.contains(&format!("checkpoint {number} names")),
            "{said}"
        );
        keys.push(said.rsplit(' ').next().unwrap().trim().to_owned());
        if number == 1 {
            drop(export("old.jsonl"));
            std::fs::remove_file(home.path().join("audit-signing.pem")).unwrap();
        }
    }
    let [old, new] = keys.as_slice() else {
        panic!("{keys:?}")
    };
    assert_ne!(old, new);

    let (code, _, why) = run("", &["verify"]);
    assert_eq!(code, 1);
    let unknown = format!("checkpoint 1 is signed by a key that is not known here: {old}");
    assert!(why.contains(&unknown), "{why}");
    let until = format!("{old}:1");
    let (code, said, errors) = run(&until, &["verify"]);
    assert_eq!((code, errors.as_str()), (0, ""), "{said}");
    let signers = format!("checkpoint 1: signed by {old}\ncheckpoint 2: signed by {new}\n");
    assert!(said.ends_with(&signers), "{said}");
    let (_, said, _) = run(&until, &["verify", "--json"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["signers"][0]["public_key"], *old);
    assert_eq!(said["signers"][1]["first"], 2);
    // By hand, in place of what is set.
    let by_hand = ["verify", "--public-key", new, "--public-key", &until];
    assert_eq!(run("", &by_hand).0, 0);
    let (code, _, why) = run(&until, &["verify", "--public-key", old]);
    assert_eq!(code, 1);
    assert!(why.contains(&format!("not known here: {new}")), "{why}");
    for wrong in [
        "short",
        &format!("{old}:0"),
        &format!("{old}:x"),
        &format!("{until},?"),
    ] {
        let (code, _, why) = run(wrong, &["verify"]);
        assert_eq!(code, 2, "{wrong}");
        assert!(why.contains("32 bytes in Base64"), "{why}");
    }

    // An export from before the change, and one from after, with no database in sight.
    let verify = |file: &str, keys: &[&str]| {
        let keys = keys.iter().flat_map(|key| ["--public-key", *key]);
        let output = Command::new(env!("CARGO_BIN_EXE_rowhouse-admin"))
            .env_clear()
            .env("ROWHOUSE_ENV", "test")
            .current_dir(home.path())
            .args(["audit", "verify", "--export", file])
            .args(keys)
            .output()
            .unwrap();
        let code = output.status.code().unwrap();
        (code, text(&output.stdout) + &text(&output.stderr))
    };
    drop(export("new.jsonl"));
    for (file, signer) in [("old.jsonl", old), ("new.jsonl", new)] {
        let (code, said) = verify(file, &[new, &until]);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains(&format!("signed by {signer}")), "{said}");
    }
    let (code, why) = verify("old.jsonl", &[new]);
    assert_eq!(code, 1);
    assert!(why.contains(&unknown), "{why}");
    // The earlier key, where it does not count any more.
    let (code, why) = verify("new.jsonl", &[&until]);
    assert_eq!(code, 1);
    assert!(
        why.contains("checkpoint 2 is signed by a key that is not known here"),
        "{why}"
    );
}

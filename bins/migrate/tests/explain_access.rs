//! `rowhouse-migrate explain-access` as an administrator types it: one reason after the other.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::process::Command;

use diesel::RunQueryDsl as _;
use diesel::connection::SimpleConnection as _;
use rowhouse_tests::{Caller, TestApp};
use secrecy::ExposeSecret as _;

/// A question; what is not said is as in [`asked`].
#[derive(Clone, Copy)]
struct Asked<'a> {
    tenant: &'a str,
    actor: &'a str,
    table: &'a str,
    id: &'a str,
    for_update: bool,
}

const ALICE: &str = "alice@acme.example";
const VIEWER: &str = "viewer@acme-corp.example";

fn asked(id: &str) -> Asked<'_> {
    Asked {
        tenant: "acme-corp",
        actor: ALICE,
        table: "projects",
        id,
        for_update: false,
    }
}

/// Exit code, and what was printed on either stream.
fn explain(app: &TestApp, asked: Asked<'_>) -> (i32, String) {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rowhouse-migrate"));
    command
        .env_clear()
        .env("ROWHOUSE_ENV", "test")
        .env("ROWHOUSE_HOME", home.path())
        .env(
            "DATABASE_URL",
            app.database().url(app.database().owner()).expose_secret(),
        )
        .current_dir(home.path())
        .args(["explain-access", "--tenant", asked.tenant])
        .args(["--actor", asked.actor, "--table", asked.table])
        .args(["--id", asked.id]);
    if asked.for_update {
        command.args(["--for", "update"]);
    }
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap().trim_end().to_owned();
    (output.status.code().unwrap(), text)
}

#[derive(diesel::QueryableByName)]
struct Id {
    #[diesel(sql_type = diesel::sql_types::Text)]
    id: String,
}

/// On a database that a superuser made and asks about, and on one whose owner is none.
async fn at_each_level() -> [(TestApp, Caller, Caller); 2] {
    [
        TestApp::two_tenants().await,
        TestApp::two_tenants_managed().await,
    ]
}

#[tokio::test]
async fn a_member_sees_what_stands_and_changes_what_the_role_may() {
    for (app, alice, _bob) in at_each_level().await {
        let _ = alice.colleague("viewer").await;
        let id = alice.create_project("Atlas").await.id();
        let yes = (0, "yes: nothing stands in the way".to_owned());
        let update = Asked {
            for_update: true,
            ..asked(&id)
        };
        assert_eq!(explain(&app, asked(&id)), yes);
        assert_eq!(explain(&app, update), yes);
        let viewer = Asked {
            actor: VIEWER,
            ..asked(&id)
        };
        assert_eq!(explain(&app, viewer), yes);
        let viewer = Asked {
            actor: VIEWER,
            ..update
        };
        let no = "no: the role viewer may read the row and not change it".to_owned();
        assert_eq!(explain(&app, viewer), (1, no));
        // Whatever was asked, nothing was changed or left locked.
        let project = format!("/api/v1/projects/{id}");
        let read = alice.get(&project).await.expect(200).json();
        assert_eq!(read["version"], 1);
    }
}

#[tokio::test]
async fn by_slug_or_id_by_address_account_or_user() {
    for (app, alice, _bob) in at_each_level().await {
        let id = alice.create_project("Atlas").await.id();
        let me = alice.get("/api/v1/users/me").await.json();
        let tenant = me["tenant"]["id"].as_str().unwrap();
        let actors = [&me["id"], &me["tenant"]["membership_id"], &me["email"]];
        for actor in actors {
            let asked = Asked {
                tenant,
                actor: actor.as_str().unwrap(),
                table: "public.projects",
                ..asked(&id)
            };
            assert_eq!(explain(&app, asked).0, 0, "{actor}");
        }
    }
}

#[tokio::test]
async fn each_reason_is_told() {
    for (app, alice, bob) in at_each_level().await {
        let id = alice.create_project("Atlas").await.id();
        let foreign = bob.create_project("Secret").await.id();
        let no = |asked: Asked<'_>, reason: &str| {
            let (code, text) = explain(&app, asked);
            assert_eq!(code, 1, "{text}");
            assert!(text.starts_with("no: ") && text.contains(reason), "{text}");
        };
        no(asked(&foreign), "belongs to another tenant");
        no(asked("x"), "no tenant has a row with this id");
        let nobody = Asked {
            actor: "bob@globex.example",
            ..asked(&id)
        };
        no(nobody, "nobody in the tenant has this address or id");
        // Written by doors only, whoever asks.
        let invitation = serde_json::json!({ "email": "new@acme.example", "role": "member" });
        let _ = alice
            .post("/api/v1/invitations", invitation)
            .await
            .expect(201);
        let job: Id = diesel::sql_query("SELECT id::text FROM jobs WHERE kind = 'mail_invitation'")
            .get_result(&mut app.database().superuser())
            .unwrap();
        let jobs = Asked {
            table: "jobs",
            for_update: true,
            ..asked(&job.id)
        };
        no(jobs, "the application's role has no such right");

        let deleted = alice.create_project("Old").await.id();
        let _ = alice
            .delete(&format!("/api/v1/projects/{deleted}"))
            .await
            .expect(204);
        no(asked(&deleted), "deleted and can be restored");

        let change = |sql: &str| {
            app.database().superuser().batch_execute(sql).unwrap();
        };
        let _ = alice.colleague("viewer").await;
        let viewer = Asked {
            actor: VIEWER,
            ..asked(&id)
        };
        change("UPDATE memberships SET status = 'suspended' WHERE email LIKE 'viewer%'");
        no(viewer, "the member is suspended");
        change(
            "UPDATE memberships SET status = 'active', removed_at = now() WHERE email LIKE 'viewer%'",
        );
        no(viewer, "the member is removed");
        change("UPDATE tenants SET status = 'suspended' WHERE slug = 'acme-corp'");
        no(asked(&id), "the tenant is suspended");
    }
}

#[tokio::test]
async fn a_policy_that_hides_what_it_should_not_is_found() {
    for (app, alice, _bob) in at_each_level().await {
        let id = alice.create_project("Atlas").await.id();
        app.database()
            .superuser()
            .batch_execute(
                "CREATE POLICY careless ON projects AS RESTRICTIVE FOR SELECT TO PUBLIC
                     USING (name <> 'Atlas')",
            )
            .unwrap();
        let _ = alice
            .get(&format!("/api/v1/projects/{id}"))
            .await
            .expect(404);
        let hidden = "no: a policy of the table hides the row".to_owned();
        assert_eq!(explain(&app, asked(&id)), (1, hidden));
    }
}

#[tokio::test]
async fn what_does_not_exist_is_bad_usage() {
    for (app, _alice, _bob) in at_each_level().await {
        for asked in [
            Asked {
                tenant: "nobody-inc",
                ..asked("x")
            },
            Asked {
                table: "nothing",
                ..asked("x")
            },
            // Of no tenant.
            Asked {
                table: "accounts",
                ..asked("x")
            },
            Asked {
                table: "projects; DROP TABLE projects",
                ..asked("x")
            },
            Asked {
                table: "\"",
                ..asked("x")
            },
        ] {
            let (code, text) = explain(&app, asked);
            assert_eq!(code, 2, "{text}");
            assert!(text.starts_with("rowhouse-migrate: "), "{text}");
            assert_eq!(text.lines().count(), 1, "{text}");
        }
    }
}

/// At level managed a row that nobody sees is looked for past the policies, under a lock: not for longer
/// than others can wait.
#[tokio::test]
async fn where_policies_bind_who_asks_a_busy_table_is_not_waited_for() {
    let (app, alice, _bob) = TestApp::two_tenants_managed().await;
    let id = alice.create_project("Atlas").await.id();
    let mut busy = app.database().superuser();
    busy.batch_execute("BEGIN; SELECT FROM projects").unwrap();
    // What is seen needs no lock.
    assert_eq!(explain(&app, asked(&id)).0, 0);
    let (code, text) = explain(&app, asked("x"));
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("lock timeout"), "{text}");
    busy.batch_execute("ROLLBACK").unwrap();
    assert_eq!(explain(&app, asked("x")).0, 1);
    // Nobody was given a role, and the owner is bound as before.
    let mut owner = app.database().connect_as(app.database().owner());
    let bound: Id = diesel::sql_query(
        "SELECT relforcerowsecurity::text || pg_has_role('rowhouse_app', 'MEMBER') AS id
         FROM pg_class WHERE oid = 'projects'::regclass",
    )
    .get_result(&mut owner)
    .unwrap();
    assert_eq!(bound.id, "truefalse");
}

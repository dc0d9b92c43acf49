//! The chain: many write and several seal at once; afterwards each thing that somebody does to what
//! is sealed is named, at its place.

use std::collections::BTreeMap;
use std::thread;

use auth::{CheckpointKey, TrustedKey};
use chrono::Utc;
use diesel::PgConnection;
use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::result::Error::RollbackTransaction;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rowhouse_tests::Database;
use store::{OpsDb, OwnerDb, TenantSummary, examine_export};
use tenant_db::audit::{self, Examination, Flaw, Named};
use uuid::Uuid;

use crate::sealed::{Tenant, count, enter, texts, two_tenants};

/// How many write at once.
const SESSIONS: u64 = 32;
/// How many transactions each makes.
const WRITES: u64 = 12;

fn examine(conn: &mut PgConnection, tenant: Uuid) -> Examination {
    let kept = audit::kept(conn).unwrap();
    let chains = audit::chains(conn).unwrap();
    let end = chains.iter().find(|chain| chain.tenant == tenant);
    audit::examine(conn, tenant, end, &Named::of(&kept, tenant)).unwrap()
}

fn seal_all(conn: &mut PgConnection) {
    for waiting in audit::tenants_to_seal(conn, 100).unwrap() {
        while audit::seal_events(conn, waiting.tenant, 50).unwrap() > 0 {}
    }
}

fn key() -> CheckpointKey {
    let path = std::env::temp_dir().join(format!("audit-{}.pem", Uuid::new_v4()));
    let key = CheckpointKey::load_or_create(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    key
}

/// Random transactions on a project of this writer's own and on one that all share, some of them
/// rolled back. Answers how many events there must be of its own project.
fn write(database: &Database, tenant: &Tenant, seed: u64) -> (Uuid, i64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut app = database.connect_as("rowhouse_app");
    let mine = Uuid::now_v7();
    let mut events = 1;
    enter(&mut app, &tenant.context()).unwrap();
    app.batch_execute(&format!(
        "INSERT INTO projects (tenant_id, id, name, owner_id) VALUES ('{}', '{mine}', 'Mine', '{}'); COMMIT",
        tenant.id, tenant.member
    ))
    .unwrap();
    for n in 0..WRITES {
        enter(&mut app, &tenant.context()).unwrap();
        let mut left = 0;
        for step in 0..random.random_range(1..4) {
            let sql = match random.random_range(0..5) {
                0 => format!("UPDATE projects SET name = 'n{n}.{step}' WHERE id = '{mine}'"),
                1 => format!("UPDATE projects SET version = version + 1 WHERE id = '{mine}'"),
                2 => format!("UPDATE projects SET name = name WHERE id = '{mine}'"),
                3 => format!(
                    "INSERT INTO resources (tenant_id, id, project_id, name, created_by)
                     VALUES ('{}', gen_random_uuid(), '{mine}', 'Sheet', '{}')",
                    tenant.id, tenant.member
                ),
                _ => format!(
                    "UPDATE projects SET version = version + 1 WHERE id = '{}'",
                    tenant.project
                ),
            };
            left += i64::from(sql.contains("SET version") && sql.contains(&mine.to_string()));
            left += i64::from(sql.contains(&format!("'n{n}.{step}'")));
            app.batch_execute(&sql).unwrap();
        }
        if random.random_bool(0.2) {
            app.batch_execute("ROLLBACK").unwrap();
        } else {
            app.batch_execute("COMMIT").unwrap();
            events += left;
        }
    }
    (mine, events)
}

#[test]
fn what_many_write_at_once_is_chained_and_whatever_is_done_to_it_is_named() {
    let seed: u64 = rand::random();
    let database = Database::fresh();
    let (acme, globex) = two_tenants(&database);
    let done: BTreeMap<Uuid, i64> = thread::scope(|scope| {
        let writers: Vec<_> = (0..SESSIONS)
            .map(|n| {
                let (database, tenant) = (&database, if n % 4 == 0 { &globex } else { &acme });
                scope.spawn(move || write(database, tenant, seed.wrapping_add(n)))
            })
            .collect();
        let sealers: Vec<_> = (0..2)
            .map(|_| {
                let database = &database;
                scope.spawn(move || {
                    let mut auth = database.connect_as("rowhouse_auth");
                    for _ in 0..20 {
                        seal_all(&mut auth);
                    }
                })
            })
            .collect();
        let done = writers.into_iter().map(|w| w.join().unwrap()).collect();
        sealers.into_iter().for_each(|s| s.join().unwrap());
        done
    });
    let mut superuser = database.superuser();
    // As many events as changes that were committed.
    for (project, events) in done {
        let found =
            format!("(SELECT count(*) FROM tenancy.audit_events WHERE object_id = '{project}')");
        assert_eq!(
            count(&mut superuser, &found),
            Ok(events),
            "{project}, seed {seed}"
        );
    }
    seal_all(&mut database.connect_as("rowhouse_auth"));
    let all = "(SELECT count(*) FROM tenancy.audit_events)";
    let all = count(&mut superuser, all).unwrap();
    let mut sealed = 0;
    for tenant in [&acme, &globex] {
        let found = examine(&mut superuser, tenant.id);
        assert_eq!((found.flaw, found.unsealed), (None, 0));
        sealed += found.sealed;
    }
    assert_eq!(sealed, all);

    let mut random = StdRng::seed_from_u64(seed);
    let length = examine(&mut superuser, acme.id).sealed;
    for _ in 0..4 {
        let seq = random.random_range(2..length - 1);
        for tampering in tamperings() {
            assert_named(&mut superuser, acme.id, seq, &tampering);
        }
    }
}

/// What a superuser does to an event in the middle of a chain, and what is said of it.
struct Tampering {
    sql: &'static str,
    named: fn(i64, Uuid) -> Flaw,
}

fn tamperings() -> Vec<Tampering> {
    let changed = |seq, event| Flaw::Changed {
        seq: Some(seq),
        event,
    };
    let replaced = |seq, event| Flaw::Reordered { seq, event };
    let mut tamperings: Vec<Tampering> = [
        "UPDATE tenancy.audit_events SET changes = '{\"name\": {\"before\": \"a\", \"after\": \"b\"}}' WHERE {event}",
        "UPDATE tenancy.audit_events SET changes = NULL WHERE {event}",
        "UPDATE tenancy.audit_events SET actor_id = gen_random_uuid()::text WHERE {event}",
        "UPDATE tenancy.audit_events SET actor_kind = 'job' WHERE {event}",
        "UPDATE tenancy.audit_events SET session_id = NULL, actor_kind = 'key' WHERE {event}",
        "UPDATE tenancy.audit_events SET at = at + interval '1 microsecond' WHERE {event}",
        "UPDATE tenancy.audit_events SET role = '' WHERE {event}",
        "UPDATE tenancy.audit_events SET action = action || ' ' WHERE {event}",
        "UPDATE tenancy.audit_events SET object_id = object_id || '0' WHERE {event}",
        "UPDATE tenancy.audit_events SET request_id = '' WHERE {event}",
        "UPDATE tenancy.audit_events SET address = '192.0.2.1' WHERE {event}",
        "UPDATE tenancy.audit_seals SET changes_salt = gen_random_uuid()::text::bytea WHERE {seal}",
        "UPDATE tenancy.audit_seals SET changes_salt = NULL WHERE {seal}",
    ]
    .into_iter()
    .map(|sql| Tampering {
        sql,
        named: changed,
    })
    .collect();
    tamperings.extend([
        Tampering {
            sql: "DELETE FROM tenancy.audit_events WHERE {event}",
            named: |seq, event| Flaw::Missing {
                seq: Some(seq),
                event,
            },
        },
        Tampering {
            sql: "DELETE FROM tenancy.audit_seals WHERE {seal}",
            named: |seq, _| Flaw::Gap { seq },
        },
        Tampering {
            sql: "DELETE FROM tenancy.audit_events WHERE {event}; DELETE FROM tenancy.audit_seals WHERE {seal}",
            named: |seq, _| Flaw::Gap { seq },
        },
        Tampering {
            sql: "UPDATE tenancy.audit_seals SET commitment = sha256('') WHERE {seal}",
            named: replaced,
        },
        Tampering {
            sql: "UPDATE tenancy.audit_seals SET hash = sha256('') WHERE {seal}",
            named: replaced,
        },
        Tampering {
            sql: "DELETE FROM tenancy.audit_seals WHERE tenant_id = '{tenant}' AND seq >= {seq}",
            named: |seq, _| Flaw::Truncated {
                seq,
                checkpoint: None,
            },
        },
        Tampering {
            sql: "UPDATE tenancy.audit_heads SET hash = sha256('') WHERE tenant_id = '{tenant}'",
            named: |_, _| Flaw::End { seq: -1 },
        },
    ]);
    tamperings
}

fn assert_named(superuser: &mut PgConnection, tenant: Uuid, seq: i64, tampering: &Tampering) {
    let event: Uuid = texts(
        superuser,
        &format!("SELECT event_id::text AS text FROM tenancy.audit_seals WHERE tenant_id = '{tenant}' AND seq = {seq}"),
    )
    .unwrap()
    .remove(0)
    .parse()
    .unwrap();
    let sql = tampering
        .sql
        .replace(
            "{event}",
            &format!("tenant_id = '{tenant}' AND id = '{event}'"),
        )
        .replace("{seal}", &format!("tenant_id = '{tenant}' AND seq = {seq}"))
        .replace("{tenant}", &tenant.to_string())
        .replace("{seq}", &seq.to_string());
    let result = superuser.transaction(|conn| {
        conn.batch_execute(&sql)?;
        let found = examine(conn, tenant);
        let wanted = match (tampering.named)(seq, event) {
            Flaw::End { .. } => Flaw::End { seq: found.sealed },
            flaw => flaw,
        };
        assert_eq!(found.flaw, Some(wanted), "{sql}");
        Err::<(), _>(RollbackTransaction)
    });
    assert_eq!(result, Err(RollbackTransaction));
}

#[test]
fn events_that_change_places_are_named_and_so_is_one_that_was_put_in() {
    let database = Database::fresh();
    let (acme, _) = two_tenants(&database);
    seal_all(&mut database.connect_as("rowhouse_auth"));
    let mut superuser = database.superuser();
    let in_place = |superuser: &mut PgConnection, sql: &str| {
        let mut flaw = None;
        let result = superuser.transaction(|conn| {
            conn.batch_execute(&sql.replace("{tenant}", &acme.id.to_string()))?;
            flaw = examine(conn, acme.id).flaw;
            Err::<(), _>(RollbackTransaction)
        });
        assert_eq!(result, Err(RollbackTransaction));
        flaw
    };
    let swapped = in_place(
        &mut superuser,
        "UPDATE tenancy.audit_seals SET seq = -seq WHERE tenant_id = '{tenant}' AND seq IN (2, 3);
         UPDATE tenancy.audit_seals SET seq = 5 + seq WHERE tenant_id = '{tenant}' AND seq < 0",
    );
    assert!(
        matches!(swapped, Some(Flaw::Reordered { seq: 2, .. })),
        "{swapped:?}"
    );
    let stray = in_place(
        &mut superuser,
        "INSERT INTO tenancy.audit_events SELECT tenant_id, gen_random_uuid(), at, actor_kind, actor_id, session_id, role,
             action, object_type, object_id, changes, request_id, address
         FROM tenancy.audit_events WHERE tenant_id = '{tenant}' LIMIT 1",
    );
    assert!(matches!(stray, Some(Flaw::Stray { .. })), "{stray:?}");
    // What waits is proved as well.
    superuser
        .batch_execute(&format!(
            "UPDATE projects SET name = 'x' WHERE id = '{}'",
            acme.project
        ))
        .unwrap();
    assert_eq!(examine(&mut superuser, acme.id).unsealed, 1);
    let waiting = "SELECT event_id FROM tenancy.audit_pending WHERE tenant_id = '{tenant}'";
    let changed = in_place(
        &mut superuser,
        &format!("UPDATE tenancy.audit_events SET role = 'x' WHERE id IN ({waiting})"),
    );
    assert!(
        matches!(changed, Some(Flaw::Changed { seq: None, .. })),
        "{changed:?}"
    );
    let missing = in_place(
        &mut superuser,
        &format!("DELETE FROM tenancy.audit_events WHERE id IN ({waiting})"),
    );
    assert!(
        matches!(missing, Some(Flaw::Missing { seq: None, .. })),
        "{missing:?}"
    );
}

fn ops(database: &Database) -> OpsDb {
    OpsDb::connect(&database.url("rowhouse_ops")).unwrap()
}

fn find(ops: &mut OpsDb, slug: &str) -> TenantSummary {
    let all = ops.list_tenants().unwrap();
    all.into_iter().find(|tenant| tenant.slug == slug).unwrap()
}

/// Events, chain and its end are cut as one: what is left agrees with itself.
#[test]
fn a_chain_that_was_cut_short_is_seen_by_its_checkpoint_and_checkpoints_by_one_that_was_kept() {
    let database = Database::fresh();
    let (acme, globex) = two_tenants(&database);
    let mut auth = database.connect_as("rowhouse_auth");
    let (mut ops, key) = (ops(&database), key());
    seal_all(&mut auth);
    let first = ops.sign_chains(&key, Utc::now()).unwrap().unwrap();
    assert_eq!((first.number, first.heads.len()), (1, 2));
    assert!(!first.statement.contains(&acme.id.to_string()));
    assert_eq!(ops.sign_chains(&key, Utc::now()).unwrap(), None);
    let mut superuser = database.superuser();
    superuser
        .batch_execute(&format!(
            "UPDATE projects SET name = 'x' WHERE tenant_id = '{}'",
            acme.id
        ))
        .unwrap();
    seal_all(&mut auth);
    let second = ops.sign_chains(&key, Utc::now()).unwrap().unwrap();
    assert_eq!((second.number, second.heads.len()), (2, 1));
    let trusted = [TrustedKey::new(key.public_key())];
    let report = ops.examine_audit(None, &trusted, Some(&second)).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.examinations.len(), report.checkpoints), (2, 2));
    // Somebody else's key.
    let stranger = [TrustedKey::new(self::key().public_key())];
    let report = ops.examine_audit(None, &stranger, None).unwrap();
    assert!(report.flaw.unwrap().contains("is not known here"));

    superuser
        .batch_execute(&format!(
            "DELETE FROM tenancy.audit_events e USING tenancy.audit_seals s
                 WHERE s.tenant_id = '{0}' AND s.seq > 2 AND e.tenant_id = s.tenant_id AND e.id = s.event_id;
             DELETE FROM tenancy.audit_seals WHERE tenant_id = '{0}' AND seq > 2;
             UPDATE tenancy.audit_heads h SET seq = s.seq, hash = s.hash FROM tenancy.audit_seals s
                 WHERE h.tenant_id = '{0}' AND s.tenant_id = '{0}' AND s.seq = 2",
            acme.id
        ))
        .unwrap();
    let report = ops.examine_audit(Some(acme.id), &trusted, None).unwrap();
    assert_eq!(
        report.examinations[0].flaw,
        Some(Flaw::Truncated {
            seq: 3,
            checkpoint: Some(1)
        })
    );
    let neighbour = ops.examine_audit(Some(globex.id), &trusted, None).unwrap();
    assert!(neighbour.is_clean(), "{neighbour:?}");

    superuser
        .batch_execute("DELETE FROM tenancy.audit_checkpoints WHERE number = 1")
        .unwrap();
    let report = ops.examine_audit(None, &trusted, None).unwrap();
    assert_eq!(report.flaw.as_deref(), Some("checkpoint 1 is missing"));
    superuser
        .batch_execute("DELETE FROM tenancy.audit_checkpoints")
        .unwrap();
    let report = ops.examine_audit(None, &trusted, None).unwrap();
    assert!(report.is_clean(), "nobody knows better: {report:?}");
    let report = ops.examine_audit(None, &trusted, Some(&second)).unwrap();
    assert_eq!(report.flaw.as_deref(), Some("checkpoint 2 is missing"));
    assert!(report.examinations.iter().any(|found| found.flaw.is_some()));
}

#[test]
fn a_checkpoint_says_no_more_than_was_signed() {
    let database = Database::fresh();
    let _ = two_tenants(&database);
    let (mut ops, key) = (ops(&database), key());
    seal_all(&mut database.connect_as("rowhouse_auth"));
    let _ = ops.sign_chains(&key, Utc::now()).unwrap().unwrap();
    let mut superuser = database.superuser();
    for (sql, why) in [
        (
            "UPDATE tenancy.audit_checkpoints SET heads = '[]'",
            "was changed",
        ),
        (
            "UPDATE tenancy.audit_checkpoints SET statement = replace(statement, 'at 2', 'at 3')",
            "is not signed",
        ),
        (
            "UPDATE tenancy.audit_checkpoints SET signature = sha256('') || sha256('')",
            "is not signed",
        ),
        (
            "UPDATE tenancy.audit_checkpoints SET number = 2",
            "1 is missing",
        ),
    ] {
        superuser
            .batch_execute(&format!(
                "CREATE TABLE spare AS TABLE tenancy.audit_checkpoints; {sql}"
            ))
            .unwrap();
        let report = ops
            .examine_audit(None, &[TrustedKey::new(key.public_key())], None)
            .unwrap();
        let flaw = report.flaw.unwrap();
        assert!(flaw.contains(why), "{sql}: {flaw}");
        superuser
            .batch_execute("DELETE FROM tenancy.audit_checkpoints; INSERT INTO tenancy.audit_checkpoints TABLE spare; DROP TABLE spare")
            .unwrap();
    }
}

/// What one key signed before another took its place counts, and nothing that it signs afterwards.
#[test]
fn checkpoints_of_an_earlier_key_count_up_to_the_last_that_it_signed() {
    let database = Database::fresh();
    let (acme, _) = two_tenants(&database);
    let mut auth = database.connect_as("rowhouse_auth");
    let mut superuser = database.superuser();
    let mut ops = ops(&database);
    let (old, new) = (key(), key());
    let mut sign = |key: &CheckpointKey| {
        superuser
            .batch_execute(&format!(
                "UPDATE projects SET version = version + 1 WHERE tenant_id = '{}'",
                acme.id
            ))
            .unwrap();
        seal_all(&mut auth);
        ops.sign_chains(key, Utc::now()).unwrap().unwrap()
    };
    let checkpoints = [&old, &old, &new].map(&mut sign);
    let mut ops = self::ops(&database);
    let [old_key, new_key] = [&old, &new].map(|key| TrustedKey::new(key.public_key()));
    let until = |number: i64| format!("{old_key}:{number}").parse::<TrustedKey>().unwrap();
    let runs = |report: &store::AuditReport| -> Vec<(Vec<u8>, i64, i64)> {
        let runs = report.signers.iter();
        runs.map(|run| (run.public_key.clone(), run.first, run.last))
            .collect()
    };
    let (by_old, by_new) = ((old.public_key(), 1, 2), (new.public_key(), 3, 3));

    for trusted in [
        [new_key.clone(), until(2)],
        [new_key.clone(), old_key.clone()],
    ] {
        let report = ops
            .examine_audit(None, &trusted, Some(&checkpoints[0]))
            .unwrap();
        assert!(report.is_clean(), "{report:?}");
        assert_eq!(runs(&report), [by_old.clone(), by_new.clone()]);
    }
    // The new key alone, the old one alone, one that did not sign that far, none at all.
    let flaw = |trusted: &[TrustedKey], ops: &mut OpsDb| {
        let report = ops.examine_audit(None, trusted, None).unwrap();
        (runs(&report).len(), report.flaw.unwrap_or_default())
    };
    assert_eq!(
        flaw(std::slice::from_ref(&new_key), &mut ops),
        (
            0,
            format!("checkpoint 1 is signed by a key that is not known here: {old_key}")
        )
    );
    assert_eq!(
        flaw(std::slice::from_ref(&old_key), &mut ops),
        (
            1,
            format!("checkpoint 3 is signed by a key that is not known here: {new_key}")
        )
    );
    let short = until(1);
    assert_eq!(
        flaw(&[new_key.clone(), short.clone()], &mut ops),
        (
            1,
            format!(
                "checkpoint 2 is signed by an earlier key, behind the last that counts: {short}"
            )
        )
    );
    assert_eq!(flaw(&[], &mut ops), (2, String::new()));

    // Whoever has learnt the old key signs nothing behind its last.
    let fourth = sign(&old);
    let trusted = [new_key.clone(), until(2)];
    let (_, why) = flaw(&trusted, &mut ops);
    assert!(
        why.starts_with("checkpoint 4 is signed by an earlier key"),
        "{why}"
    );
    let report = ops.examine_audit(None, &trusted, Some(&fourth)).unwrap();
    assert!(!report.is_clean());
    // That another key is said to have signed changes nothing.
    database
        .superuser()
        .batch_execute("DELETE FROM tenancy.audit_checkpoints WHERE number = 4; UPDATE tenancy.audit_checkpoints SET public_key = sha256('')")
        .unwrap();
    assert_eq!(flaw(&trusted, &mut ops), (2, String::new()));
}

#[test]
fn what_was_erased_is_gone_and_the_chain_still_holds() {
    let database = Database::fresh();
    let (acme, globex) = two_tenants(&database);
    let mut superuser = database.superuser();
    let mut auth = database.connect_as("rowhouse_auth");
    seal_all(&mut auth);
    // Some of it waits yet.
    let mut app = database.connect_as("rowhouse_app");
    let context = acme
        .context()
        .with_address(Some("203.0.113.77".parse().unwrap()));
    enter(&mut app, &context).unwrap();
    app.batch_execute(
        "UPDATE memberships SET full_name = 'Somebody'; UPDATE projects SET name = 'Kept'; COMMIT",
    )
    .unwrap();
    let dumped = |superuser: &mut PgConnection| {
        texts(
            superuser,
            "SELECT e::text AS text FROM tenancy.audit_events e",
        )
        .unwrap()
        .join("\n")
    };
    for value in ["owner@acme-corp.example", "Somebody", "203.0.113.77"] {
        assert!(dumped(&mut superuser).contains(value), "{value}");
    }
    // Somebody else owns it, or the last owner could not go.
    superuser
        .batch_execute(&format!(
            "INSERT INTO memberships (tenant_id, id, account_id, email, full_name, role)
             VALUES ('{}', gen_random_uuid(), '{}', 'other@globex.example', 'Other', 'owner')",
            acme.id, globex.account
        ))
        .unwrap();
    auth.batch_execute(&format!(
        "SELECT directory.delete_account('{}')",
        acme.account
    ))
    .unwrap();
    let left = dumped(&mut superuser);
    for value in ["owner@acme-corp.example", "Somebody", "203.0.113.77"] {
        assert!(!left.contains(value), "{value}");
    }
    assert!(left.contains("Kept") && left.contains("other@globex.example"));
    let waiting = examine(&mut superuser, acme.id);
    assert_eq!(waiting.flaw, None);
    seal_all(&mut auth);
    let found = examine(&mut superuser, acme.id);
    assert_eq!(found.flaw, None);
    assert!(
        found.erased >= 4 && found.erased < found.sealed,
        "{found:?}"
    );
    // What was erased does not come back as something else, and what erases nothing is seen.
    for sql in [
        "UPDATE tenancy.audit_events SET changes = '{}' WHERE changes IS NULL",
        "UPDATE tenancy.audit_events SET address = '203.0.113.78' WHERE address IS NULL",
        "UPDATE tenancy.audit_seals SET changes_digest = sha256('') WHERE changes_digest IS NOT NULL",
        "UPDATE tenancy.audit_events SET changes = NULL",
    ] {
        let result = superuser.transaction(|conn| {
            conn.batch_execute(sql)?;
            let flaw = examine(conn, acme.id).flaw;
            assert!(
                matches!(flaw, Some(Flaw::Changed { .. })),
                "{sql}: {flaw:?}"
            );
            Err::<(), _>(RollbackTransaction)
        });
        assert_eq!(result, Err(RollbackTransaction));
    }

    // And all of a tenant.
    let before = examine(&mut superuser, globex.id).sealed;
    let mut ops = ops(&database);
    let slug = domain::TenantSlug::parse("globex-inc").unwrap();
    let _ = ops.erase(&slug).unwrap();
    let events = format!(
        "(SELECT count(*) FROM tenancy.audit_events WHERE tenant_id = '{}')",
        globex.id
    );
    assert_eq!(count(&mut superuser, &events), Ok(0));
    seal_all(&mut auth);
    let found = examine(&mut superuser, globex.id);
    assert_eq!(found.flaw, None);
    assert!(
        found.sealed > before && found.erased == found.sealed,
        "{found:?}"
    );
}

#[test]
fn a_tenant_proves_its_own_copy_without_a_database() {
    let database = Database::fresh();
    let (acme, _) = two_tenants(&database);
    let (mut ops, key) = (ops(&database), key());
    let context = acme
        .context()
        .with_request_id("r-1")
        .with_address(Some("2001:db8::7".parse().unwrap()));
    let mut app = database.connect_as("rowhouse_app");
    enter(&mut app, &context).unwrap();
    app.batch_execute(
        "UPDATE projects SET name = 'Ünïcödé \"quoted\"', version = version + 1; COMMIT",
    )
    .unwrap();
    seal_all(&mut database.connect_as("rowhouse_auth"));
    let checkpoint = ops.sign_chains(&key, Utc::now()).unwrap().unwrap();
    let mut superuser = database.superuser();
    superuser
        .batch_execute(&format!(
            "SELECT tenancy.erase_object('{}', 'memberships', '{}')",
            acme.id, acme.member
        ))
        .unwrap();
    let tenant = find(&mut ops, "acme-corp").id;
    let mut owner = OwnerDb::connect(&database.url("postgres")).unwrap();
    let mut file = Vec::new();
    let written = owner
        .export_audit(tenant.into(), &mut file)
        .unwrap()
        .unwrap();
    let text = String::from_utf8(file).unwrap();
    let export = examine_export(&mut text.as_bytes()).unwrap();
    assert_eq!(export.examination.flaw, None);
    assert_eq!(
        (export.examination.sealed, export.examination.erased),
        (written, 1)
    );
    let signed = export.header.checkpoint.unwrap();
    assert_eq!(signed.statement, checkpoint.statement);
    assert!(signed.is_named());
    assert!(!text.contains("globex"), "{text}");

    // Whatever is changed in it, taken out of it or put elsewhere is seen.
    let lines: Vec<&str> = text.lines().collect();
    let cut = lines[..lines.len() - 1].join("\n");
    let mut swapped = lines.clone();
    swapped.swap(2, 3);
    let mut damaged = vec![
        (cut.clone(), "truncated"),
        (swapped.join("\n"), "missing"),
        (
            [&lines[..2], &lines[3..]].concat().join("\n"),
            "event 2 is missing",
        ),
        // The number of its events says what is there.
        (
            cut.replacen(
                &format!("\"events\":{written}"),
                &format!("\"events\":{}", written - 1),
                1,
            ),
            "which checkpoint 1 has",
        ),
    ];
    for (what, with) in [
        ("r-1", "r-2"),
        ("2001:db8::7", "2001:db8::8"),
        ("quoted", "Quoted"),
        ("\"role\": \"owner\"", "\"role\": \"admin\""),
        ("\"action\": \"update\"", "\"action\": \"delete\""),
        ("\"role\": null", "\"role\": \"\""),
    ] {
        assert!(text.contains(what), "{what}: {text}");
        damaged.push((text.replacen(what, with, 1), "was changed"));
    }
    for (text, why) in damaged {
        let flaw = examine_export(&mut text.as_bytes())
            .unwrap()
            .examination
            .flaw;
        let said = flaw.map(|flaw| flaw.to_string()).unwrap_or_default();
        assert!(said.contains(why), "{why}: {said}");
    }
    for garbage in ["", "{}", "no JSON", &format!("{}\nno JSON", lines[0])] {
        assert!(
            examine_export(&mut garbage.as_bytes()).is_err(),
            "{garbage}"
        );
    }
}

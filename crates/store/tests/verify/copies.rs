//! Private copies whose rows are not those of what they are copied from.

use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::pg::PgConnection;
use diesel::result::Error::RollbackTransaction;
use rowhouse_tests::Database;
use store::catalog::catalog;
use tenant_db::verify::{Report, verify_with_rows};

use crate::breakage::examine;

/// A row of everything that is copied.
const ROWS: &str = "
INSERT INTO tenants (id, slug, subdomain, name) VALUES ('a0000000-0000-4000-8000-000000000001', 'acme', 'acme', 'Acme'),
    ('a0000000-0000-4000-8000-000000000002', 'globex', 'globex', 'Globex');
INSERT INTO accounts (id, email, full_name) VALUES ('b0000000-0000-4000-8000-000000000001', 'a@acme.example', 'A'),
    ('b0000000-0000-4000-8000-000000000002', 'b@acme.example', 'B');
INSERT INTO memberships (tenant_id, id, account_id, email, full_name, role)
    SELECT 'a0000000-0000-4000-8000-000000000001', md5(email)::uuid, id, email, full_name, 'owner' FROM accounts;
INSERT INTO sessions (id, account_id, tenant_id)
    SELECT md5('session' || email)::uuid, id, 'a0000000-0000-4000-8000-000000000001' FROM accounts;
INSERT INTO api_keys (tenant_id, id, name, prefix, hash, role, scopes, created_by)
    SELECT tenant_id, md5('key' || email)::uuid, 'k', 'rh_' || left(md5(email), 12), sha256('k'), 'viewer', '{projects:read}', id
    FROM memberships;
INSERT INTO jobs (tenant_id, id, kind, payload, status, attempts, worker) VALUES
    ('a0000000-0000-4000-8000-000000000001', 'c0000000-0000-4000-8000-000000000001', 'purge_project', '{}', 'running', 1, gen_random_uuid())";

/// What was written by hand, or not copied; and the table that the doctor names.
const DRIFTS: &[(&str, &str, &str)] = &[
    (
        "a suspended tenant that is active in the copy",
        "ALTER TABLE tenants DISABLE TRIGGER tenants_copy;
         UPDATE tenants SET status = 'suspended' WHERE slug = 'acme';
         ALTER TABLE tenants ENABLE TRIGGER tenants_copy",
        "tenancy.tenant: lacks 0 rows, has 0 too many, and 1 differ",
    ),
    (
        "a tenant that is in the copy only",
        "INSERT INTO tenancy.tenant VALUES (gen_random_uuid(), 'active')",
        "tenancy.tenant: lacks 0 rows, has 1 too many, and 0 differ",
    ),
    (
        "a member whose role was raised in the copy",
        "UPDATE tenancy.member SET role = 'owner', version = 7 WHERE account = 'b0000000-0000-4000-8000-000000000001'",
        "tenancy.member: lacks 0 rows, has 0 too many, and 1 differ",
    ),
    (
        "members who were swapped",
        "DROP INDEX tenancy.member_member_key;
         UPDATE tenancy.member k SET member = (SELECT o.member FROM tenancy.member o WHERE o.account <> k.account);
         CREATE UNIQUE INDEX member_member_key ON tenancy.member USING btree (tenant, member)",
        "tenancy.member: lacks 0 rows, has 0 too many, and 2 differ",
    ),
    (
        "a removed member who is live in the copy",
        "ALTER TABLE memberships DISABLE TRIGGER memberships_copy;
         UPDATE memberships SET removed_at = now() WHERE email = 'b@acme.example';
         ALTER TABLE memberships ENABLE TRIGGER memberships_copy",
        "tenancy.member: lacks 0 rows, has 1 too many, and 0 differ",
    ),
    (
        "a session that lives on in the copy, and one that is in none",
        "ALTER TABLE sessions DISABLE TRIGGER sessions_copy;
         UPDATE sessions SET revoked_at = now() WHERE account_id = 'b0000000-0000-4000-8000-000000000001';
         ALTER TABLE sessions ENABLE TRIGGER sessions_copy;
         DELETE FROM tenancy.session WHERE account = 'b0000000-0000-4000-8000-000000000002'",
        "tenancy.session: lacks 1 rows, has 0 too many, and 1 differ",
    ),
    (
        "a key that expires later in the copy",
        "UPDATE tenancy.key SET expires_at = now() + interval '1 year' WHERE id = md5('keya@acme.example')::uuid",
        "tenancy.key: lacks 0 rows, has 0 too many, and 1 differ",
    ),
    (
        "a job that runs in the copy only",
        "INSERT INTO tenancy.job VALUES ('a0000000-0000-4000-8000-000000000001', gen_random_uuid(), 1, 'purge_project')",
        "tenancy.job: lacks 0 rows, has 1 too many, and 0 differ",
    ),
];

fn examine_rows(conn: &mut PgConnection) -> Report {
    verify_with_rows(conn, &catalog()).unwrap()
}

#[test]
fn copies_that_drifted_are_found_and_mended() {
    assert_found_and_mended(&Database::fresh());
}

/// By whoever owns the database, whom policies bind.
#[test]
fn copies_that_drifted_are_found_and_mended_at_level_managed() {
    assert_found_and_mended(&Database::managed());
}

fn assert_found_and_mended(database: &Database) {
    database.superuser().batch_execute(ROWS).unwrap();
    let mut conn = database.connect_as(database.owner());
    let report = examine_rows(&mut conn);
    assert!(report.is_clean(), "{report}");
    // Two tenants, members, sessions and keys, and a job.
    assert_eq!(report.checked()["copied_rows"], 9);
    for (name, sql, told) in DRIFTS {
        database.superuser().batch_execute(sql).unwrap();
        // No trace but in the rows.
        let report = examine(&mut conn);
        assert!(report.is_clean(), "{name}: {report}");
        let report = examine_rows(&mut conn);
        let [drift] = report.findings() else {
            panic!("{name}: {report}");
        };
        assert_eq!(drift.code, "copy_drifted", "{name}");
        let said = format!("{}: {}", drift.object, drift.message);
        let (_, numbers) = told.split_once(' ').unwrap();
        assert!(said.contains(numbers), "{name}: {said}");
        assert!(
            said.starts_with(told.split(' ').next().unwrap()),
            "{name}: {said}"
        );
        conn.batch_execute(&drift.remedy)
            .unwrap_or_else(|e| panic!("{name}: {e}: {}", drift.remedy));
        // Of what the remedy opened nothing is left open.
        let report = examine_rows(&mut conn);
        assert!(report.is_clean(), "{name}: {report}");
    }
}

/// What was granted for it is nobody's afterwards, and an open transaction goes on as it was.
#[test]
fn comparing_leaves_nothing_behind() {
    let database = Database::managed();
    database.superuser().batch_execute(ROWS).unwrap();
    let mut conn = database.connect_as(database.owner());
    let result = conn.transaction(|conn| {
        conn.batch_execute("DELETE FROM tenancy.tenant")?;
        assert_eq!(examine_rows(conn).findings().len(), 1);
        assert!(examine(conn).is_clean());
        conn.batch_execute("CREATE TABLE public.mine ()")?;
        Err::<(), _>(RollbackTransaction)
    });
    assert_eq!(result, Err(RollbackTransaction));
    assert!(examine_rows(&mut conn).is_clean());
}

/// A server's role reads no copy: that is what they are private for.
#[test]
fn no_role_of_a_server_can_compare_them() {
    let database = Database::fresh();
    for role in ["rowhouse_app", "rowhouse_auth", "rowhouse_ops"] {
        let refused = verify_with_rows(&mut database.connect_as(role), &catalog());
        assert!(refused.is_err(), "{role}");
    }
}

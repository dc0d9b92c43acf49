//! A database as the migrations make it.

use std::fs;
use std::path::Path;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::result::Error::RollbackTransaction;
use rowhouse_tests::Database;
use tenant_db::verify::{Catalog, policies};

use crate::breakage::{examine, examine_with};

#[test]
fn a_migrated_database_has_no_finding() {
    let database = Database::fresh();
    let report = examine(&mut database.superuser());
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.to_string().lines().count(), 2, "{report}");
}

/// The server examines its database at its start, and logs in as this role.
#[test]
fn the_role_of_sign_in_sees_as_much_as_a_superuser() {
    let database = Database::fresh();
    let of_superuser = examine(&mut database.superuser());
    for role in ["rowhouse_auth", "rowhouse_ops", "rowhouse_app"] {
        let report = examine(&mut database.connect_as(role));
        assert_eq!(report.to_string(), of_superuser.to_string(), "{role}");
    }
    let mut superuser = database.superuser();
    superuser
        .batch_execute("ALTER TABLE projects DISABLE ROW LEVEL SECURITY; CREATE PUBLICATION p")
        .unwrap();
    assert_eq!(
        examine(&mut database.connect_as("rowhouse_auth")).to_string(),
        examine(&mut superuser).to_string()
    );
}

#[test]
fn an_open_transaction_goes_on_as_it_was() {
    let mut conn = Database::fresh().superuser();
    let result = conn.transaction(|conn| {
        conn.batch_execute("SET LOCAL search_path = tenancy; CREATE TABLE public.mine ()")?;
        assert!(!examine(conn).is_clean());
        conn.batch_execute("SELECT FROM seal_key; SELECT FROM public.mine")?;
        Err::<(), _>(RollbackTransaction)
    });
    assert_eq!(result, Err(RollbackTransaction));
}

/// What an embedder who has no table yet declares.
#[test]
fn the_catalog_of_tenant_db_alone_warns_of_the_authorize_that_lets_all_in() {
    let mut conn = Database::fresh().superuser();
    conn.batch_execute(
        "DROP TABLE refresh_tokens, sessions, projects, memberships, credentials, accounts, tenants;
         DROP TABLE tenancy.session, tenancy.member, tenancy.tenant, __diesel_schema_migrations;
         DROP FUNCTION tenancy.copy_session(), tenancy.copy_member(), tenancy.copy_tenant(), memberships_role_change();
         DROP SCHEMA directory CASCADE;
         DROP OWNED BY rowhouse_directory, rowhouse_auth, rowhouse_ops;
         CREATE OR REPLACE FUNCTION tenancy.authorize(kind text, tenant uuid, actor text, session uuid, role text, version int)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN;
END
$$;",
    )
    .unwrap();
    let report = examine_with(&mut conn, &Catalog::new());
    assert!(report.is_clean(), "{report}");
    let codes: Vec<_> = report.warnings().iter().map(|w| w.code).collect();
    assert_eq!(codes, ["authorize_allows_all"]);
}

#[test]
fn the_committed_policies_are_those_of_the_database() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/policies.txt");
    let found = policies(&mut Database::fresh().superuser()).unwrap();
    assert_eq!(
        fs::read_to_string(path).unwrap_or_default(),
        found,
        "read the change, then: rowhouse-migrate verify --policies > docs/policies.txt"
    );
}

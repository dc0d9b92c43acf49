//! The doors: what they let through, and nothing more.

use diesel::connection::SimpleConnection as _;
use rowhouse_tests::Database;

use crate::sealed::{code, count, enter, texts, two_tenants};

#[test]
fn a_tenant_is_made_with_its_owner_by_a_personal_account_only() {
    let database = Database::fresh();
    let (acme, globex) = two_tenants(&database);
    let mut auth = database.connect_as("rowhouse_auth");
    let sql =
        |account, slug| format!("SELECT directory.create_tenant('{account}', '{slug}', 'A name')");
    auth.batch_execute(&sql(acme.account, "third-one")).unwrap();
    let slugs = texts(
        &mut auth,
        &format!(
            "SELECT slug || ' ' || role AS text FROM directory.memberships_of('{}') ORDER BY 1",
            acme.account
        ),
    );
    assert_eq!(slugs.unwrap(), ["acme-corp owner", "third-one owner"]);
    assert_eq!(
        code(auth.batch_execute(&sql(acme.account, "globex-inc"))),
        "tenants_slug_key"
    );

    let mut app = database.connect_as("rowhouse_app");
    enter(&mut app, &globex.context()).unwrap();
    app.batch_execute(
        "SELECT directory.create_managed_account('m@globex.example', 'M', 'hash'); COMMIT",
    )
    .unwrap();
    let managed = texts(
        &mut auth,
        "SELECT id::text AS text FROM accounts WHERE email = 'm@globex.example'",
    )
    .unwrap()
    .remove(0);
    assert_eq!(
        code(auth.batch_execute(&sql(managed.parse().unwrap(), "of-a-managed-one"))),
        "TN007"
    );
    assert_eq!(
        count(&mut database.superuser(), "(SELECT count(*) FROM tenants)").unwrap(),
        3
    );
}

#[test]
fn joining_follows_the_sign_up_policy() {
    let database = Database::fresh();
    let (acme, globex) = two_tenants(&database);
    let mut auth = database.connect_as("rowhouse_auth");
    let mut superuser = database.superuser();
    let join = |auth: &mut diesel::PgConnection, role: &str| {
        let sql = format!(
            "(SELECT count(*) FROM directory.join_tenant('{}', '{}', '{role}', NULL))",
            acme.account, globex.id
        );
        count(auth, &sql).unwrap()
    };
    let mut policy = |set: &str| {
        superuser
            .batch_execute(&format!(
                "UPDATE tenants SET {set} WHERE id = '{}'",
                globex.id
            ))
            .unwrap();
    };
    assert_eq!(join(&mut auth, "member"), 0, "closed is the default");
    policy("signup = 'domain', signup_domains = '{acme-corp.example}'");
    assert_eq!(join(&mut auth, "member"), 0, "the address is not verified");
    auth.batch_execute(&format!(
        "UPDATE accounts SET email_verified = true WHERE id = '{}'",
        acme.account
    ))
    .unwrap();
    policy("signup_domains = '{corp.example}'");
    assert_eq!(join(&mut auth, "member"), 0, "another domain");
    policy("signup_domains = '{acme-corp.example}', status = 'suspended'");
    assert_eq!(join(&mut auth, "member"), 0, "a suspended tenant");
    policy("status = 'active'");
    assert_eq!(join(&mut auth, "admin"), 0, "another role than member");
    assert_eq!(join(&mut auth, "member"), 1);
    let role = texts(
        &mut superuser,
        &format!(
            "SELECT role AS text FROM memberships WHERE account_id = '{}' AND tenant_id = '{}'",
            acme.account, globex.id
        ),
    );
    assert_eq!(role.unwrap(), ["member"]);
}

#[test]
fn an_open_tenant_takes_whoever_comes() {
    let database = Database::fresh();
    let (acme, globex) = two_tenants(&database);
    database
        .superuser()
        .batch_execute("UPDATE tenants SET signup = 'open'")
        .unwrap();
    let mut auth = database.connect_as("rowhouse_auth");
    let join = format!(
        "SELECT directory.join_tenant('{}', '{}', 'member', NULL)",
        acme.account, globex.id
    );
    auth.batch_execute(&join).unwrap();
    assert_eq!(
        code(auth.batch_execute(&join)),
        "memberships_tenant_email_key"
    );
}

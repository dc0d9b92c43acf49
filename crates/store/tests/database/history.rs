//! Migrations run forwards, backwards and forwards again, and say so.

use diesel::PgConnection;
use diesel::connection::SimpleConnection as _;
use rowhouse_tests::Database;
use std::fs;
use std::path::Path;
use store::OwnerDb;
use store::bootstrap::{Passwords, RolePassword};

use crate::sealed::{texts, two_tenants};

#[test]
fn migrations_run_up_down_and_up_again() {
    for database in [Database::fresh(), Database::managed()] {
        up_down_and_up_again(&database);
    }
}

fn up_down_and_up_again(database: &Database) {
    let mut owner = OwnerDb::connect(&database.url(database.owner())).unwrap();
    let level = owner.level().unwrap();
    let all = owner.status().unwrap();
    assert!(all.iter().all(|migration| migration.applied));

    let mut reverted = Vec::new();
    while let Some(version) = owner.down().unwrap() {
        reverted.push(version);
    }
    assert_eq!(reverted.len(), all.len());
    assert!(
        owner
            .status()
            .unwrap()
            .iter()
            .all(|migration| !migration.applied)
    );

    let secret = || RolePassword::Configured("p'w\\\"".to_owned().into());
    let passwords = Passwords {
        app: secret(),
        auth: secret(),
        ops: secret(),
    };
    let ran = owner.up(&passwords, &[rowhouse_tests::seal_key()]).unwrap();
    assert_eq!(ran.migrations.len(), all.len());
    let again = owner.up(&passwords, &[]).unwrap();
    assert_eq!(again.migrations, Vec::<String>::new());
    assert_eq!(owner.level().unwrap(), level);
    assert!(owner.verify().unwrap().is_clean());
}

/// An owner whom policies bind would change no row, or check none, without a word.
#[test]
fn migrations_change_and_check_the_rows_of_tenants_at_either_level() {
    for database in [Database::fresh(), Database::managed()] {
        let (acme, globex) = two_tenants(&database);
        let mut superuser = database.superuser();
        superuser
            .batch_execute(&format!(
                "INSERT INTO roles (tenant_id, id, name, based_on, permissions)
                     VALUES ('{tenant}', '{member}', 'staff', 'admin', '{{}}');
                 INSERT INTO memberships (tenant_id, id, email, full_name, role, custom_role_id, status)
                     VALUES ('{tenant}', gen_random_uuid(), 'staff@acme.example', 'Staff', 'admin', '{member}', 'invited');
                 UPDATE tenants SET status = 'deleting', erase_after = now() WHERE id = '{}'",
                globex.id,
                tenant = acme.id,
                member = acme.member,
            ))
            .unwrap();
        let mut owner = OwnerDb::connect(&database.url(database.owner())).unwrap();
        // Down to the tables of people and tenants: every migration after that meets their rows.
        while owner.down().unwrap().unwrap() != "20261121000300" {}
        let roles = |superuser: &mut PgConnection| {
            texts(
                superuser,
                "SELECT email || ' ' || role AS text FROM memberships ORDER BY email",
            )
            .unwrap()
        };
        let demoted = [
            "owner@acme-corp.example owner",
            "owner@globex-inc.example owner",
            "staff@acme.example viewer",
        ];
        assert_eq!(roles(&mut superuser), demoted);
        let secret = || RolePassword::Configured("secret".to_owned().into());
        let passwords = Passwords {
            app: secret(),
            auth: secret(),
            ops: secret(),
        };
        owner.up(&passwords, &[]).unwrap();
        assert_eq!(roles(&mut superuser), demoted);
        let ends =
            "SELECT slug AS text FROM tenants WHERE erase_after > now() + interval '29 days'";
        assert_eq!(texts(&mut superuser, ends).unwrap(), ["globex-inc"]);
    }
}

#[test]
fn every_migration_takes_a_role_and_gives_it_back() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    for folder in fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
    {
        for file in ["up.sql", "down.sql"] {
            let path = folder.join(file);
            let text = fs::read_to_string(&path).unwrap();
            let statements: Vec<&str> = text
                .lines()
                .map(str::trim)
                .filter(|line| line.starts_with("SET LOCAL ROLE"))
                .collect();
            assert!(
                statements
                    .first()
                    .is_some_and(|first| first.starts_with("SET LOCAL ROLE rowhouse_"))
                    && statements.last() == Some(&"SET LOCAL ROLE NONE;"),
                "{} must open with SET LOCAL ROLE rowhouse_owner (or _tenancy, _directory) and end with \
                 SET LOCAL ROLE NONE, else Diesel cannot keep its record",
                path.display()
            );
        }
    }
}

#[test]
fn the_kernel_s_migration_is_the_one_of_tenant_db() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders: Vec<_> = fs::read_dir(root.join("../tenant-db/migrations"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(folders.len() > 1, "{folders:?}");
    for folder in folders {
        for file in ["up.sql", "down.sql"] {
            let name = format!("migrations/{folder}/{file}");
            let source = fs::read(root.join("../tenant-db").join(&name)).unwrap();
            let copy = fs::read(root.join("../..").join(&name)).unwrap();
            assert!(source == copy, "copy crates/tenant-db/{name} to {name}");
        }
    }
}

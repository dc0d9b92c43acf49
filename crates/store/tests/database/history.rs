//! Migrations run forwards, backwards and forwards again, and say so.

use rowhouse_tests::Database;
use std::fs;
use std::path::Path;
use store::OwnerDb;
use store::bootstrap::Passwords;

#[test]
fn migrations_run_up_down_and_up_again() {
    let database = Database::fresh();
    let mut owner = OwnerDb::connect(&database.url("postgres")).unwrap();
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

    let secret = || "p'w\\\"".to_owned().into();
    let passwords = Passwords {
        app: secret(),
        auth: secret(),
        ops: secret(),
    };
    let ran = owner.up(&passwords, &[rowhouse_tests::seal_key()]).unwrap();
    assert_eq!(ran.len(), all.len());
    assert_eq!(owner.up(&passwords, &[]).unwrap(), Vec::<String>::new());
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
    for file in ["up.sql", "down.sql"] {
        let name = format!("migrations/00000000000000_tenancy/{file}");
        let source = fs::read(root.join("../tenant-db").join(&name)).unwrap();
        let copy = fs::read(root.join("../..").join(&name)).unwrap();
        assert!(source == copy, "copy crates/tenant-db/{name} to {name}");
    }
}

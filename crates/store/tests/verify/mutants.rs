//! Every guard that can be taken away is taken away once, and must be missed: for one table of
//! each kind here, for all of them where there is time.

use std::ops::ControlFlow;

use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::result::Error::RollbackTransaction;
use rowhouse_tests::Database;
use store::catalog::catalog;
use tenant_db::verify::{Mutant, Verdict, mutants, mutate, probe};

/// Breaks what `chosen` says; no guard may be one that nobody misses.
fn assert_all_missed(least: usize, chosen: impl Fn(&Mutant) -> bool) {
    let database = Database::fresh();
    let mut conn = database.superuser();
    let mut all = mutants(&mut conn, &catalog()).unwrap();
    all.retain(chosen);
    let mutation = mutate(
        &mut conn,
        &catalog(),
        &all,
        |_, _| ControlFlow::Continue(()),
    )
    .unwrap();
    assert!(mutation.is_complete(), "{mutation}");
    assert!(mutation.tried() >= least, "{mutation}");
}

fn of(object: &str) -> impl Fn(&Mutant) -> bool + '_ {
    move |mutant| mutant.object == object
}

#[test]
fn a_tenant_table_without_a_door_misses_each_of_its_guards() {
    assert_all_missed(60, of("public.resources"));
}

#[test]
fn a_tenant_table_with_a_door_misses_each_of_its_guards() {
    assert_all_missed(60, of("public.api_keys"));
}

#[test]
fn the_table_of_the_tenants_misses_each_of_its_guards() {
    assert_all_missed(60, of("public.tenants"));
}

#[test]
fn a_table_of_sign_in_misses_each_of_its_guards() {
    assert_all_missed(30, of("public.sessions"));
}

#[test]
fn a_private_copy_misses_each_of_its_guards() {
    assert_all_missed(30, of("tenancy.member"));
}

#[test]
fn functions_of_each_kind_miss_each_of_their_guards() {
    let kinds = [
        "tenancy.enter(text)",
        "tenancy.current_tenant()",
        "tenancy.copy_member()",
        "directory.memberships_of(uuid)",
    ];
    assert_all_missed(40, |mutant| kinds.contains(&mutant.object.as_str()));
}

#[test]
fn the_database_around_the_tables_misses_each_of_its_guards() {
    assert_all_missed(60, |mutant| {
        ["DATABASE ", "SCHEMA ", "LANGUAGE ", "rowhouse_"]
            .iter()
            .any(|kind| mutant.object.starts_with(kind))
    });
}

/// Minutes: part of `make test-all`.
#[test]
#[ignore = "takes minutes"]
fn every_object_misses_each_of_its_guards() {
    assert_all_missed(1000, |_| true);
}

#[test]
fn canaries_get_no_command_through_any_tenant_table() {
    let database = Database::fresh();
    let probing = probe(&mut database.superuser(), &catalog(), |_| true).unwrap();
    assert!(probing.holds(), "{probing}");
    assert!(probing.tried() > 300, "{probing}");
}

/// What each opened guard lets through, and nothing else does.
#[test]
fn canaries_get_through_where_a_policy_is_wider() {
    let cases = [
        (
            "ALTER POLICY tenancy_guard ON projects USING (true); ALTER POLICY tenancy_select ON projects USING (true)",
            "SAW 1 rows of the neighbour",
            "SELECT count(*)",
        ),
        (
            "ALTER POLICY tenancy_guard ON projects USING (true); ALTER POLICY tenancy_select ON projects USING (true)",
            "COPIED the neighbour's row",
            "COPY (SELECT",
        ),
        (
            "ALTER TABLE projects DISABLE ROW LEVEL SECURITY",
            "CHANGED the neighbour's row",
            "UPDATE",
        ),
        (
            "ALTER POLICY tenancy_guard ON projects WITH CHECK (true); ALTER POLICY tenancy_insert ON projects WITH CHECK (true)",
            "CHANGED the neighbour's row",
            "INSERT",
        ),
        (
            "GRANT TRUNCATE ON ALL TABLES IN SCHEMA public TO rowhouse_app",
            "CHANGED the neighbour's row",
            "TRUNCATE",
        ),
        (
            "ALTER POLICY tenancy_update ON projects USING (tenant_id = (SELECT tenancy.current_tenant()));
             DROP TRIGGER tenancy_guard_write ON projects;
             ALTER POLICY tenancy_update ON projects WITH CHECK (true)",
            "a viewer WROTE 1 rows",
            "UPDATE",
        ),
    ];
    let database = Database::fresh();
    let mut conn = database.superuser();
    for (sql, outcome, command) in cases {
        let result = conn.transaction(|conn| {
            conn.batch_execute(sql).unwrap();
            let probing = probe(conn, &catalog(), |table| table == "public.projects").unwrap();
            let reached = probing
                .breaches()
                .iter()
                .any(|b| b.outcome == outcome && b.command.contains(command));
            assert!(reached, "{sql}: {probing}");
            Err::<(), _>(RollbackTransaction)
        });
        assert_eq!(result, Err(RollbackTransaction));
    }
}

/// A guard that is not looked at makes a survivor, which the report names with its SQL.
#[test]
fn a_guard_that_nobody_misses_is_a_survivor() {
    let database = Database::fresh();
    let mut conn = database.superuser();
    let mutant = |sql: &str, codes: &[&str]| Mutant {
        object: "public.projects".to_owned(),
        change: "something changes".to_owned(),
        sql: sql.to_owned(),
        codes: codes.iter().map(|&code| code.to_owned()).collect(),
    };
    let mutants = [
        mutant(
            "ALTER TABLE projects DISABLE ROW LEVEL SECURITY",
            &["rls_disabled"],
        ),
        mutant(
            "ALTER TABLE projects DISABLE ROW LEVEL SECURITY",
            &["owner"],
        ),
        mutant("COMMENT ON TABLE projects IS 'quiet'", &["owner"]),
        mutant("ALTER TABLE nowhere OWNER TO rowhouse_app", &["owner"]),
    ];
    let go_on = |_: &Mutant, _: &Verdict| ControlFlow::Continue(());
    let mutation = mutate(&mut conn, &catalog(), &mutants, go_on).unwrap();
    assert_eq!((mutation.killed(), mutation.tried()), (1, 4));
    let verdicts: Vec<&Verdict> = mutation
        .survivors()
        .iter()
        .map(|(_, verdict)| verdict)
        .collect();
    let [wrong, none] = [vec!["rls_disabled"], vec![]].map(Verdict::Survived);
    assert_eq!(verdicts, [&wrong, &none]);
    assert_eq!(mutation.unmade().len(), 1);
    assert!(!mutation.is_complete());
    let told = mutation.to_string();
    for part in [
        "1 of 4 mutants killed, 25.0 %",
        "COMMENT ON TABLE projects",
        "verify said nothing",
    ] {
        assert!(told.contains(part), "{told}");
    }
    // What was red before is not what a mutant changed.
    conn.batch_execute("ALTER TABLE projects OWNER TO rowhouse_app")
        .unwrap();
    let again = mutate(&mut conn, &catalog(), &mutants[2..3], go_on).unwrap();
    assert_eq!(again.survivors().len(), 1, "{again}");
}

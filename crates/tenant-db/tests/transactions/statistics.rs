//! What the planner's statistics tell of a neighbour, and that a table protected with blinded
//! statistics tells nothing.

use std::ops::ControlFlow;

use tenant_db::diesel::connection::SimpleConnection as _;
use tenant_db::diesel::prelude::*;
use tenant_db::diesel::sql_query;
use tenant_db::diesel::sql_types::Text;
use tenant_db::verify::{Catalog, Finding, TenantTable, mutants, mutate, verify};
use tenant_db::{Error, TenantDb};
use uuid::Uuid;

use crate::fixtures::{Scene, holds};

/// A table of salaries, most of which are a neighbour's and the same.
struct Payroll {
    scene: Scene,
    db: TenantDb,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    line: String,
}

impl Payroll {
    fn new() -> Self {
        let scene = Scene::new();
        let (acme, globex) = (scene.acme.id, scene.globex.id);
        scene
            .database
            .superuser()
            .batch_execute(&format!(
                "SET ROLE rowhouse_owner;
                 CREATE TABLE payroll (tenant_id uuid NOT NULL, id int, amount int NOT NULL, note varchar(20) COLLATE \"C\",
                                       PRIMARY KEY (tenant_id, id));
                 CREATE INDEX payroll_note_idx ON payroll (tenant_id, lower(note));
                 SELECT tenancy.protect('payroll');
                 RESET ROLE;
                 INSERT INTO payroll SELECT '{globex}', n, CASE WHEN n <= 900 THEN 777 ELSE n END, 'Secret' FROM generate_series(1, 1000) n;
                 INSERT INTO payroll SELECT '{acme}', n, n, 'Known' FROM generate_series(1, 10) n;
                 ANALYZE payroll"
            ))
            .unwrap();
        let db = scene.connect(1);
        Self { scene, db }
    }

    fn change(&self, sql: &str) {
        let sql = format!("SET ROLE rowhouse_owner; {sql}; RESET ROLE");
        let mut superuser = self.scene.database.superuser();
        superuser.batch_execute(&sql).unwrap();
        superuser.batch_execute("ANALYZE payroll").unwrap();
    }

    /// How many rows the planner expects, as acme asks.
    fn estimate(&self, condition: &str) -> u64 {
        let sql = format!("EXPLAIN SELECT FROM payroll WHERE {condition}");
        let plan = self.db.run_blocking(self.scene.acme.context(), |conn| {
            Ok::<Vec<Line>, Error>(sql_query(sql).load(conn)?)
        });
        let plan = plan.unwrap();
        let (_, rows) = plan[0].line.split_once("rows=").unwrap();
        rows.split(' ').next().unwrap().parse().unwrap()
    }

    /// Whether two conditions that are as true of acme's rows are told apart.
    fn tells(&self, one: &str, other: &str) -> bool {
        self.estimate(one) != self.estimate(other)
    }

    fn tells_apart(&self) -> [bool; 4] {
        let globex = self.scene.globex.id;
        [
            self.tells("amount = 777", "amount = 778"),
            self.tells("amount < 950", "amount < 990"),
            self.tells("lower(note) = 'secret'", "lower(note) = 'other'"),
            self.tells(
                &format!("tenant_id = '{globex}'"),
                &format!("tenant_id = '{}'", Uuid::nil()),
            ),
        ]
    }

    fn kept(&self) -> Vec<Finding> {
        let report = verify(&mut self.scene.database.superuser(), &blind()).unwrap();
        let findings = report.findings().iter();
        findings
            .filter(|it| it.code == "statistics_kept")
            .cloned()
            .collect()
    }
}

fn blind() -> Catalog {
    Catalog::new().tenant_table(TenantTable::new("public.payroll").blind_statistics())
}

const BLIND: &str = "SELECT tenancy.protect('payroll', blind_statistics => true)";

#[test]
fn statistics_tell_a_tenant_what_its_neighbours_have() {
    let payroll = Payroll::new();
    assert_eq!(payroll.tells_apart(), [true; 4]);
}

#[test]
fn a_table_with_blinded_statistics_tells_nothing_also_of_what_was_analyzed_before() {
    let payroll = Payroll::new();
    payroll.change(BLIND);
    assert_eq!(payroll.tells_apart(), [false; 4]);
    let mut superuser = payroll.scene.database.superuser();
    assert!(holds(
        &mut superuser,
        "NOT EXISTS (SELECT FROM pg_statistic s WHERE s.starelid IN
            (SELECT indexrelid FROM pg_index WHERE indrelid = 'payroll'::regclass UNION SELECT 'payroll'::regclass))"
    ));
    // Columns are what they were, and rows are the tenant's own.
    assert!(holds(
        &mut superuser,
        "(SELECT array_agg(format_type(atttypid, atttypmod) ORDER BY attnum) = '{uuid,integer,integer,character varying(20)}'
            AND bool_or(attcollation = '\"C\"'::regcollation)
          FROM pg_attribute WHERE attrelid = 'payroll'::regclass AND attnum > 0)"
    ));
    let seen = payroll
        .db
        .run_blocking(payroll.scene.acme.context(), |conn| {
            Ok::<_, Error>(crate::fixtures::count(
                conn,
                "(SELECT count(*) FROM payroll)",
            )?)
        });
    assert_eq!(seen.unwrap(), 10);
    assert_eq!(payroll.kept(), []);
}

#[test]
fn the_doctor_finds_statistics_of_a_table_that_is_declared_blind_and_mends_it() {
    let payroll = Payroll::new();
    assert_eq!(payroll.kept().len(), 6);
    payroll.change(BLIND);
    for (name, sql) in [
        (
            "column",
            "ALTER TABLE payroll ALTER amount SET STATISTICS 100",
        ),
        ("new column", "ALTER TABLE payroll ADD bonus int"),
        (
            "index",
            "CREATE INDEX payroll_half_idx ON payroll (tenant_id, (amount / 2))",
        ),
        (
            "statistics",
            "CREATE STATISTICS payroll_both ON amount, note FROM payroll",
        ),
    ] {
        payroll.change(sql);
        let kept = payroll.kept();
        assert!(!kept.is_empty(), "{name}");
        for finding in kept {
            payroll.change(&finding.remedy);
        }
        assert_eq!(payroll.kept(), [], "{name}");
        assert_eq!(payroll.tells_apart(), [false; 4], "{name}");
    }
}

#[test]
fn each_way_to_keep_statistics_again_is_missed() {
    let payroll = Payroll::new();
    payroll.change(BLIND);
    let mut superuser = payroll.scene.database.superuser();
    let mut ways = mutants(&mut superuser, &blind()).unwrap();
    ways.retain(|mutant| mutant.codes == ["statistics_kept"]);
    // Four columns, an index's expression, two columns together.
    assert_eq!(ways.len(), 6, "{ways:?}");
    let mutation = mutate(&mut superuser, &blind(), &ways, |_, _| {
        ControlFlow::Continue(())
    });
    let mutation = mutation.unwrap();
    assert!(mutation.is_complete(), "{mutation}");
}

#[test]
fn a_table_with_extended_statistics_is_not_blinded_before_they_are_dropped() {
    let payroll = Payroll::new();
    payroll.change("CREATE STATISTICS payroll_both ON amount, note FROM payroll");
    let mut superuser = payroll.scene.database.superuser();
    let refused = superuser.batch_execute(BLIND).unwrap_err().to_string();
    assert!(refused.contains("drop public.payroll_both"), "{refused}");
}

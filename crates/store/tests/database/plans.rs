//! Which way PostgreSQL takes to a list, as the application's role, inside a context, among many
//! rows of two tenants: with the values known, and with a plan that is good for any.

use std::sync::Mutex;

use chrono::DateTime;
use diesel::connection::{
    InstrumentationEvent, SimpleConnection as _, set_default_instrumentation,
};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use domain::{NamePrefix, ProjectId, ProjectSort};
use futures_executor::block_on;
use rowhouse_tests::{Database, seal_key};
use store::projects::{self, Filter, Position};
use tenant_db::{PoolSettings, TenantDb};

use crate::sealed::{Tenant, enter, two_tenants};

/// The last list of projects that was asked for, its parameters open.
static LAST: Mutex<String> = Mutex::new(String::new());

fn fill(database: &Database, tenants: [&Tenant; 2]) {
    let mut superuser = database.superuser();
    for Tenant { id, member, .. } in tenants {
        superuser
            .batch_execute(&format!(
                "INSERT INTO projects (tenant_id, id, name, owner_id, created_at)
                 SELECT '{id}', gen_random_uuid(), md5(n::text), '{member}', now() - n * interval '1 minute'
                 FROM generate_series(1, 20000) n"
            ))
            .unwrap();
    }
    superuser.batch_execute("VACUUM ANALYZE projects").unwrap();
}

fn note(event: &InstrumentationEvent<'_>) {
    if let InstrumentationEvent::StartQuery { query, .. } = event {
        let query = query.to_string();
        if let Some((sql, _)) = query.split_once(" -- binds: ")
            && sql.contains("name_key")
        {
            *LAST.lock().unwrap() = sql.to_owned();
        }
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    line: String,
}

/// How the statement is executed with these values, as SQL has them.
fn explain(app: &mut PgConnection, tenant: &Tenant, sql: &str, values: &str, mode: &str) -> String {
    enter(app, &tenant.context()).unwrap();
    app.batch_execute(&format!(
        "SET LOCAL plan_cache_mode = {mode}; PREPARE list AS {sql}"
    ))
    .unwrap();
    let lines: Vec<Line> = diesel::sql_query(format!("EXPLAIN EXECUTE list ({values})"))
        .load(app)
        .unwrap();
    app.batch_execute("ROLLBACK; DEALLOCATE list").unwrap();
    let lines: Vec<String> = lines.into_iter().map(|line| line.line).collect();
    lines.join("\n")
}

#[test]
fn a_list_is_read_by_an_index_of_its_own_tenant_in_every_order_and_by_prefix() {
    let database = Database::fresh();
    let (acme, globex) = two_tenants(&database);
    fill(&database, [&acme, &globex]);
    set_default_instrumentation(|| Some(Box::new(|event: InstrumentationEvent<'_>| note(&event))))
        .unwrap();
    let url = database.url("rowhouse_app");
    let db = TenantDb::connect(url, seal_key(), &PoolSettings::default()).unwrap();
    let mut app = database.connect_as("rowhouse_app");

    let (tenant, last, id) = (acme.id, "repeat(U&'\\+10FFFF', 200)", ProjectId::generate());
    let at = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let by_time = Some(Position::Created(at, id));
    let by_name = Some(Position::Name("ab".to_owned(), id));
    let prefix = |text: &str| Some(NamePrefix::parse(text).unwrap());
    let sought = format!("'{tenant}', false, 'abc', 'abc', {last}");
    let position = format!("'{tenant}', false, '{at}', '{at}', '{id}', 21");
    let name_position = format!("'{tenant}', false, 'ab', 'ab', '{id}', 21");
    let cases = [
        (
            prefix("abc"),
            ProjectSort::Name,
            None,
            format!("{sought}, 21"),
            "name_key >= ",
            true,
        ),
        (
            prefix("abc"),
            ProjectSort::NameDescending,
            None,
            format!("{sought}, 21"),
            "name_key < ",
            true,
        ),
        (
            prefix("abc"),
            ProjectSort::Newest,
            None,
            format!("{sought}, 21"),
            "name_key >= ",
            false,
        ),
        (
            None,
            ProjectSort::Newest,
            by_time.clone(),
            position.clone(),
            "created_at <= ",
            true,
        ),
        (
            None,
            ProjectSort::Oldest,
            by_time,
            position,
            "created_at >= ",
            true,
        ),
        (
            None,
            ProjectSort::Name,
            by_name.clone(),
            name_position.clone(),
            "name_key >= ",
            true,
        ),
        (
            None,
            ProjectSort::NameDescending,
            by_name,
            name_position,
            "name_key <= ",
            true,
        ),
    ];
    for (prefix, sort, after, values, condition, is_in_order) in cases {
        let filter = Filter {
            prefix,
            ..Filter::default()
        };
        block_on(db.read(acme.context(), move |conn| {
            projects::list(conn, &filter, sort, after, 21)
        }))
        .unwrap();
        let sql = LAST.lock().unwrap().clone();
        for mode in ["force_custom_plan", "force_generic_plan"] {
            let plan = explain(&mut app, &acme, &sql, &values, mode);
            let conditions: Vec<&str> = plan
                .lines()
                .filter(|line| line.contains("Index Cond: ((tenant_id = "))
                .collect();
            assert_eq!(conditions.len(), 1, "{sort} {mode}\n{sql}\n{plan}");
            assert!(conditions[0].contains(condition), "{sort} {mode}\n{plan}");
            assert!(!plan.contains("Seq Scan"), "{sort} {mode}\n{plan}");
            assert_eq!(plan.contains("Sort"), !is_in_order, "{sort} {mode}\n{plan}");
        }
    }
}

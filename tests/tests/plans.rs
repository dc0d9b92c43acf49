//! Which way PostgreSQL takes to the rows of a tenant among those of many, for every statement that
//! requests really run on tenant tables: by an index that begins with the tenant, with the context
//! asked once a statement and never once a row. The listener sees every connection of the process,
//! so these tests have a binary of their own.
//!
//! What the functions of the doors run inside themselves is not seen here.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use diesel::connection::{
    InstrumentationEvent, SimpleConnection as _, set_default_instrumentation,
};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use rowhouse_tests::{Caller, TestApp};
use serde_json::{Value, json};

static STATEMENTS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

fn note(event: &InstrumentationEvent<'_>) {
    if let InstrumentationEvent::StartQuery { query, .. } = event {
        let query = query.to_string();
        let sql = query.split(" -- binds: ").next().unwrap();
        STATEMENTS.lock().unwrap().insert(sql.to_owned());
    }
}

/// What begins with one of these concerns rows of a tenant.
const OF_TENANTS: [&str; 6] = [
    "/api/v1/users",
    "/api/v1/invitations",
    "/api/v1/roles",
    "/api/v1/api-keys",
    "/api/v1/projects",
    "/api/v1/resources",
];

/// Routes without a statement of their own on a tenant table: an account's, and doors.
const ELSEWHERE: [&str; 2] = ["/api/v1/users/me", "/api/v1/invitations/accept"];

/// Sends requests and remembers to which routes.
struct Story {
    caller: Caller,
    routes: BTreeSet<String>,
}

impl Story {
    async fn send(&mut self, method: &str, path: &str, ids: &[&str], body: Option<Value>) -> Value {
        let (bare, query) = path.split_once('?').unwrap_or((path, ""));
        self.routes.insert(format!("{method} {bare}"));
        let mut real = bare.to_owned();
        for id in ids {
            let (start, rest) = real.split_once('{').unwrap();
            real = format!("{start}{id}{}", rest.split_once('}').unwrap().1);
        }
        if !query.is_empty() {
            real = format!("{real}?{query}");
        }
        let method = method.parse().unwrap();
        let answer = self.caller.send(method, &real, body).await;
        assert!(answer.status() < 300, "{real}: {}", answer.text());
        if answer.text().is_empty() {
            Value::Null
        } else {
            answer.json()
        }
    }

    async fn get(&mut self, path: &str, ids: &[&str]) -> Value {
        self.send("GET", path, ids, None).await
    }

    async fn post(&mut self, path: &str, ids: &[&str], body: Value) -> String {
        let made = self.send("POST", path, ids, Some(body)).await;
        made["id"].as_str().unwrap_or_default().to_owned()
    }

    async fn patch(&mut self, path: &str, id: &str, body: Value) {
        drop(self.send("PATCH", path, &[id], Some(body)).await);
    }

    async fn delete(&mut self, path: &str, id: &str) {
        drop(self.send("DELETE", path, &[id], None).await);
    }

    /// The first page, and the one after it.
    async fn pages(&mut self, path: &str, ids: &[&str]) {
        let sign = if path.contains('?') { '&' } else { '?' };
        let first = self.get(&format!("{path}{sign}limit=1"), ids).await;
        if let Some(cursor) = first["next_cursor"].as_str() {
            let next = format!("{path}{sign}limit=1&cursor={cursor}");
            drop(self.get(&next, ids).await);
        }
    }

    async fn projects(&mut self) {
        const ONE: &str = "/api/v1/projects/{id}";
        let (all, name) = ("/api/v1/projects", |name| json!({ "name": name }));
        let first = self.post(all, &[], name("First")).await;
        for number in 0..3 {
            self.post(all, &[], name(["x", "y", "z"][number])).await;
        }
        drop(self.get(ONE, &[&first]).await);
        self.patch(
            ONE,
            &first,
            json!({ "name": "Renamed", "status": "completed" }),
        )
        .await;
        for sort in ["-created_at", "created_at", "name", "-name"] {
            for filter in [
                "",
                "&status=active",
                "&q=x",
                "&deleted=true",
                "&status=active&q=x",
            ] {
                self.pages(&format!("{all}?sort={sort}{filter}"), &[]).await;
            }
        }
        self.delete(ONE, &first).await;
        self.post("/api/v1/projects/{id}/restore", &[&first], json!({}))
            .await;
        self.pages("/api/v1/projects/{id}/history", &[&first]).await;
    }

    async fn resources(&mut self) {
        const ONE: &str = "/api/v1/resources/{id}";
        let all = "/api/v1/resources";
        let project = self
            .post("/api/v1/projects", &[], json!({ "name": "P" }))
            .await;
        let body = json!({ "project_id": project, "name": "First" });
        let first = self.post(all, &[], body.clone()).await;
        self.post(all, &[], body.clone()).await;
        let last = self.post(all, &[], body).await;
        drop(self.get(ONE, &[&first]).await);
        for name in ["Second", "Third"] {
            self.patch(ONE, &first, json!({ "name": name, "data": {} }))
                .await;
        }
        self.pages(all, &[]).await;
        self.pages(&format!("{all}?project_id={project}"), &[])
            .await;
        let versions = "/api/v1/resources/{id}/versions";
        self.pages(versions, &[&first]).await;
        self.pages("/api/v1/resources/{id}/history", &[&first])
            .await;
        drop(
            self.get("/api/v1/resources/{id}/versions/{n}", &[&first, "1"])
                .await,
        );
        let restore = "/api/v1/resources/{id}/versions/{n}/restore";
        self.post(restore, &[&first, "1"], json!({})).await;
        self.delete(ONE, &last).await;
    }

    async fn people(&mut self) {
        const USER: &str = "/api/v1/users/{id}";
        const ROLE: &str = "/api/v1/roles/{id}";
        let role =
            json!({ "name": "auditor", "based_on": "viewer", "permissions": ["projects:read"] });
        let auditor = self.post("/api/v1/roles", &[], role).await;
        let spare = json!({ "name": "spare", "based_on": "viewer", "permissions": [] });
        let spare = self.post("/api/v1/roles", &[], spare).await;
        self.pages("/api/v1/roles", &[]).await;
        drop(self.get(ROLE, &[&auditor]).await);
        self.patch(ROLE, &auditor, json!({ "permissions": [] }))
            .await;
        self.delete(ROLE, &spare).await;

        let user = |email: &str, role: &str| json!({ "email": email, "full_name": "Vera", "role": role, "password": "correct horse" });
        let vera = user("vera@acme.example", "auditor");
        let vera = self.post("/api/v1/users", &[], vera).await;
        drop(self.get(USER, &[&vera]).await);
        self.pages("/api/v1/users", &[]).await;
        self.pages("/api/v1/users/{id}/history", &[&vera]).await;
        let change = json!({ "full_name": "Vera V.", "role": "member", "status": "suspended" });
        self.patch(USER, &vera, change).await;
        self.delete(USER, &vera).await;
    }

    async fn guests(&mut self) {
        const ONE: &str = "/api/v1/invitations/{id}";
        let all = "/api/v1/invitations";
        let invited = json!({ "email": "i@acme.example", "role": "viewer" });
        let invited = self.post(all, &[], invited).await;
        drop(self.get(ONE, &[&invited]).await);
        self.pages(all, &[]).await;
        self.post("/api/v1/invitations/{id}/resend", &[&invited], json!({}))
            .await;
        self.delete(ONE, &invited).await;

        let key = json!({ "name": "a program", "scopes": ["projects:read"] });
        let key = self.post("/api/v1/api-keys", &[], key).await;
        drop(self.get("/api/v1/api-keys/{id}", &[&key]).await);
        self.pages("/api/v1/api-keys", &[]).await;
        self.delete("/api/v1/api-keys/{id}", &key).await;
        drop(self.get("/api/v1/tenant", &[]).await);
        let change = json!({ "name": "Acme" });
        drop(
            self.send("PATCH", "/api/v1/tenant", &[], Some(change))
                .await,
        );
    }

    fn assert_complete(&self) {
        for (path, methods) in api::routes::list() {
            let is_meant = OF_TENANTS.iter().any(|start| path.starts_with(start))
                && !ELSEWHERE.iter().any(|start| path.starts_with(start));
            for method in methods.iter().filter(|_| is_meant) {
                let route = format!("{method} {path}");
                assert!(
                    self.routes.contains(&route),
                    "tell of {route} in this story, so that its plans are looked at"
                );
            }
        }
    }
}

/// What all requests ran on tables of tenants.
async fn statements(alice: Caller) -> Vec<String> {
    let mut story = Story {
        caller: alice,
        routes: BTreeSet::new(),
    };
    story.projects().await;
    story.resources().await;
    story.people().await;
    story.guests().await;
    story.assert_complete();
    let all = STATEMENTS.lock().unwrap();
    let is_query = |sql: &&String| {
        ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"]
            .iter()
            .any(|word| sql.starts_with(word))
    };
    all.iter().filter(is_query).cloned().collect()
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    text: String,
}

fn texts(conn: &mut PgConnection, sql: &str) -> Vec<String> {
    let rows: Vec<Line> = diesel::sql_query(sql).load(conn).unwrap();
    rows.into_iter().map(|row| row.text).collect()
}

/// An INSERT for each tenant table, whose values are made up from the types of its columns.
const FILL: &str = "
SELECT format('INSERT INTO %1$s (%2$s) SELECT %3$s FROM generate_series(1, %4$s) t, generate_series(1, %5$s) n ON CONFLICT DO NOTHING',
    c.oid::regclass, string_agg(quote_ident(a.attname), ', '), string_agg(CASE
        WHEN a.attname = (CASE c.relname WHEN 'tenants' THEN 'id' ELSE 'tenant_id' END)
            THEN 'CASE t WHEN 1 THEN ''{tenant}''::uuid ELSE md5(t::text)::uuid END'
        WHEN t.typcategory = 'A' THEN '''{}'''
        WHEN t.oid = 'uuid'::regtype THEN format('md5(concat(t, '' '', n, %L))::uuid', a.attname)
        WHEN t.oid = 'bytea'::regtype THEN 'sha256(concat(t, '' '', n)::bytea)'
        WHEN t.oid = 'jsonb'::regtype THEN '''{}'''
        WHEN t.typcategory = 'S' THEN 'concat(md5(n::text), '' '', t)'
        WHEN t.typcategory = 'N' THEN '1'
        WHEN t.typcategory = 'B' THEN 'n % 10 = 0'
        WHEN t.typcategory = 'D' AND a.attnotnull THEN 'now() - n * interval ''1 minute'''
        ELSE 'NULL' END, ', '),
    CASE c.relname WHEN 'tenants' THEN greatest({tenants}, 5000) ELSE {tenants} END,
    CASE WHEN c.relname = 'tenants' THEN 1 WHEN c.relname IN ('projects', 'resources') THEN {rows} ELSE {others} END) AS text
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
WHERE c.relrowsecurity AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
GROUP BY c.oid, c.relname";

/// How many rows there are then.
fn fill(conn: &mut PgConnection, tenant: &str, [tenants, rows, others]: [u32; 3]) -> i64 {
    let constraints = texts(
        conn,
        "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS text
         FROM pg_constraint JOIN pg_class c ON c.oid = conrelid WHERE relrowsecurity AND contype = 'c'",
    );
    let inserts = FILL
        .replace("{tenant}", tenant)
        .replace("{tenants}", &tenants.to_string())
        .replace("{rows}", &rows.to_string())
        .replace("{others}", &others.to_string());
    let inserts = texts(conn, &inserts);
    conn.batch_execute("SET session_replication_role = replica")
        .unwrap();
    for sql in constraints.iter().chain(&inserts) {
        conn.batch_execute(sql).unwrap_or_else(|error| {
            // The statement says more than the place.
            assert_eq!(error.to_string(), "", "{sql}");
        });
    }
    conn.batch_execute("RESET session_replication_role")
        .unwrap();
    let tables = texts(
        conn,
        "SELECT oid::regclass::text AS text FROM pg_class WHERE relrowsecurity",
    );
    let mut total = 0;
    for table in tables {
        conn.batch_execute(&format!("VACUUM ANALYZE {table}"))
            .unwrap();
        let count = texts(conn, &format!("SELECT count(*)::text AS text FROM {table}"));
        total += count[0].parse::<i64>().unwrap();
    }
    total
}

/// Begins with the account, of which there is one row in each of its tenants; taken where both are
/// given, and not otherwise.
const PINNED: &str = "memberships_account_idx";

/// Tenant tables, and the first column of each of their indexes.
struct Schema {
    tables: BTreeSet<String>,
    leads: BTreeMap<String, String>,
}

impl Schema {
    fn of(conn: &mut PgConnection) -> Self {
        let tables = texts(
            conn,
            "SELECT relname::text AS text FROM pg_class WHERE relrowsecurity",
        );
        let leads = texts(
            conn,
            "SELECT concat(i.relname, ' ', c.relname, '.', a.attname) AS text
             FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = x.indkey[0] WHERE c.relrowsecurity",
        );
        let pair = |text: String| {
            let (index, column) = text.split_once(' ').unwrap();
            (index.to_owned(), column.to_owned())
        };
        Self {
            tables: tables.into_iter().collect(),
            leads: leads.into_iter().map(pair).collect(),
        }
    }

    fn is_meant(&self, sql: &str) -> bool {
        self.tables.iter().any(|table| {
            sql.contains(&format!("\"{table}\"")) || sql.contains(&format!(" {table} "))
        })
    }

    /// What is wrong with a node of a plan, and those below it.
    fn complaints(&self, node: &Value) -> Vec<String> {
        let mut found = Vec::new();
        let text = |key: &str| node[key].as_str().unwrap_or_default();
        let (kind, table, index) = (text("Node Type"), text("Relation Name"), text("Index Name"));
        if kind == "Seq Scan" && self.tables.contains(table) {
            found.push(format!("reads all of {table}"));
        }
        if let Some(column) = self.leads.get(index) {
            let name = column.rsplit('.').next().unwrap();
            let name = if index == PINNED { "tenant_id" } else { name };
            let is_tenants = name == "tenant_id" || column == "tenants.id";
            if !is_tenants || !text("Index Cond").contains(&format!("{name} = ")) {
                found.push(format!("reads {index} by {}", text("Index Cond")));
            }
        }
        for condition in ["Filter", "Index Cond", "Recheck Cond", "Join Filter"] {
            if text(condition).contains("current_setting") || text(condition).contains("tenancy.") {
                found.push(format!(
                    "asks for the context in {condition}: {}",
                    text(condition)
                ));
            }
        }
        let is_once = text("Subplan Name").starts_with("InitPlan");
        // The place in the chain of each event that a page shows, and of no other.
        let output = node["Output"].to_string().replace("tenancy.seq_of(", "(");
        if !is_once && (output.contains("current_setting") || output.contains("tenancy.")) {
            found.push(format!("asks for the context in {kind}: {output}"));
        }
        let loops = node["Actual Loops"].as_u64().unwrap_or_default();
        if is_once && loops > 1 {
            found.push(format!("asks for the context {loops} times"));
        }
        for below in node["Plans"].as_array().into_iter().flatten() {
            found.extend(self.complaints(below));
        }
        found
    }
}

/// The plan that is good for any values, as the application's role in a context; a query is run
/// too.
fn plan(conn: &mut PgConnection, tenant: &str, sql: &str) -> Value {
    conn.batch_execute(&format!(
        "BEGIN; SET LOCAL plan_cache_mode = force_generic_plan; PREPARE asked AS {sql}"
    ))
    .unwrap();
    let values = texts(
        conn,
        &format!(
            "SELECT CASE t WHEN 'uuid'::regtype THEN '''{tenant}''' WHEN 'boolean'::regtype THEN 'false'
                WHEN 'bigint'::regtype THEN '21' WHEN 'integer'::regtype THEN '21' WHEN 'text'::regtype THEN '''x'''
                WHEN 'timestamptz'::regtype THEN 'now()' ELSE format('NULL::%s', t) END AS text
             FROM pg_prepared_statements, unnest(parameter_types) WITH ORDINALITY AS p (t, n)
             WHERE name = 'asked' ORDER BY n"
        ),
    );
    let arguments = if values.is_empty() {
        String::new()
    } else {
        format!("({})", values.join(", "))
    };
    let context = tenant.replace('-', "");
    conn.batch_execute(&format!(
        "SET LOCAL backtrace_functions = '{context}_user_0__owner_0_7c'; SET LOCAL ROLE rowhouse_app"
    ))
    .unwrap();
    let is_read = sql.starts_with("SELECT") && !sql.contains("FOR ");
    let analyze = if is_read { "ANALYZE, " } else { "" };
    #[derive(QueryableByName)]
    struct Plan {
        #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
        plan: String,
    }
    let explain = format!("EXPLAIN ({analyze}VERBOSE, FORMAT JSON) EXECUTE asked{arguments}");
    let found: Result<Plan, _> = diesel::sql_query(explain).get_result(conn);
    conn.batch_execute("ROLLBACK; DEALLOCATE asked").unwrap();
    let found = found.map_err(|error| format!("{sql}: {error}")).unwrap();
    let found: Value = serde_json::from_str(&found.plan).unwrap();
    found[0]["Plan"].clone()
}

/// Looks at every statement among so many tenants, rows of projects and resources in each, and
/// rows of everything else.
async fn assert_plans(size: [u32; 3], least: i64) {
    set_default_instrumentation(|| Some(Box::new(|event: InstrumentationEvent<'_>| note(&event))))
        .unwrap();
    let app = TestApp::start().await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    let me = alice.get("/api/v1/users/me").await.expect(200).json();
    let tenant = me["tenant"]["id"].as_str().unwrap().to_owned();
    let statements = statements(alice).await;
    let mut conn = app.database().superuser();
    let total = fill(&mut conn, &tenant, size);
    assert!(total >= least, "{total} rows");

    let schema = Schema::of(&mut conn);
    let meant: Vec<&String> = statements
        .iter()
        .filter(|sql| schema.is_meant(sql))
        .collect();
    assert!(meant.len() > 40, "{meant:#?}");
    let mut complaints = Vec::new();
    for sql in &meant {
        for complaint in schema.complaints(&plan(&mut conn, &tenant, sql)) {
            complaints.push(format!("{complaint}\n    {sql}"));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert_complaints(&mut conn, &schema, &tenant);
}

/// What would be wrong is told.
fn assert_complaints(conn: &mut PgConnection, schema: &Schema, tenant: &str) {
    let read = "SELECT name FROM projects WHERE view_count >= 0";
    let mut told = |setup: &str, sql: &str| {
        conn.batch_execute(setup).unwrap();
        schema.complaints(&plan(conn, tenant, sql)).join("\n")
    };
    assert_eq!(told("SELECT", read), "");
    let all = told(
        "SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off",
        read,
    );
    assert!(all.contains("reads all of projects"), "{all}");
    let per_row = told(
        "RESET ALL;
         ALTER POLICY tenancy_select ON projects USING (tenant_id = (SELECT tenancy.current_tenant()) AND tenancy.allows('viewer'))",
        read,
    );
    assert!(
        per_row.contains("asks for the context in Filter"),
        "{per_row}"
    );
}

#[tokio::test]
async fn every_statement_of_a_tenant_is_answered_by_an_index_that_begins_with_it() {
    assert_plans([50, 200, 60], 35_000).await;
}

/// A minute or two: part of `make test-all`.
#[tokio::test]
#[ignore = "a million rows take a while"]
async fn every_statement_is_answered_by_such_an_index_among_a_million_rows_of_a_thousand_tenants() {
    assert_plans([1000, 400, 40], 1_000_000).await;
}

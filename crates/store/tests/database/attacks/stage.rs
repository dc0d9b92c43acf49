//! Where attacks are played: two tenants that have something of everything, the attacker's
//! connection, and the eyes of a superuser on the neighbour's rows.

use std::io::Read as _;

use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::result::{Error, QueryResult};
use diesel::sql_types::Text;
use rowhouse_tests::{Database, seal_key};
use secrecy::ExposeSecret as _;
use tenant_db::{Context, Level};
use uuid::Uuid;

use super::Attack;
use crate::sealed::{Tenant, code, enter, now, pid, texts, two_tenants};

/// In every text of the neighbour's, and in no attack.
const MARK: &str = "globex";

/// Where the context lies in the control run: a setting that everybody may set.
const PLAIN_SETTING: &str = "rowhouse.slot";

/// Where it lies at level managed, guarded by a MAC alone.
const MANAGED_SETTING: &str = "tenancy.context";

/// Tokens that level managed made, none of them for the attacker's transaction.
#[derive(Debug, Default)]
struct Tokens {
    /// Of the attacker, on the same connection, one transaction before.
    own: String,
    /// Of the neighbour, on the same connection, two transactions before.
    spent: String,
    /// Of the neighbour, in a transaction that is open on another connection.
    live: String,
}

pub(super) struct Stage {
    database: Database,
    name: String,
    slot: &'static str,
    /// What stands behind the fields of a forged context.
    forged_mac: String,
    tokens: Tokens,
    neighbour: PgConnection,
    acme: Tenant,
    globex: Tenant,
    /// The neighbour's invitation, and its role.
    invited: Uuid,
    role: Uuid,
    superuser: PgConnection,
    neighbour_sql: String,
    /// The neighbour's rows after the last attack.
    rows: Vec<String>,
    attacker: PgConnection,
}

#[derive(Debug)]
pub(super) struct Outcome {
    /// Every way in which the neighbour was reached.
    pub(super) leaks: Vec<String>,
    /// What the last step answered.
    pub(super) last: Result<Vec<String>, String>,
    /// Whether the look at the connection finds something left on it.
    pub(super) tainted: bool,
}

impl Stage {
    pub(super) fn new(database: Database) -> Self {
        let (acme, globex) = two_tenants(&database);
        let mut superuser = database.superuser();
        let invited = Uuid::now_v7();
        let role = Uuid::now_v7();
        for sql in [
            belongings(&acme, "acme", "rh_aaaaaaaaaaaa", [Uuid::now_v7(); 2]),
            belongings(&globex, "globex", "rh_bbbbbbbbbbbb", [invited, role]),
        ] {
            superuser.batch_execute(&sql).unwrap();
        }
        superuser.batch_execute("ANALYZE").unwrap();
        let attacker = PgConnection::establish(&url(&database, "")).unwrap();
        let name = texts(&mut superuser, "SELECT current_database()::text AS text")
            .unwrap()
            .remove(0);
        let neighbour_sql = rows_of(&mut superuser, globex.id);
        let rows = texts(&mut superuser, &neighbour_sql).unwrap();
        let managed = Level::of_database(&mut superuser).unwrap() == Some(Level::Managed);
        let neighbour = PgConnection::establish(&url(&database, "")).unwrap();
        assert!(rows.len() > 10, "{rows:?}");
        Self {
            database,
            name,
            slot: if managed {
                MANAGED_SETTING
            } else {
                "backtrace_functions"
            },
            forged_mac: if managed {
                format!("_{}", "0".repeat(64))
            } else {
                String::new()
            },
            tokens: Tokens::default(),
            neighbour,
            acme,
            globex,
            invited,
            role,
            superuser,
            neighbour_sql,
            rows,
            attacker,
        }
    }

    /// The same product with one difference: its functions read and write the context in a setting
    /// that the application's role may set too.
    pub(super) fn keep_the_context_in_a_plain_setting(&mut self) {
        self.slot = PLAIN_SETTING;
        let definitions = texts(
            &mut self.superuser,
            "SELECT pg_get_functiondef(oid) AS text FROM pg_proc
             WHERE pronamespace = 'tenancy'::regnamespace AND pg_get_functiondef(oid) LIKE '%backtrace_functions%'",
        )
        .unwrap();
        assert!(definitions.len() >= 4, "{definitions:?}");
        for definition in definitions {
            let definition = definition.replace("backtrace_functions", PLAIN_SETTING);
            self.superuser.batch_execute(&definition).unwrap();
        }
        let empty = format!("ALTER DATABASE {} SET {PLAIN_SETTING} = ''", self.name);
        self.superuser.batch_execute(&empty).unwrap();
        self.connect();
    }

    /// Reads of all columns that the application may read, a table each.
    pub(super) fn reads_of_every_table(&mut self) -> Vec<String> {
        texts(
            &mut self.superuser,
            "SELECT format('SELECT concat_ws('' '', %s) AS text FROM %s', string_agg(format('%I', attname), ', '), oid::regclass) AS text
             FROM pg_class c JOIN pg_attribute ON attrelid = oid AND attnum > 0 AND NOT attisdropped
             WHERE relkind IN ('r', 'p', 'v', 'm') AND relnamespace IN ('public'::regnamespace, 'tenancy'::regnamespace, 'directory'::regnamespace)
                 AND has_column_privilege('rowhouse_app', oid, attnum, 'SELECT')
             GROUP BY oid ORDER BY oid::regclass::text",
        )
        .unwrap()
    }

    /// The doors that the application may call.
    pub(super) fn doors(&self) -> Vec<String> {
        texts(
            &mut self.database.superuser(),
            "SELECT DISTINCT oid::regproc::text AS text FROM pg_proc
             WHERE pronamespace = 'directory'::regnamespace AND has_function_privilege('rowhouse_app', oid, 'EXECUTE')
                 AND has_schema_privilege('rowhouse_app', 'directory', 'USAGE')",
        )
        .unwrap()
    }

    pub(super) fn run(&mut self, attack: &Attack) -> Outcome {
        self.run_steps(attack.steps)
    }

    /// Plays these steps in a transaction of acme's, commits, and looks at what came of it.
    pub(super) fn run_steps(&mut self, steps: &[&str]) -> Outcome {
        let as_globex = self.seen_by_globex();
        assert!(as_globex.is_ok(), "{as_globex:?}");
        if self.slot == MANAGED_SETTING {
            self.collect_tokens();
        }
        let kept = seal_key().seal(&self.acme.context(), pid(&mut self.attacker), now());
        enter(&mut self.attacker, &self.acme.context()).unwrap();
        let mut leaks = Vec::new();
        let mut last = Ok(Vec::new());
        for step in steps {
            let step = self.filled_in(step, &kept);
            last = self.step(&step);
            let shown = match &last {
                Ok(rows) => rows.join("\n"),
                Err(error) => error.clone(),
            };
            let id = self.globex.id.to_string();
            if shown.contains(MARK) || (!step.contains(&id) && shown.contains(&id)) {
                leaks.push(format!("seen by {step}: {shown}"));
            }
        }
        self.end();
        let before = std::mem::take(&mut self.rows);
        let after = texts(&mut self.superuser, &self.neighbour_sql).unwrap();
        let gone = before.iter().find(|row| !after.contains(row));
        let come = after.iter().find(|row| !before.contains(row));
        if let Some(row) = gone.or(come) {
            leaks.push(format!("the neighbour's rows were changed: {row}"));
        }
        self.rows = after;
        if steps.iter().any(|step| step.starts_with("\\connect")) {
            self.connect();
        }
        let clean = self.attacker.batch_execute("SELECT tenancy.assert_clean()");
        let tainted = clean.is_err();
        if tainted {
            assert_eq!(code(clean), "TN006");
            self.connect();
        }
        // What the neighbour sees through that same connection.
        let unchanged = leaks.is_empty();
        if unchanged && self.seen_by_globex() != as_globex {
            leaks.push("the neighbour sees something else than before".to_owned());
        }
        self.connect_anew_unless_clean();
        Outcome {
            leaks,
            last,
            tainted,
        }
    }

    fn collect_tokens(&mut self) {
        self.tokens = Tokens {
            spent: token(&mut self.attacker, &self.globex.context()),
            own: token(&mut self.attacker, &self.acme.context()),
            live: token(&mut self.neighbour, &self.globex.context()),
        };
        self.attacker.batch_execute("ROLLBACK").unwrap();
    }

    /// Commits whatever is left to commit.
    fn end(&mut self) {
        if self.attacker.batch_execute("COMMIT").is_err() {
            self.connect();
        }
    }

    /// A setting of the role's would be there for every later attack.
    fn connect_anew_unless_clean(&mut self) {
        let stored = texts(
            &mut self.superuser,
            "SELECT setconfig::text AS text FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
             WHERE d.datname = current_database() AND s.setrole <> 0",
        )
        .unwrap();
        if !stored.is_empty() {
            self.superuser
                .batch_execute(&format!(
                    "ALTER ROLE rowhouse_app IN DATABASE {} RESET ALL",
                    self.name
                ))
                .unwrap();
            self.connect();
        }
    }

    fn step(&mut self, step: &str) -> Result<Vec<String>, String> {
        if step == "\\copy" {
            return copied(&mut self.attacker);
        }
        if let Some(settings) = step.strip_prefix("\\connect") {
            return self.connect_with(settings.trim());
        }
        // Outside of a transaction there is no savepoint, and none is needed.
        let marked = self.attacker.batch_execute("SAVEPOINT attack").is_ok();
        let result = run(&mut self.attacker, step);
        if result.is_err() && !(marked && self.attacker.batch_execute("ROLLBACK TO attack").is_ok())
        {
            self.attacker.batch_execute("ROLLBACK").unwrap();
        }
        result.map_err(|error| told(&error))
    }

    fn connect(&mut self) {
        self.connect_with("").unwrap();
    }

    fn connect_with(&mut self, settings: &str) -> Result<Vec<String>, String> {
        self.attacker = PgConnection::establish(&url(&self.database, settings))
            .map_err(|error| error.to_string())?;
        Ok(Vec::new())
    }

    fn filled_in(&self, step: &str, kept: &str) -> String {
        let Tenant {
            id,
            account,
            session,
            member,
            project,
        } = &self.globex;
        let forged = format!(
            "{}_user_{}_{}_owner_0_{}",
            id.simple(),
            account.simple(),
            session.simple(),
            self.forged_mac
        );
        step.replace("{slot}", self.slot)
            .replace("{forged}", &forged)
            .replace("{own_spent_token}", &self.tokens.own)
            .replace("{spent_token_of_b}", &self.tokens.spent)
            .replace("{live_token_of_b}", &self.tokens.live)
            .replace("{own_seal}", kept)
            .replace(
                "{own_seal_for_b}",
                &kept.replace(&self.acme.id.to_string(), &id.to_string()),
            )
            .replace(
                "{seal_of_b}",
                &seal_key().seal(&self.globex.context(), 1, now()),
            )
            .replace("{database}", &self.name)
            .replace("{a}", &self.acme.id.to_string())
            .replace("{a_account}", &self.acme.account.to_string())
            .replace("{a_member}", &self.acme.member.to_string())
            .replace("{a_project}", &self.acme.project.to_string())
            .replace("{b}", &id.to_string())
            .replace("{b_account}", &account.to_string())
            .replace("{b_session}", &session.to_string())
            .replace("{b_member}", &member.to_string())
            .replace("{b_role}", &self.role.to_string())
            .replace("{b_invitation}", &self.invited.to_string())
            .replace("{b_project}", &project.to_string())
    }

    /// The same step for two things, of which one is the neighbour's: what each of them answers,
    /// without the thing's own name, in a transaction that leaves nothing.
    pub(super) fn answers(&mut self, step: &str, real: &str, made_up: &str) -> [String; 2] {
        let real = self.filled_in(real, "");
        [real.as_str(), made_up].map(|probe| {
            enter(&mut self.attacker, &self.acme.context()).unwrap();
            let step = self.filled_in(step, "").replace("{probe}", probe);
            let answer = match self.step(&step) {
                Ok(rows) => format!("{} rows", rows.len()),
                Err(error) => error.replace(probe, "…"),
            };
            self.attacker.batch_execute("ROLLBACK").unwrap();
            answer
        })
    }

    /// What the neighbour's owner sees on the attacker's connection.
    fn seen_by_globex(&mut self) -> Result<Vec<String>, String> {
        let seen = enter(&mut self.attacker, &self.globex.context()).and_then(|()| {
            texts(
                &mut self.attacker,
                "SELECT p::text AS text FROM (SELECT id, name, description FROM projects ORDER BY id) p
                 UNION ALL SELECT email FROM memberships UNION ALL SELECT slug FROM tenants UNION ALL SELECT name FROM resources",
            )
        });
        self.attacker.batch_execute("ROLLBACK").unwrap();
        seen.map_err(|error| told(&error))
    }
}

/// The token of a transaction that stays open until the next one on this connection.
fn token(conn: &mut PgConnection, context: &Context) -> String {
    conn.batch_execute("ROLLBACK").unwrap();
    enter(conn, context).unwrap();
    texts(conn, "SELECT current_setting('tenancy.context') AS text")
        .unwrap()
        .remove(0)
}

/// Reads each row that names this tenant, and its accounts.
fn rows_of(superuser: &mut PgConnection, tenant: Uuid) -> String {
    let tables = texts(
        superuser,
        "SELECT format('SELECT ''%s '' || t::text AS text FROM %1$s t WHERE %I = ''{tenant}''', attrelid::regclass, attname) AS text
         FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
         WHERE relkind = 'r' AND relnamespace IN ('public'::regnamespace, 'tenancy'::regnamespace) AND NOT attisdropped
             AND (attname IN ('tenant_id', 'tenant') OR (relname, attname) IN (('tenants', 'id'), ('accounts', 'home_tenant_id')))
         UNION ALL SELECT 'SELECT ''account '' || a::text AS text FROM accounts a JOIN memberships m ON m.account_id = a.id WHERE m.tenant_id = ''{tenant}'''",
    )
    .unwrap();
    assert!(tables.len() > 10, "{tables:?}");
    tables
        .join(" UNION ALL ")
        .replace("{tenant}", &tenant.to_string())
}

/// With what `TenantDb`'s connections bring along, and more settings.
fn url(database: &Database, settings: &str) -> String {
    let url = database.url("rowhouse_app").expose_secret().to_owned();
    let separator = if url.contains('?') { '&' } else { '?' };
    let mut options = "-c search_path=public -c row_security=on".to_owned();
    if !settings.is_empty() {
        options = format!("{options} -c {settings}");
    }
    let options = options.replace(' ', "%20").replace('=', "%3D");
    format!("{url}{separator}options={options}")
}

/// Many statements at once, which is what an attacker stacks, or one that may hand out rows.
fn run(conn: &mut PgConnection, step: &str) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        text: String,
    }
    if step.contains(';') {
        conn.batch_execute(step)?;
        return Ok(Vec::new());
    }
    match diesel::sql_query(step).load::<Row>(conn) {
        Err(Error::DeserializationError(error)) => panic!("{step}: {error}"),
        rows => Ok(rows?.into_iter().map(|row| row.text).collect()),
    }
}

/// COPY, which needs a client that speaks it.
fn copied(conn: &mut PgConnection) -> Result<Vec<String>, String> {
    diesel::table! { projects (id) { id -> Uuid, name -> Text } }
    let mut text = String::new();
    diesel::copy_to((projects::name,))
        .load_raw(conn)
        .map_err(|error| told(&error))?
        .read_to_string(&mut text)
        .map_err(|error| error.to_string())?;
    Ok(if text.is_empty() {
        Vec::new()
    } else {
        vec![text]
    })
}

/// All that an error tells.
fn told(error: &Error) -> String {
    match error {
        Error::DatabaseError(_, info) => [
            Some(info.message()),
            info.details(),
            info.hint(),
            info.table_name(),
            info.constraint_name(),
        ]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" | "),
        error => error.to_string(),
    }
}

/// Something in every table that a tenant has rows in.
fn belongings(tenant: &Tenant, slug: &str, prefix: &str, [invited, role]: [Uuid; 2]) -> String {
    let Tenant {
        id,
        account,
        member,
        project,
        ..
    } = tenant;
    format!(
        "UPDATE projects SET description = 'of {slug}' WHERE tenant_id = '{id}';
         INSERT INTO resources (tenant_id, id, project_id, name, created_by)
             VALUES ('{id}', gen_random_uuid(), '{project}', 'Resource of {slug}', '{member}');
         UPDATE resources SET type = 'changed' WHERE tenant_id = '{id}';
         INSERT INTO memberships (tenant_id, id, email, full_name, role, status)
             VALUES ('{id}', '{invited}', 'invited@{slug}.example', 'Invited', 'viewer', 'invited');
         INSERT INTO invitations (tenant_id, id, membership_id, expires_at) VALUES ('{id}', '{invited}', '{invited}', now() + interval '1 day');
         INSERT INTO roles (tenant_id, id, name, based_on, permissions) VALUES ('{id}', '{role}', '{slug}_staff', 'viewer', '{{projects:read}}');
         INSERT INTO jobs (tenant_id, id, kind, payload) VALUES ('{id}', '{role}', 'of_{slug}', '{{\"of\": \"{slug}\"}}');
         INSERT INTO idempotency_keys (tenant_id, actor_kind, actor_id, key, fingerprint, status, body)
             VALUES ('{id}', 'user', '{account}', 'kept_by_{slug}', decode(repeat('ab', 32), 'hex'), 200, 'answered to {slug}');
         INSERT INTO api_usage (tenant_id, month, calls) VALUES ('{id}', '2026-11-01', 7);
         ALTER TABLE api_keys DISABLE TRIGGER USER;
         INSERT INTO api_keys (tenant_id, id, name, prefix, hash, role, scopes, created_by)
             VALUES ('{id}', '{role}', 'Key of {slug}', '{prefix}', decode(repeat('ab', 32), 'hex'), 'viewer', '{{projects:read}}', '{member}');
         ALTER TABLE api_keys ENABLE TRIGGER USER;"
    )
}

//! One tenant table with a row of either canary, and the commands that are sent through it.

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use uuid::Uuid;

use super::Breach;
use crate::as_application;
use crate::context::Role;
use crate::error::Error;
use crate::verify::catalog::APP;
use crate::verify::literal;
use crate::verify::tenant_table::TenantTable;

const NOT_REFUSED: &str = "was NOT REFUSED";

const OURS: Uuid = Uuid::from_u128(0xca4a_71e0_0000_4000_8000_0000_0000_000a);
const NEIGHBOUR: Uuid = Uuid::from_u128(0xca4a_71e0_0000_4000_8000_0000_0000_000b);

/// Where the canaries live.
pub(super) struct Canary {
    table: String,
    tenant_column: String,
    columns: Vec<Column>,
    /// Whether the application may read at all.
    readable: bool,
    /// Whether the least role of all may write.
    anybody_writes: bool,
}

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    name: String,
    /// An expression that makes a value of the text `{canary}`.
    #[diesel(sql_type = Nullable<Text>)]
    value: Option<String>,
    #[diesel(sql_type = Bool)]
    required: bool,
    #[diesel(sql_type = Bool)]
    updatable: bool,
    #[diesel(sql_type = Bool)]
    readable: bool,
}

const COLUMNS: &str = "
SELECT quote_ident(a.attname) AS name, a.attnotnull AS required,
    has_column_privilege($2, a.attrelid, a.attnum, 'UPDATE') AS updatable,
    has_column_privilege($2, a.attrelid, a.attnum, 'SELECT') AS readable,
    CASE
        WHEN t.typcategory = 'A' THEN format('''{}''::%s', format_type(a.atttypid, a.atttypmod))
        WHEN t.typtype = 'e' THEN format('enum_first(NULL::%s)', t.oid::regtype)
        WHEN b.oid = 'uuid'::regtype THEN format('md5({canary} || %L)::uuid', a.attname)
        WHEN b.oid = 'bytea'::regtype THEN format('sha256(({canary} || %L)::bytea)', a.attname)
        WHEN b.oid IN ('json'::regtype, 'jsonb'::regtype) THEN '''{}'''
        WHEN b.oid IN ('inet'::regtype, 'cidr'::regtype) THEN '''192.0.2.1'''
        WHEN b.typcategory = 'S' THEN format('left({canary} || %L, %s)', a.attname,
            CASE WHEN a.atttypmod > 4 THEN a.atttypmod - 4 ELSE 60 END)
        WHEN b.typcategory = 'N' THEN '1'
        WHEN b.typcategory = 'B' THEN 'false'
        WHEN b.typcategory = 'D' THEN '''2000-01-01'''
        WHEN b.typcategory = 'T' THEN '''1 day'''
    END AS value
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_type b ON b.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END
WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity <> 'a'
ORDER BY a.attnum";

/// What stands in the way of made-up rows, and how what only rests is woken again. That owners are
/// bound too is for no command of the application's, and would bind whoever probes.
const PREPARATIONS: &str = "
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS before, NULL AS after
FROM pg_constraint WHERE conrelid = $1::regclass AND contype IN ('c', 'f')
UNION ALL
SELECT format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', $1::regclass), NULL
UNION ALL
SELECT format('ALTER TABLE %s DISABLE TRIGGER %I', tgrelid::regclass, tgname),
    format('ALTER TABLE %s ENABLE %s TRIGGER %I', tgrelid::regclass,
        CASE tgenabled WHEN 'A' THEN 'ALWAYS' WHEN 'R' THEN 'REPLICA' ELSE '' END, tgname)
FROM pg_trigger WHERE tgrelid = $1::regclass AND NOT tgisinternal AND tgenabled <> 'D'";

#[derive(QueryableByName)]
struct Preparation {
    #[diesel(sql_type = Text)]
    before: String,
    #[diesel(sql_type = Nullable<Text>)]
    after: Option<String>,
}

#[derive(QueryableByName)]
struct Seen {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

#[derive(QueryableByName)]
struct Rows {
    #[diesel(sql_type = Nullable<Text>)]
    text: Option<String>,
}

/// One command. It may reach this many rows: those of the canary whose context it is.
pub(super) struct Attack {
    sql: String,
    kind: Kind,
}

impl Attack {
    pub(super) fn sql(&self) -> &str {
        &self.sql
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Answers a number of rows, of which none may be the neighbour's.
    ReadsTheirs,
    /// Answers a number of rows: ours alone.
    ReadsAll,
    /// Changes rows, if any then ours.
    Writes,
    /// Hands out rows to where nobody looks: one of the neighbour's would be a division by zero.
    Copies,
    /// Must be refused, and would wait for rows if not.
    CopiesIn,
    /// Must be refused.
    Refused,
}

impl Canary {
    /// A row of either tenant in this table.
    pub(super) fn settle(conn: &mut PgConnection, table: &TenantTable) -> Result<Self, Error> {
        let preparations: Vec<Preparation> = diesel::sql_query(PREPARATIONS)
            .bind::<Text, _>(&table.name)
            .load(conn)?;
        for preparation in &preparations {
            conn.batch_execute(&preparation.before)?;
        }
        let columns: Vec<Column> = diesel::sql_query(COLUMNS)
            .bind::<Text, _>(&table.name)
            .bind::<Text, _>(APP)
            .load(conn)?;
        let canary = Self {
            table: table.name.clone(),
            tenant_column: table.tenant_column.clone(),
            anybody_writes: table.write_role == Role::Viewer,
            readable: columns.iter().any(|column| column.readable),
            columns,
        };
        for tenant in [OURS, NEIGHBOUR] {
            let tenant = tenant.to_string();
            conn.batch_execute(&canary.insert(&tenant, &tenant))?;
        }
        for after in preparations.iter().filter_map(|it| it.after.as_ref()) {
            conn.batch_execute(after)?;
        }
        Ok(canary)
    }

    pub(super) fn breach(&self, command: &str, outcome: String) -> Breach {
        Breach {
            table: self.table.clone(),
            command: command.to_owned(),
            outcome,
        }
    }

    /// A row of this tenant, the same for the same seed. A type of which nothing is known gets
    /// NULL, or its default.
    fn insert(&self, tenant: &str, seed: &str) -> String {
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for column in &self.columns {
            let value = if column.name == self.tenant_column {
                literal(tenant)
            } else {
                match &column.value {
                    Some(value) => value.replace("{canary}", &literal(seed)),
                    None if column.required => continue,
                    None => "NULL".to_owned(),
                }
            };
            names.push(column.name.as_str());
            values.push(value);
        }
        format!(
            "INSERT INTO {} ({}) VALUES ({})",
            self.table,
            names.join(", "),
            values.join(", ")
        )
    }

    pub(super) fn attacks(&self) -> Vec<Attack> {
        let Self {
            table,
            tenant_column,
            ..
        } = self;
        let column = self
            .columns
            .iter()
            .find(|column| column.updatable)
            .or_else(|| self.columns.iter().find(|c| c.name != *tenant_column))
            .map_or(tenant_column, |column| &column.name);
        let theirs = format!("{tenant_column} = '{NEIGHBOUR}'");
        let neighbour = NEIGHBOUR.to_string();
        let planted = self.insert(&neighbour, "planted");
        let taken = self.insert(&neighbour, &neighbour);
        [
            (
                Kind::ReadsTheirs,
                format!("SELECT count(*) AS number FROM {table} WHERE {theirs}"),
            ),
            (
                Kind::ReadsAll,
                format!("SELECT count(*) AS number FROM {table}"),
            ),
            (
                Kind::Writes,
                format!("UPDATE {table} SET {column} = {column} WHERE {theirs}"),
            ),
            (
                Kind::Writes,
                format!("UPDATE {table} SET {column} = {column}"),
            ),
            (
                Kind::Refused,
                format!("UPDATE {table} SET {tenant_column} = '{NEIGHBOUR}'"),
            ),
            (Kind::Writes, format!("DELETE FROM {table} WHERE {theirs}")),
            (Kind::Writes, format!("DELETE FROM {table}")),
            (Kind::Refused, planted.clone()),
            (Kind::Refused, format!("{taken} ON CONFLICT DO NOTHING")),
            (
                Kind::Refused,
                format!("{planted} RETURNING {tenant_column}"),
            ),
            (Kind::Refused, format!("TRUNCATE {table} CASCADE")),
            (Kind::CopiesIn, format!("COPY {table} FROM STDIN")),
            (
                Kind::Copies,
                format!(
                    "COPY (SELECT 1 / CASE WHEN {theirs} THEN 0 ELSE 1 END FROM {table}) TO STDOUT"
                ),
            ),
        ]
        .map(|(kind, sql)| Attack { sql, kind })
        .into()
    }

    /// Plays it and undoes it; answers what is wrong with what came of it.
    pub(super) fn play(
        &self,
        conn: &mut PgConnection,
        context: Option<Role>,
        attack: &Attack,
    ) -> Result<Option<String>, Error> {
        let before = self.rows(conn)?;
        conn.batch_execute("SAVEPOINT canary")?;
        match context {
            Some(role) => as_application::enter(conn, OURS, role)?,
            None => conn.batch_execute(&format!("SET LOCAL ROLE {APP}"))?,
        }
        let answer = self.send(conn, attack);
        let outcome = match answer {
            // The transaction has failed, which says it all.
            Ok(1) if attack.kind == Kind::Copies => {
                context.map(|_| "COPIED the neighbour's row".to_owned())
            }
            Ok(_) if attack.kind == Kind::CopiesIn => Some(NOT_REFUSED.to_owned()),
            Ok(number) => {
                conn.batch_execute("SET LOCAL ROLE NONE")?;
                self.judge(attack, context, number, before == self.rows(conn)?)
            }
            Err(error) => is_unclear(&error).then(|| format!("says nothing: {error}")),
        };
        conn.batch_execute("ROLLBACK TO SAVEPOINT canary; RELEASE SAVEPOINT canary")?;
        Ok(outcome)
    }

    fn send(&self, conn: &mut PgConnection, attack: &Attack) -> QueryResult<i64> {
        match attack.kind {
            Kind::ReadsTheirs | Kind::ReadsAll => {
                let seen: Seen = diesel::sql_query(&attack.sql).get_result(conn)?;
                Ok(seen.number)
            }
            Kind::Writes => {
                let number = diesel::sql_query(&attack.sql).execute(conn)?;
                Ok(i64::try_from(number).unwrap_or(i64::MAX))
            }
            Kind::Copies => {
                conn.batch_execute(&attack.sql)?;
                // What came is skipped, and what it ended with shows here.
                let seen = conn.batch_execute("SELECT").is_err();
                Ok(i64::from(seen))
            }
            Kind::CopiesIn | Kind::Refused => conn.batch_execute(&attack.sql).map(|()| 0),
        }
    }

    fn judge(
        &self,
        attack: &Attack,
        context: Option<Role>,
        number: i64,
        unchanged: bool,
    ) -> Option<String> {
        if !unchanged {
            return Some("CHANGED the neighbour's row".to_owned());
        }
        match (attack.kind, context) {
            (Kind::Refused, _) => Some(NOT_REFUSED.to_owned()),
            (Kind::ReadsTheirs, _) if number != 0 => {
                Some(format!("SAW {number} rows of the neighbour"))
            }
            (Kind::ReadsAll, Some(_)) if self.readable && number != 1 => {
                Some(format!("saw {number} rows, and has 1"))
            }
            (Kind::Writes, Some(Role::Viewer)) if number != 0 && !self.anybody_writes => {
                Some(format!("a viewer WROTE {number} rows"))
            }
            (_, None) => Some("was NOT REFUSED without a context".to_owned()),
            _ => None,
        }
    }

    /// The neighbour's, with the place of each: a row that is written anew as it was has another.
    fn rows(&self, conn: &mut PgConnection) -> Result<Option<String>, Error> {
        let rows: Rows = diesel::sql_query(format!(
            "SELECT string_agg(concat(t.ctid, t.*), E'\\n' ORDER BY t.ctid) AS text FROM {} t WHERE {} = '{NEIGHBOUR}'",
            self.table, self.tenant_column
        ))
        .get_result(conn)?;
        Ok(rows.text)
    }
}

/// Whether an error is another than a refusal by rights, policies or the kernel.
fn is_unclear(error: &DieselError) -> bool {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => true,
        DieselError::DatabaseError(_, info) => {
            let message = info.message();
            let kernel = info
                .constraint_name()
                .is_some_and(|name| name.starts_with("TN"));
            !kernel
                && !message.starts_with("permission denied")
                && !message.contains("row-level security")
        }
        _ => true,
    }
}

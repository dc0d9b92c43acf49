//! The connection that a closure sees: ordinary Diesel, inside one tenant's transaction, and
//! no way out of it. All of the delegation to Diesel's own connection stands in this file.

use std::marker::PhantomData;

use diesel::associations::HasTable;
use diesel::connection::{
    AnsiTransactionManager, CacheSize, Connection, ConnectionSealed, DefaultLoadingMode,
    Instrumentation, LoadConnection, SimpleConnection, TransactionManager,
    TransactionManagerStatus,
};
use diesel::dsl::Update;
use diesel::expression::{MixedAggregates, QueryMetadata, ValidGrouping, is_aggregate};
use diesel::pg::{GetPgMetadataCache, Pg, PgConnection, PgMetadataCache, PgQueryBuilder};
use diesel::query_builder::{
    AsChangeset, IntoUpdateTarget, Query, QueryBuilder as _, QueryFragment, QueryId,
};
use diesel::query_dsl::methods::LoadQuery;
use diesel::query_dsl::{RunQueryDsl as _, UpdateAndFetchResults};
use diesel::query_source::Table;
use diesel::result::{ConnectionError, ConnectionResult, Error as DieselError, QueryResult};

use uuid::Uuid;

use crate::session::Session;

/// A connection inside one tenant's transaction.
///
/// It takes every query that Diesel builds for PostgreSQL, `save_changes`, and `conn.transaction` for
/// savepoints. It refuses `batch_execute`, `establish`, COPY and SQL that controls transactions, and lacks
/// what Diesel has for a `PgConnection` alone: `build_transaction`, loading row by row, migrations. The
/// brand `'t` makes each connection a type of its own, so that two tenants' connections cannot be
/// swapped and none outlives its closure.
pub struct TenantConn<'t> {
    session: &'t mut Session,
    tenant: Uuid,
    /// The depth at which a statement failed and nobody has rolled back since.
    failed_at: Option<u32>,
    /// Whether SQL ran that Diesel did not build.
    pub(crate) untyped: bool,
    brand: PhantomData<fn(&'t ()) -> &'t ()>,
}

impl std::fmt::Debug for TenantConn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TenantConn")
            .field("failed_at", &self.failed_at)
            .finish_non_exhaustive()
    }
}

impl<'t> TenantConn<'t> {
    pub(crate) fn new(session: &'t mut Session, tenant: Uuid) -> Self {
        Self {
            session,
            tenant,
            failed_at: None,
            untyped: false,
            brand: PhantomData,
        }
    }

    /// The tenant whose transaction this is. Bind it where a row is inserted, and where the
    /// planner profits from a constant.
    #[must_use]
    pub fn tenant(&self) -> Uuid {
        self.tenant
    }

    /// Whether a statement failed that no savepoint has undone.
    pub(crate) fn has_failed(&mut self) -> bool {
        self.failed_at.is_some() || is_aborted(&mut self.session.conn)
    }

    /// How deep the savepoints are: 1 is the tenant's transaction, `None` that it has ended.
    pub(crate) fn depth(&mut self) -> Option<u32> {
        depth(&mut self.session.conn)
    }

    /// Whether the connection is gone, and the transaction with it.
    pub(crate) fn is_lost(&mut self) -> bool {
        AnsiTransactionManager::transaction_manager_status_mut(&mut self.session.conn)
            .transaction_depth()
            .is_err()
    }

    /// Refuses SQL that Diesel did not build and that would end the transaction or break the
    /// connection; remembers that such SQL ran.
    fn inspect(&mut self, source: &(impl QueryFragment<Pg> + QueryId)) -> QueryResult<()> {
        if source.is_safe_to_cache_prepared(&Pg)? {
            return Ok(());
        }
        self.untyped = true;
        let mut builder = PgQueryBuilder::new();
        source.to_sql(&mut builder, &Pg)?;
        if is_refused(&builder.finish()) {
            return Err(DieselError::QueryBuilderError(
                "transaction control and COPY are not for the work inside a tenant transaction"
                    .into(),
            ));
        }
        Ok(())
    }

    fn note_failure(&mut self) {
        note_failure(&mut self.failed_at, &mut self.session.conn);
    }
}

/// How deep in savepoints a connection is: 1 is a transaction without any, `None` none at all.
pub(crate) fn depth(conn: &mut PgConnection) -> Option<u32> {
    AnsiTransactionManager::transaction_manager_status_mut(conn)
        .transaction_depth()
        .ok()
        .flatten()
        .map(std::num::NonZeroU32::get)
}

/// Whether PostgreSQL has said that the transaction takes no more statements.
fn is_aborted(conn: &mut PgConnection) -> bool {
    AnsiTransactionManager::transaction_manager_status_mut(conn)
        .transaction_state()
        .ok()
        .and_then(|state| state.in_transaction.as_ref())
        .is_some_and(|transaction| transaction.requires_rollback_maybe_up_to_top_level)
}

fn note_failure(failed_at: &mut Option<u32>, conn: &mut PgConnection) {
    let depth = depth(conn).unwrap_or(1);
    *failed_at = Some(failed_at.map_or(depth, |before| before.min(depth)));
}

/// Whether the first word of this SQL is one that begins, ends or divides transactions, drops
/// prepared statements, or copies: until a COPY ends, libpq hands out one and the same result, of
/// which Diesel awaits the last.
fn is_refused(sql: &str) -> bool {
    const REFUSED: [&str; 12] = [
        "BEGIN",
        "START",
        "COMMIT",
        "END",
        "ROLLBACK",
        "ABORT",
        "SAVEPOINT",
        "RELEASE",
        "PREPARE",
        "DEALLOCATE",
        "DISCARD",
        "COPY",
    ];
    let mut rest = sql;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ';');
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment
                .split_once(['\n', '\r'])
                .map_or("", |(_, after)| after);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = after_block_comment(comment);
        } else {
            break;
        }
    }
    let word: String = rest.chars().take_while(char::is_ascii_alphabetic).collect();
    REFUSED
        .iter()
        .any(|refused| refused.eq_ignore_ascii_case(&word))
}

/// What follows a block comment, whose opening is already gone; they nest in PostgreSQL.
fn after_block_comment(comment: &str) -> &str {
    let mut open = 1_u32;
    let mut rest = comment;
    while open > 0 {
        match (rest.find("/*"), rest.find("*/")) {
            (Some(begin), Some(end)) if begin < end => {
                open = open.saturating_add(1);
                rest = rest.get(begin.saturating_add(2)..).unwrap_or_default();
            }
            (_, Some(end)) => {
                open = open.saturating_sub(1);
                rest = rest.get(end.saturating_add(2)..).unwrap_or_default();
            }
            (_, None) => return "",
        }
    }
    rest
}

impl SimpleConnection for TenantConn<'_> {
    /// Always refused: many statements in one string could leave the transaction.
    fn batch_execute(&mut self, _query: &str) -> QueryResult<()> {
        Err(DieselError::QueryBuilderError(
            "batch_execute is not for the work inside a tenant transaction".into(),
        ))
    }
}

impl ConnectionSealed for TenantConn<'_> {}

impl Connection for TenantConn<'_> {
    type Backend = Pg;
    type TransactionManager = Savepoints;

    /// Always refused: only [`TenantDb`](crate::TenantDb) makes connections.
    fn establish(_url: &str) -> ConnectionResult<Self> {
        Err(ConnectionError::BadConnection(
            "a TenantConn comes from TenantDb::run".to_owned(),
        ))
    }

    fn execute_returning_count<T>(&mut self, source: &T) -> QueryResult<usize>
    where
        T: QueryFragment<Pg> + QueryId,
    {
        self.inspect(source)?;
        let result = self.session.conn.execute_returning_count(source);
        if result.is_err() {
            self.note_failure();
        }
        result
    }

    fn transaction_state(&mut self) -> &mut AnsiTransactionManager {
        self.session.conn.transaction_state()
    }

    fn instrumentation(&mut self) -> &mut dyn Instrumentation {
        self.session.conn.instrumentation()
    }

    /// Ignored: it would stay on the connection and see the next tenant's queries.
    fn set_instrumentation(&mut self, _instrumentation: impl Instrumentation) {}

    /// Ignored: the cache belongs to the pool.
    fn set_prepared_statement_cache_size(&mut self, _size: CacheSize) {}
}

impl LoadConnection<DefaultLoadingMode> for TenantConn<'_> {
    type Cursor<'conn, 'query>
        = <PgConnection as LoadConnection<DefaultLoadingMode>>::Cursor<'conn, 'query>
    where
        Self: 'conn;
    type Row<'conn, 'query>
        = <PgConnection as LoadConnection<DefaultLoadingMode>>::Row<'conn, 'query>
    where
        Self: 'conn;

    fn load<'conn, 'query, T>(
        &'conn mut self,
        source: T,
    ) -> QueryResult<Self::Cursor<'conn, 'query>>
    where
        T: Query + QueryFragment<Pg> + QueryId + 'query,
        Pg: QueryMetadata<T::SqlType>,
    {
        self.inspect(&source)?;
        let result = LoadConnection::<DefaultLoadingMode>::load(&mut self.session.conn, source);
        if result.is_err() {
            note_failure(&mut self.failed_at, &mut self.session.conn);
        }
        result
    }
}

/// `save_changes`, as Diesel has it for its own connections.
impl<'query, Changes, Output> UpdateAndFetchResults<Changes, Output> for TenantConn<'_>
where
    Changes: Copy + AsChangeset<Target = <Changes as HasTable>::Table> + IntoUpdateTarget,
    Update<Changes, Changes>: LoadQuery<'query, Self, Output>,
    <Changes::Table as Table>::AllColumns: ValidGrouping<()>,
    <<Changes::Table as Table>::AllColumns as ValidGrouping<()>>::IsAggregate:
        MixedAggregates<is_aggregate::No, Output = is_aggregate::No>,
{
    fn update_and_fetch(&mut self, changes: Changes) -> QueryResult<Output> {
        diesel::update(changes).set(changes).get_result(self)
    }
}

impl GetPgMetadataCache for TenantConn<'_> {
    fn get_metadata_cache(&mut self) -> &mut PgMetadataCache {
        self.session.conn.get_metadata_cache()
    }
}

/// `conn.transaction` inside a tenant's transaction: savepoints only, never the transaction
/// itself.
#[derive(Debug)]
pub struct Savepoints;

impl<'t> TransactionManager<TenantConn<'t>> for Savepoints {
    type TransactionStateData = AnsiTransactionManager;

    fn begin_transaction(conn: &mut TenantConn<'t>) -> QueryResult<()> {
        if conn.depth().is_none() {
            return Err(DieselError::NotInTransaction);
        }
        let result = AnsiTransactionManager::begin_transaction(&mut conn.session.conn);
        if result.is_err() {
            conn.note_failure();
        }
        result
    }

    fn rollback_transaction(conn: &mut TenantConn<'t>) -> QueryResult<()> {
        let Some(depth @ 2..) = conn.depth() else {
            return Err(DieselError::NotInTransaction);
        };
        let result = AnsiTransactionManager::rollback_transaction(&mut conn.session.conn);
        match (&result, conn.failed_at) {
            // Diesel also answers `Ok` where PostgreSQL refused, if the transaction had failed.
            (Ok(()), Some(failed_at))
                if failed_at >= depth && !is_aborted(&mut conn.session.conn) =>
            {
                conn.failed_at = None;
            }
            (Ok(()), _) => {}
            (Err(_), _) => conn.note_failure(),
        }
        result
    }

    fn commit_transaction(conn: &mut TenantConn<'t>) -> QueryResult<()> {
        let Some(2..) = conn.depth() else {
            return Err(DieselError::NotInTransaction);
        };
        let result = AnsiTransactionManager::commit_transaction(&mut conn.session.conn);
        if result.is_err() {
            conn.note_failure();
        }
        result
    }

    fn transaction_manager_status_mut<'c>(
        conn: &'c mut TenantConn<'t>,
    ) -> &'c mut TransactionManagerStatus {
        AnsiTransactionManager::transaction_manager_status_mut(&mut conn.session.conn)
    }
}

#[cfg(test)]
mod tests {
    use super::is_refused;

    #[test]
    fn transaction_control_and_copy_are_seen_through_blanks_and_comments() {
        for sql in [
            "COMMIT",
            " \n;; commit and chain",
            "-- a word\nROLLBACK",
            "/* a /* nested */ one */ end",
            "Prepare x AS SELECT 1",
            "deallocate all",
            "COPY(SELECT 1) TO STDOUT",
        ] {
            assert!(is_refused(sql), "{sql}");
        }
        for sql in [
            "SELECT 'commit'",
            "-- COMMIT",
            "/* COMMIT */ SELECT 1",
            "WITH begin AS (SELECT 1) SELECT 1",
            "/*",
        ] {
            assert!(!is_refused(sql), "{sql}");
        }
    }
}

//! Five hundred transactions of two tenants over two connections, most of which go wrong in some
//! way: nobody sees a neighbour's row, and no connection stays behind.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;

use rowhouse_tests::seal_key;
use tenant_db::diesel::pg::Pg;
use tenant_db::diesel::prelude::*;
use tenant_db::diesel::query_builder::{AstPass, QueryFragment, QueryId};
use tenant_db::diesel::{self, QueryResult, sql_query};
use tenant_db::{Error, PoolSettings, TenantConn, TenantDb};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::fixtures::{Scene, Tenant, eventually, number, pid, projects};
use crate::threads::queue;

const TRANSACTIONS: usize = 500;

/// What a transaction does, and so how it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Deed {
    Commits,
    Reads,
    Errs,
    Panics,
    PanicsInASavepoint,
    Swallows,
    SwallowsAPrepare,
    UndoesASavepoint,
    RunsUntypedSql,
    Taints,
    TriesToCommit,
    EndsEarly,
    LeavesASavepointOpen,
    NamesTheNeighbour,
    IsDeserted,
    IsDesertedAtWork,
    TakesTooLong,
}

const DEEDS: [Deed; 16] = [
    Deed::Commits,
    Deed::Reads,
    Deed::Errs,
    Deed::Panics,
    Deed::PanicsInASavepoint,
    Deed::Swallows,
    Deed::SwallowsAPrepare,
    Deed::UndoesASavepoint,
    Deed::RunsUntypedSql,
    Deed::Taints,
    Deed::TriesToCommit,
    Deed::EndsEarly,
    Deed::LeavesASavepointOpen,
    Deed::NamesTheNeighbour,
    Deed::IsDeserted,
    Deed::IsDesertedAtWork,
];

impl Deed {
    /// Those that take a second are few.
    fn of(number: usize) -> Self {
        if number % 125 == 60 {
            Self::TakesTooLong
        } else {
            DEEDS[number % DEEDS.len()]
        }
    }

    /// Whether its row is there in the end; `None` where that depends.
    fn writes(self) -> Option<bool> {
        match self {
            Self::Commits
            | Self::UndoesASavepoint
            | Self::RunsUntypedSql
            | Self::Taints
            | Self::TriesToCommit
            | Self::IsDesertedAtWork => Some(true),
            // It committed by itself; that is what is reported.
            Self::EndsEarly => Some(true),
            Self::IsDeserted => None,
            _ => Some(false),
        }
    }

    fn is_right(self, result: &Result<(), Error>) -> bool {
        match self {
            Self::Commits
            | Self::Reads
            | Self::UndoesASavepoint
            | Self::RunsUntypedSql
            | Self::Taints
            | Self::TriesToCommit => result.is_ok(),
            Self::Errs => matches!(result, Err(Error::Query(_))),
            Self::Panics | Self::PanicsInASavepoint => matches!(result, Err(Error::Panicked)),
            Self::Swallows | Self::SwallowsAPrepare => matches!(result, Err(Error::Swallowed)),
            Self::EndsEarly | Self::LeavesASavepointOpen => {
                matches!(result, Err(Error::EndedEarly))
            }
            Self::NamesTheNeighbour => matches!(result, Err(Error::Violation(_))),
            Self::TakesTooLong => matches!(result, Err(Error::Timeout(_))),
            Self::IsDeserted | Self::IsDesertedAtWork => true,
        }
    }
}

diesel::table! {
    #[sql_name = "projects"]
    mistaken (id) {
        id -> Uuid,
        colour -> Text,
    }
}

/// A COMMIT that `TenantConn` takes for a query of Diesel's.
#[derive(QueryId)]
struct Commit;

impl QueryFragment<Pg> for Commit {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        pass.push_sql("COMMIT");
        Ok(())
    }
}

impl<C> diesel::RunQueryDsl<C> for Commit {}

/// One transaction: who, what, and the name of the row that it adds.
#[derive(Clone)]
struct Story {
    tenant: Tenant,
    neighbour: Tenant,
    deed: Deed,
    name: String,
    /// Rows of somebody else, as `seen by: of`.
    foreign: Arc<Mutex<Vec<(Uuid, Uuid)>>>,
}

impl Story {
    /// Takes down every tenant whose rows are seen.
    fn look(&self, conn: &mut TenantConn<'_>) -> QueryResult<()> {
        let seen: Vec<Uuid> = projects::table
            .select(projects::tenant_id)
            .distinct()
            .load(conn)?;
        let foreign = seen.into_iter().filter(|id| *id != self.tenant.id);
        let mut all = self.foreign.lock().unwrap();
        all.extend(foreign.map(|id| (self.tenant.id, id)));
        Ok(())
    }

    fn tell(&self, conn: &mut TenantConn<'_>) -> Result<(), Error> {
        self.look(conn)?;
        if self.deed == Deed::Reads {
            return Ok(());
        }
        self.tenant.add(conn, &self.name)?;
        match self.deed {
            Deed::Errs => drop(sql_query("SELECT 1 / 0").execute(conn)?),
            Deed::Panics => panic!("on purpose"),
            Deed::PanicsInASavepoint => conn.transaction(|conn| {
                self.tenant.add(conn, "Deeper")?;
                if self.name.is_empty() {
                    return Ok::<(), Error>(());
                }
                panic!("on purpose")
            })?,
            Deed::Swallows => drop(sql_query("SELECT 1 / 0").execute(conn)),
            Deed::SwallowsAPrepare => {
                drop(
                    mistaken::table
                        .select(mistaken::colour)
                        .load::<String>(conn),
                );
            }
            Deed::UndoesASavepoint => {
                let inner = conn.transaction(|conn| {
                    self.tenant.add(conn, "Deeper")?;
                    conn.transaction(|conn| sql_query("SELECT 1 / 0").execute(conn))
                });
                assert!(inner.is_err());
            }
            Deed::RunsUntypedSql => drop(sql_query("SET statement_timeout = 0").execute(conn)?),
            Deed::Taints => drop(sql_query("LISTEN x").execute(conn)?),
            Deed::TriesToCommit => assert!(sql_query("COMMIT").execute(conn).is_err()),
            Deed::EndsEarly => {
                Commit.execute(conn)?;
                // Nothing is to be had any more.
                assert!(self.look(conn).is_err());
                return Ok(());
            }
            Deed::LeavesASavepointOpen => {
                use tenant_db::diesel::connection::TransactionManager as _;
                tenant_db::Savepoints::begin_transaction(conn)?;
            }
            Deed::NamesTheNeighbour => drop(self.neighbour.add(conn, &self.name)?),
            Deed::TakesTooLong => drop(sql_query("SELECT pg_sleep(60)").execute(conn)?),
            Deed::Commits | Deed::Reads | Deed::IsDeserted | Deed::IsDesertedAtWork => {}
        }
        if self.deed.writes() == Some(true) {
            self.look(conn)?;
        }
        Ok(())
    }

    async fn run(self, db: TenantDb) -> (Deed, Result<(), Error>) {
        let (deed, context) = (self.deed, self.tenant.context());
        let result = match deed {
            Deed::IsDeserted => {
                queue(pin!(db.run(context, move |conn| self.tell(conn))));
                Ok(())
            }
            Deed::IsDesertedAtWork => {
                let (started, starts) = tokio::sync::oneshot::channel();
                let (release, released) = mpsc::channel::<()>();
                {
                    let mut deserted = pin!(db.run(context, move |conn| {
                        started.send(()).unwrap();
                        let _ = released.recv();
                        self.tell(conn)
                    }));
                    queue(deserted.as_mut());
                    starts.await.unwrap();
                }
                drop(release);
                Ok(())
            }
            Deed::Reads => db.read(context, move |conn| self.tell(conn)).await,
            _ => db.run(context, move |conn| self.tell(conn)).await,
        };
        (deed, result)
    }
}

/// Until each connection has served both tenants: two transactions at a time, one on each.
fn serve_both_tenants_on_each(db: &TenantDb, tenants: [Tenant; 2]) -> BTreeSet<i32> {
    let mut served: BTreeMap<i32, BTreeSet<Uuid>> = BTreeMap::new();
    let mut order = tenants;
    eventually("both connections have served both tenants", || {
        order.reverse();
        let together = Arc::new(Barrier::new(2));
        let runs = order.map(|tenant| {
            let (db, together) = (db.clone(), Arc::clone(&together));
            thread::spawn(move || {
                db.run_blocking(tenant.context(), move |conn| {
                    together.wait();
                    let seen: Vec<Uuid> = projects::table
                        .select(projects::tenant_id)
                        .distinct()
                        .load(conn)?;
                    assert_eq!(seen, [tenant.id]);
                    Ok::<_, Error>((pid(conn)?, tenant.id))
                })
                .unwrap()
            })
        });
        for run in runs {
            let (pid, tenant) = run.join().unwrap();
            served.entry(pid).or_default().insert(tenant);
        }
        served
            .values()
            .all(|tenants| tenants.len() == 2)
            .then_some(())
    });
    served.into_keys().collect()
}

#[test]
fn of_five_hundred_transactions_most_of_which_fail_none_harms_another() {
    let scene = Scene::new();
    let db = TenantDb::connect(
        scene.database.url("rowhouse_app"),
        seal_key(),
        &PoolSettings {
            connections: 2,
            statement_timeout_seconds: 1,
            queue_timeout_seconds: 120,
            ..PoolSettings::default()
        },
    )
    .unwrap();
    let foreign = Arc::new(Mutex::new(Vec::new()));
    let stories: Vec<Story> = (0..TRANSACTIONS)
        .map(|number| {
            // So that each deed falls to both.
            let (tenant, neighbour) = if (number + number / DEEDS.len()).is_multiple_of(2) {
                (scene.acme, scene.globex)
            } else {
                (scene.globex, scene.acme)
            };
            Story {
                tenant,
                neighbour,
                deed: Deed::of(number),
                name: format!("{number} of {}", tenant.id),
                foreign: Arc::clone(&foreign),
            }
        })
        .collect();

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let ends = runtime.block_on(async {
        let mut runs = JoinSet::new();
        for story in stories.clone() {
            runs.spawn(story.run(db.clone()));
        }
        runs.join_all().await
    });
    for (deed, result) in &ends {
        assert!(deed.is_right(result), "{deed:?}: {result:?}");
    }

    let pids = serve_both_tenants_on_each(&db, [scene.acme, scene.globex]);
    assert_eq!(*foreign.lock().unwrap(), [], "(seen by, of)");
    let written: BTreeSet<String> = scene.names().into_iter().collect();
    assert_eq!(written.len(), scene.names().len());
    for story in &stories {
        let is_there = written.contains(&story.name);
        let told = format!("{:?} {}", story.deed, story.name);
        assert!(
            story.deed.writes().is_none_or(|wrote| wrote == is_there),
            "{told}"
        );
    }
    assert!(!written.contains("Deeper"));
    let crossed = "(SELECT count(*) FROM projects WHERE name NOT LIKE '% of ' || tenant_id)";
    assert_eq!(number(&mut scene.database.superuser(), crossed), 0);

    // Whoever was dropped is gone, and nobody stays in a transaction.
    assert!(pids.len() >= 2);
    let ours = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'rowhouse_app'";
    eventually("two idle connections are left", || {
        let mut superuser = scene.database.superuser();
        let all = number(&mut superuser, &format!("({ours})"));
        let idle = number(&mut superuser, &format!("({ours} AND state = 'idle')"));
        ((all, idle) == (2, 2)).then_some(())
    });
}

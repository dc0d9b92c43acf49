//! PostgreSQL is gone, and comes back.

use tenant_db::Error;
use uuid::Uuid;

use crate::fixtures::eventually;
use crate::own_cluster::{OwnCluster, titles, write};

const TENANT: Uuid = Uuid::from_u128(10);
const OTHER: Uuid = Uuid::from_u128(20);

#[test]
fn while_postgresql_is_gone_transactions_fail_in_time_and_afterwards_succeed_again() {
    let mut cluster = OwnCluster::start();
    let db = cluster.connect(3);
    let (mut acknowledged, mut unknown) = (0, 0);
    for round in 0..2 {
        write(&db, TENANT, &format!("Before outage {round}")).unwrap();
        cluster.kill();
        // Backends outlive their postmaster for a moment, and what they answer holds.
        eventually("the last backend has noticed", || {
            match write(&db, OTHER, "While it went down") {
                Ok(()) => {
                    acknowledged += 1;
                    None
                }
                Err(Error::OutcomeUnknown(_)) => {
                    unknown += 1;
                    None
                }
                Err(Error::Unavailable(_)) => Some(()),
                Err(error) => panic!("{error:?}"),
            }
        });
        // More callers than connections: each gets an answer.
        let callers: Vec<_> = (0..12)
            .map(|_| {
                let db = db.clone();
                std::thread::spawn(move || write(&db, TENANT, "During an outage"))
            })
            .collect();
        for caller in callers {
            let result = caller.join().unwrap();
            assert!(
                matches!(result, Err(Error::Unavailable(_) | Error::Busy)),
                "{result:?}"
            );
        }
        cluster.start_again();
        eventually("the same pool works again", || {
            match write(&db, TENANT, &format!("After outage {round}")) {
                Ok(()) => Some(()),
                Err(Error::Unavailable(_)) => None,
                Err(error) => panic!("{error:?}"),
            }
        });
        // From now on there is no error left over in the pool.
        for _ in 0..9 {
            assert!(titles(&db, OTHER).is_ok());
        }
    }
    assert_eq!(
        titles(&db, TENANT).unwrap(),
        [
            "After outage 0",
            "After outage 1",
            "Before outage 0",
            "Before outage 1"
        ]
    );
    let written = titles(&db, OTHER).unwrap().len();
    assert!((acknowledged..=acknowledged + unknown).contains(&written));
}

#[test]
fn a_pool_for_a_postgresql_that_is_gone_is_not_made() {
    let cluster = OwnCluster::start();
    cluster.kill();
    let result = tenant_db::TenantDb::connect(
        cluster.url("rowhouse_app"),
        rowhouse_tests::seal_key(),
        &tenant_db::PoolSettings::default(),
    );
    assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
}

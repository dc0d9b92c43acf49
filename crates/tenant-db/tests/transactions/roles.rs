//! A role that could see past the policies gets no pool.

use rowhouse_tests::seal_key;
use tenant_db::diesel::connection::SimpleConnection as _;
use tenant_db::{Error, PoolSettings, TenantDb};

use crate::own_cluster::OwnCluster;

#[test]
fn a_role_that_could_see_past_the_policies_is_refused_by_name() {
    let cluster = OwnCluster::start();
    let mut superuser = cluster.superuser();
    for (role, make, expected) in [
        (
            "a_superuser",
            "CREATE ROLE a_superuser LOGIN SUPERUSER",
            "is a superuser",
        ),
        (
            "a_bypasser",
            "CREATE ROLE a_bypasser LOGIN BYPASSRLS",
            "can bypass Row-Level Security",
        ),
        (
            "a_member_of_the_owner",
            "CREATE ROLE a_member_of_the_owner LOGIN IN ROLE rowhouse_owner",
            "can bypass Row-Level Security",
        ),
        (
            "a_member_that_does_not_inherit",
            "CREATE ROLE a_member_that_does_not_inherit LOGIN NOINHERIT IN ROLE rowhouse_owner",
            "can bypass Row-Level Security",
        ),
        (
            "a_slot_writer",
            "CREATE ROLE a_slot_writer LOGIN; GRANT SET ON PARAMETER backtrace_functions TO a_slot_writer",
            "can write the tenant context",
        ),
        (
            "a_member_of_a_slot_writer",
            "CREATE ROLE a_member_of_a_slot_writer LOGIN NOINHERIT IN ROLE a_slot_writer",
            "can write the tenant context",
        ),
        (
            "a_member_of_the_kernel",
            "CREATE ROLE a_member_of_the_kernel LOGIN NOINHERIT IN ROLE rowhouse_tenancy",
            "can write the tenant context",
        ),
        (
            "a_table_owner",
            "CREATE ROLE a_table_owner LOGIN; CREATE TABLE owned (); ALTER TABLE owned OWNER TO a_table_owner",
            "owns tables",
        ),
        (
            "a_maker_of_roles",
            "CREATE ROLE a_maker_of_roles LOGIN CREATEROLE",
            "can create roles",
        ),
        (
            "a_reader_of_files",
            "CREATE ROLE a_reader_of_files LOGIN IN ROLE pg_read_server_files",
            "can reach the server's files or programs",
        ),
    ] {
        superuser.batch_execute(make).unwrap();
        let settings = PoolSettings::default();
        match TenantDb::connect(cluster.url(role), seal_key(), &settings) {
            Err(Error::RoleCanBypass {
                role: named,
                reason,
            }) => {
                assert_eq!((named.as_str(), reason), (role, expected));
            }
            result => panic!("{role}: {result:?}"),
        }
    }
    cluster.connect(1);
}

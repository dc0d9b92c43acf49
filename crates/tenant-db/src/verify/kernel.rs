//! What tenant-db itself brings into a database: the declared side of its bootstrap and of its
//! migrations, and the first entries of every catalog.

use super::catalog::{APP, Catalog, OWNER, Part, Table};
use super::function::Function;

/// The role that owns schema `tenancy` and alone may write the slot.
const TENANCY: &str = "rowhouse_tenancy";

/// What decides who may enter a context.
pub(super) const AUTHORIZE: &str = "tenancy.authorize(text,uuid,text,uuid,text,integer)";

/// Where the functions are defined.
pub(super) const SCRIPT: &str = include_str!("../../migrations/00000000000000_tenancy/up.sql");

/// The digest of the `tenancy.authorize` that the migration ships for embedders to replace.
pub(super) const ALLOWS_ALL: &str =
    "c54d99b8a3597e09f649565d4ecdb3ac151e74c678bbf39aa8e21e6159f70130";

pub(super) fn catalog() -> Catalog {
    let catalog = Catalog::empty()
        .role(OWNER, Part::Owner)
        .definer_role(TENANCY)
        .login_role(APP)
        .schema("tenancy", TENANCY)
        .grant("USAGE", "SCHEMA tenancy", OWNER)
        .grant("USAGE", "SCHEMA tenancy", APP)
        .grant("USAGE, CREATE", "SCHEMA public", OWNER)
        .grant("USAGE", "SCHEMA public", APP)
        .grant("CONNECT", "DATABASE", APP)
        .grant("SET", "PARAMETER backtrace_functions", TENANCY)
        .grant("USAGE", "LANGUAGE plpgsql", OWNER)
        .grant("USAGE", "LANGUAGE plpgsql", TENANCY)
        .grant("USAGE", "LANGUAGE sql", OWNER)
        .grant("USAGE", "LANGUAGE sql", TENANCY)
        .table(Table::new("tenancy.seal_key", TENANCY))
        .object("extension", "plpgsql")
        .script(SCRIPT);
    functions().into_iter().fold(catalog, Catalog::function)
}

fn functions() -> [Function; 19] {
    [
        Function::invoker(
            "tenancy.refuse(text,text)",
            TENANCY,
            "bb891ba70940af62b3d19c5a071bb6903f5bc323f0a33c4973c1da17179607d5",
        )
        .callers(&[OWNER, APP]),
        Function::invoker(
            "tenancy.no_context()",
            TENANCY,
            "6cd68d84daab20c96b8ec9e625f17ec65e4f6cc1dde93166e04a808557103ed3",
        )
        .callers(&[OWNER, APP]),
        Function::inline(
            "tenancy.slot()",
            TENANCY,
            "f64c9a0a6de631ea4f48cf045e4a767f321e30c80cb26e0de692e84347746404",
        )
        .callers(&[OWNER, APP]),
        Function::inline(
            "tenancy.current_tenant()",
            TENANCY,
            "15c0c74ed097ae5d07d374aac0262075367214880f07d35c8952644a23965300",
        )
        .callers(&[OWNER, APP]),
        Function::inline(
            "tenancy.current_kind()",
            TENANCY,
            "64e99219d832430bde3eee34a39a94b4226e964cde47c1b97ace9f4de98a7688",
        )
        .callers(&[OWNER, APP]),
        Function::inline(
            "tenancy.current_actor()",
            TENANCY,
            "1afb2bc8a15bc8b01ea7d554f3db187383c68019173229f5fda60703e57df086",
        )
        .callers(&[OWNER, APP]),
        Function::inline(
            "tenancy.current_session()",
            TENANCY,
            "a5a1e3ab6f6e953589044b43abab349db757d9b510eda715021a02ae0d965df4",
        )
        .callers(&[OWNER, APP]),
        Function::inline(
            "tenancy.current_role_name()",
            TENANCY,
            "3b6e7c99ed86feda50a61f0ba4f18ef837b4ffe8425e0eddd3f4783e3a74dee6",
        )
        .callers(&[OWNER, APP]),
        Function::inline(
            "tenancy.current_role_version()",
            TENANCY,
            "672d3cecc50691394ece51553951edd1ddec4cbae5e7434e14c5a981f8b8829f",
        )
        .callers(&[OWNER, APP]),
        Function::inline(
            "tenancy.current_request_id()",
            TENANCY,
            "00d1e0775f8f6c1df1857f48ba2cad1f831495957c35e78c7822619caf975159",
        )
        .callers(&[OWNER, APP]),
        Function::inline(
            "tenancy.current_address()",
            TENANCY,
            "ae4eb1771a91366ac5c9dda4f9c346a893f0fb63dfcf24a3d1cd5db3b297dbe5",
        )
        .callers(&[OWNER, APP]),
        Function::inline(
            "tenancy.role_rank(text)",
            TENANCY,
            "a10f2e5dbd2ea0259f1632ea06a702a974fa5bfbe78b2edeb2655172eb83ad75",
        )
        .callers(&[OWNER, APP]),
        Function::inline(
            "tenancy.allows(text)",
            TENANCY,
            "6fa94dc2f4123849bd2bedd252ec930cbb0ad6e5ed5e393e4480d3d4e15e0fc6",
        )
        .callers(&[OWNER, APP]),
        Function::invoker(AUTHORIZE, TENANCY, ALLOWS_ALL),
        Function::definer(
            "tenancy.enter(text)",
            TENANCY,
            "a261432adc50abbd36c9962f6b8c208906a0ec2f0e676b53b2d6fbee6e8e5440",
        )
        .callers(&[APP]),
        Function::definer(
            "tenancy.assert_clean()",
            TENANCY,
            "afbe2dffb107f21e487b0593173fcc5e1884182655a9e98ca0877347ee6b0fe4",
        )
        .callers(&[APP]),
        Function::invoker(
            "tenancy.guard_write()",
            TENANCY,
            "cfcfb07fda56ff022a52ef69f1cd89f0225c5153d6d5e5b912530816467200da",
        )
        .callers(&[OWNER, APP]),
        Function::invoker(
            "tenancy.blind_statistics(regclass)",
            TENANCY,
            "a3f89eb46ecc9c8b7b7578286147bed10183b1ecc4dcf7b29b6dfd5d70037ec1",
        )
        .callers(&[OWNER]),
        Function::invoker(
            "tenancy.protect(regclass,text,name,name,text[],name[],name,boolean)",
            TENANCY,
            "a1c3511950b2b04961e51b8ef0cce88569c4def07e1ac44d091d1b39ae4071eb",
        )
        .callers(&[OWNER]),
    ]
}

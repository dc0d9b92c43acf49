//! What tenant-db itself brings into a database: the declared side of its bootstrap and of its
//! migrations, and the first entries of every catalog.

use super::audit;
use super::catalog::{APP, Catalog, OWNER, Part, Table};
use super::function::Function;
use crate::level::Level;

/// The role that owns schema `tenancy` and alone may write the slot.
pub(super) const TENANCY: &str = "rowhouse_tenancy";

/// The parameter that holds the context.
pub(super) const SLOT: &str = "PARAMETER backtrace_functions";

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
        .grant("SET", SLOT, TENANCY)
        .grant("USAGE", "LANGUAGE plpgsql", OWNER)
        .grant("USAGE", "LANGUAGE plpgsql", TENANCY)
        .grant("USAGE", "LANGUAGE sql", OWNER)
        .grant("USAGE", "LANGUAGE sql", TENANCY)
        .table(Table::new("tenancy.seal_key", TENANCY))
        .key("tenancy.seal_key", "seal_key_pkey", "PRIMARY KEY (kid)")
        .object("extension", "plpgsql")
        .script(of_full());
    audit::declare(functions().into_iter().fold(catalog, Catalog::function))
}

/// The same catalog for a database of this level.
pub(super) fn at(level: Level, catalog: &Catalog) -> Catalog {
    let mut catalog = catalog.clone();
    if level == Level::Full {
        return catalog;
    }
    catalog
        .grants
        .retain(|grant| !grant.object.starts_with("LANGUAGE ") && grant.object != SLOT);
    // Before those of a service, whose functions count more.
    for script in &mut catalog.scripts {
        if *script == of_full() {
            *script = SCRIPT;
        }
    }
    managed_functions().into_iter().fold(
        catalog
            .table(Table::new("tenancy.context_key", TENANCY))
            .key(
                "tenancy.context_key",
                "context_key_pkey",
                "PRIMARY KEY (only_one)",
            ),
        Catalog::function,
    )
}

/// The part of [`SCRIPT`] that runs at every level.
pub(super) fn of_full() -> &'static str {
    SCRIPT
        .split_once("\n-- Level managed")
        .map_or(SCRIPT, |(full, _)| full)
}

fn managed_functions() -> [Function; 8] {
    [
        Function::inline(
            "tenancy.level()",
            TENANCY,
            "9afdf5083de131da049127677dbfc845814fcc37acbd605b1cbce2ff16d0d0d9",
        )
        .callers(&[OWNER, APP]),
        Function::definer(
            "tenancy.slot()",
            TENANCY,
            "0cb80a7453057542dbcaecf46d41bad98f5ae7b64671615559f12a5ae70e86ab",
        )
        .callers(&[OWNER, APP]),
        Function::inline(
            "tenancy.current_tenant()",
            TENANCY,
            "4399913c4b219be078d0f5b39c159c253c380d1e99c6c148a3a17ea8acc8a802",
        )
        .callers(&[OWNER, APP]),
        Function::definer(
            "tenancy.has_context()",
            TENANCY,
            "3c7eb02b6591cdf32f288c3037e5205a1a3e5e2326650493cfae1f3990e40fa3",
        )
        .callers(&[OWNER, APP]),
        Function::invoker(
            "tenancy.is_entered()",
            TENANCY,
            "b3c069f6e44a3d20a63df11310f75bb7a8822ea4b25404baedee9cf697467695",
        ),
        Function::invoker(
            "tenancy.fill_slot(text)",
            TENANCY,
            "411400c4744e7cebb0b09f9b7a875cc2941b26392215d2af4cbb6de17b32b82b",
        ),
        Function::inline(
            "tenancy.context_mac(bytea,bytea,text)",
            TENANCY,
            "1dfc737eb34849666a6e9e179db5bacd7c8c73a2ca1eef2c2a096badbad9dcaa",
        ),
        Function::invoker(
            "tenancy.renew_context_key()",
            TENANCY,
            "06055a8113d975cb3d7372020b5c19f8b17b88cc1a2f37d41e247115d2ddd64a",
        ),
    ]
}

fn functions() -> [Function; 24] {
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
            "tenancy.level()",
            TENANCY,
            "2466665a970fbc101de515fbd0ba5e38da05285637d364edfa54983f6fd75d8d",
        )
        .callers(&[OWNER, APP]),
        Function::inline(
            "tenancy.has_context()",
            TENANCY,
            "8b6b2f07a5a6c4078b46f07cda0176140b6c75735b6001824d140677089616cb",
        )
        .callers(&[OWNER, APP]),
        Function::inline(
            "tenancy.is_entered()",
            TENANCY,
            "8b6b2f07a5a6c4078b46f07cda0176140b6c75735b6001824d140677089616cb",
        ),
        Function::inline(
            "tenancy.fill_slot(text)",
            TENANCY,
            "12c4e8aafe8e0d74784bf641753f02dddc7dc3a0a652a5616625094cd2cab236",
        ),
        Function::inline(
            "tenancy.current_tenant()",
            TENANCY,
            "15c0c74ed097ae5d07d374aac0262075367214880f07d35c8952644a23965300",
        )
        .callers(&[OWNER, APP]),
        Function::inline(
            "tenancy.current_kind()",
            TENANCY,
            "6d5c592d61353684fed7e217b966127b588d94cc1a01fde3f4bf344810e247bd",
        )
        .callers(&[OWNER, APP]),
        Function::inline(
            "tenancy.current_actor()",
            TENANCY,
            "3eef495263471ec031b3e9acee881536f81aac69d775d0803b2bdf8ab0c66932",
        )
        .callers(&[OWNER, APP]),
        Function::inline(
            "tenancy.current_session()",
            TENANCY,
            "07796aeda4bad6927e0f1b5f89493be48d1ea5b3e68e2c5848ba889e0b685514",
        )
        .callers(&[OWNER, APP]),
        Function::inline(
            "tenancy.current_role_name()",
            TENANCY,
            "abfc99120ac402b6b2f5dcdce9d3c2dbbd7a9c35bc25d1e43840e70d2e4de4c0",
        )
        .callers(&[OWNER, APP]),
        Function::inline(
            "tenancy.current_role_version()",
            TENANCY,
            "23cf18fcd7279be7b6c5cb3b804dcec262d6b80777783fab47e1769e3dcd388b",
        )
        .callers(&[OWNER, APP]),
        Function::inline(
            "tenancy.current_request_id()",
            TENANCY,
            "9af97f6fff1f2566d6468816de316fa95c81df950471ebaff13dc7ba1fab3720",
        )
        .callers(&[OWNER, APP]),
        Function::inline(
            "tenancy.current_address()",
            TENANCY,
            "d64c4792ed5ecab8ba78d9c0fa4c5d999a74baae8c59a72bbc503dcc68fbbf9e",
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
            "c69058c2202a01cc0d530ea7e7a5d4c287517a94b1434344efcde4a9f6422680",
        )
        .callers(&[OWNER, APP]),
        Function::invoker(AUTHORIZE, TENANCY, ALLOWS_ALL),
        Function::definer(
            "tenancy.enter(text)",
            TENANCY,
            "e54f94a4cb80d509b41e9c851856722990e3c5ddc7a7a22624616c176e573bb2",
        )
        .callers(&[APP]),
        Function::definer(
            "tenancy.seal_flaw(text)",
            TENANCY,
            "ce8113ec1dab354c14046dd53aa2cc5aa2689aa8de1e1341302de77adae77a76",
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
            "0a72e81c8f9dfb71df26a404ebe1c13d2339807582889b30acc8ebe1cee36886",
        )
        .callers(&[OWNER, APP]),
        Function::invoker(
            "tenancy.blind_statistics(regclass)",
            TENANCY,
            "a3f89eb46ecc9c8b7b7578286147bed10183b1ecc4dcf7b29b6dfd5d70037ec1",
        )
        .callers(&[OWNER]),
        Function::invoker(
            "tenancy.protect(regclass,text,name,name,text[],name[],name,boolean,boolean,name[],name[])",
            TENANCY,
            "037cce5f358fc8461acabab70405f6d9c60db6b42e91b0be1cd80dd4677b8c2b",
        )
        .callers(&[OWNER]),
    ]
}

//! The context: forging it, leaving the transaction that it holds for.

use super::{Attack, FORGE, Holds, Leaks, Own, READ, Refused, attack};

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "context forged",
        &[FORGE],
        Refused("permission denied"),
        Holds,
    ),
    attack("context forged", &[FORGE, READ], Own, Leaks),
    attack(
        "context forged",
        &[
            "SELECT set_config('{slot}', '{forged}', false) AS text",
            READ,
        ],
        Own,
        Leaks,
    ),
    attack(
        "context forged",
        &["SET {slot} = '{forged}'", READ],
        Own,
        Leaks,
    ),
    attack(
        "context forged",
        &["SET LOCAL {slot} = '{forged}'", READ],
        Own,
        Leaks,
    ),
    attack(
        "context forged",
        &[
            "UPDATE pg_settings SET setting = '{forged}' WHERE name = '{slot}'",
            READ,
        ],
        Own,
        Holds,
    ),
    attack(
        "context forged",
        &[
            "WITH forged AS MATERIALIZED (SELECT set_config('{slot}', '{forged}', true)) SELECT name AS text FROM forged, projects",
            READ,
        ],
        Own,
        Leaks,
    ),
    attack(
        "context forged",
        &[
            "SELECT name AS text FROM projects WHERE set_config('{slot}', '{forged}', true) <> ''",
            READ,
        ],
        Own,
        Leaks,
    ),
    attack(
        "context forged",
        &["SET {slot} TO DEFAULT; RESET {slot}", READ],
        Own,
        Holds,
    ),
    attack(
        "context forged",
        &["RESET ALL", READ],
        Refused("TN001"),
        Holds,
    ),
    attack(
        "context forged",
        &["RESET ALL", FORGE, READ],
        Refused("TN001"),
        Leaks,
    ),
    attack(
        "context forged",
        &["BEGIN; COMMIT", READ],
        Refused("TN001"),
        Holds,
    ),
    attack(
        "context forged",
        &["ROLLBACK", "ALTER SYSTEM SET {slot} = '{forged}'"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "settings of role, database and connection",
        &[
            "ALTER ROLE rowhouse_app IN DATABASE {database} SET {slot} = '{forged}'; COMMIT",
            "\\connect",
            READ,
        ],
        Refused("TN001"),
        Holds,
    ),
    attack(
        "settings of role, database and connection",
        &[
            "ALTER ROLE CURRENT_USER SET {slot} = '{forged}'; ROLLBACK",
            READ,
        ],
        Own,
        Holds,
    ),
    attack(
        "settings of role, database and connection",
        &["ALTER DATABASE {database} SET {slot} = '{forged}'"],
        Refused("must be owner"),
        Holds,
    ),
    attack(
        "settings of role, database and connection",
        &["\\connect {slot}={forged}"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "settings of role, database and connection",
        &["\\connect {slot}={forged}", READ],
        Own,
        Leaks,
    ),
    attack(
        "settings of role, database and connection",
        &[
            "ALTER ROLE rowhouse_app IN DATABASE {database} SET search_path = pg_temp; COMMIT",
            "\\connect",
            "SELECT name AS text FROM public.projects",
        ],
        Refused("TN001"),
        Holds,
    ),
    attack(
        "settings of role, database and connection",
        &["SET row_security = off", READ],
        Refused("row-level security"),
        Holds,
    ),
    attack(
        "settings of role, database and connection",
        &[
            "ALTER ROLE rowhouse_app IN DATABASE {database} SET row_security = off; COMMIT",
            "\\connect",
            READ,
        ],
        Refused("TN001"),
        Holds,
    ),
    attack(
        "settings of role, database and connection",
        &["SET session_replication_role = replica"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "settings of role, database and connection",
        &[
            "SET search_path = pg_temp, pg_catalog; SET search_path = public",
            READ,
        ],
        Own,
        Holds,
    ),
    attack(
        "transactions ended",
        &[
            "COMMIT; SELECT set_config('{slot}', '{forged}', false)",
            READ,
        ],
        Refused("TN001"),
        Leaks,
    ),
    attack(
        "transactions ended",
        &["COMMIT AND CHAIN", FORGE, READ],
        Refused("TN001"),
        Leaks,
    ),
    attack(
        "transactions ended",
        &["ROLLBACK AND CHAIN", FORGE, READ],
        Refused("TN001"),
        Leaks,
    ),
    attack(
        "transactions ended",
        &["ROLLBACK; BEGIN; SET LOCAL {slot} = '{forged}'", READ],
        Refused("TN001"),
        Leaks,
    ),
    attack(
        "transactions ended",
        &["SAVEPOINT mine; ROLLBACK TO mine", READ],
        Own,
        Holds,
    ),
    attack(
        "transactions ended",
        &["PREPARE TRANSACTION 'mine'"],
        Refused("prepared transactions are disabled"),
        Holds,
    ),
    attack(
        "transactions ended",
        &["SET TRANSACTION SNAPSHOT '00000003-00000001-1'"],
        Refused("SET TRANSACTION SNAPSHOT"),
        Holds,
    ),
    attack(
        "transactions ended",
        &["SELECT pg_export_snapshot() AS text"],
        Refused("permission denied"),
        Holds,
    ),
];

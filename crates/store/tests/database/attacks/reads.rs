//! Reading in every way that SQL knows.

use super::{Attack, FORGE, Holds, Leaks, Nothing, Own, READ, Refused, Tainted, attack};

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "reads",
        &[FORGE, "SELECT name AS text FROM ONLY projects"],
        Own,
        Leaks,
    ),
    attack(
        "reads",
        &[
            FORGE,
            "SELECT string_agg(name, ',') AS text FROM projects GROUP BY tenant_id",
        ],
        Own,
        Leaks,
    ),
    attack(
        "reads",
        &[
            FORGE,
            "SELECT p.name AS text FROM projects p JOIN memberships m ON m.id = p.owner_id",
        ],
        Own,
        Leaks,
    ),
    attack(
        "reads",
        &[FORGE, "SELECT name AS text FROM projects FOR UPDATE"],
        Own,
        Leaks,
    ),
    attack(
        "reads",
        &[
            FORGE,
            "SELECT name AS text FROM projects WHERE tenant_id = '{b}' OR true",
        ],
        Own,
        Leaks,
    ),
    attack(
        "reads",
        &[
            FORGE,
            "SELECT p.name AS text FROM tenants t, LATERAL (SELECT name FROM projects) p",
        ],
        Own,
        Leaks,
    ),
    attack(
        "reads",
        &[
            FORGE,
            "SELECT name AS text FROM projects WHERE tenant_id = '{b}'",
        ],
        Nothing,
        Leaks,
    ),
    attack(
        "reads",
        &[
            FORGE,
            "SELECT name AS text FROM projects WHERE id = '{b_project}'",
        ],
        Nothing,
        Leaks,
    ),
    attack(
        "reads",
        &[
            FORGE,
            "SELECT name AS text FROM projects TABLESAMPLE SYSTEM (100)",
        ],
        Own,
        Leaks,
    ),
    attack(
        "reads",
        &[
            FORGE,
            "SELECT query_to_xml('SELECT name FROM projects', true, true, '')::text AS text",
        ],
        Own,
        Leaks,
    ),
    attack(
        "reads",
        &[
            FORGE,
            "SELECT table_to_xml('projects', true, true, '')::text AS text",
        ],
        Own,
        Leaks,
    ),
    attack(
        "reads",
        &[
            FORGE,
            "SELECT word AS text FROM ts_stat('SELECT to_tsvector(''simple'', name) FROM projects')",
        ],
        Own,
        Leaks,
    ),
    attack(
        "reads",
        &[
            FORGE,
            "SELECT name AS text FROM projects WHERE ctid IN (SELECT ctid FROM projects)",
        ],
        Own,
        Leaks,
    ),
    attack(
        "reads",
        &[
            "SELECT name AS text FROM projects WHERE ctid = ANY (SELECT format('(0,%s)', n)::tid FROM generate_series(1, 20) n)",
        ],
        Own,
        Holds,
    ),
    attack(
        "conditions that tell what they are shown",
        &[
            "SELECT name AS text FROM projects WHERE CASE WHEN name LIKE '%acme%' THEN 1 ELSE name::int END > 0",
        ],
        Own,
        Holds,
    ),
    attack(
        "conditions that tell what they are shown",
        &[
            FORGE,
            "SELECT name AS text FROM projects WHERE name::int > 0",
        ],
        Refused("acme"),
        Leaks,
    ),
    attack(
        "prepared statements",
        &["PREPARE __diesel_stmt_0 AS SELECT name AS text FROM projects"],
        Tainted,
        Holds,
    ),
    attack(
        "prepared statements",
        &[
            "PREPARE mine AS SELECT name AS text FROM projects",
            FORGE,
            "EXECUTE mine",
        ],
        Own,
        Leaks,
    ),
    attack(
        "prepared statements",
        &[
            "PREPARE mine AS SELECT name AS text FROM projects; EXECUTE mine; EXECUTE mine; EXECUTE mine; EXECUTE mine; EXECUTE mine; EXECUTE mine",
            FORGE,
            "EXECUTE mine",
        ],
        Own,
        Leaks,
    ),
    attack(
        "prepared statements",
        &[
            "PREPARE __diesel_stmt_1 AS UPDATE projects SET description = 'taken'; COMMIT",
            FORGE,
            "SELECT '' AS text WHERE false",
        ],
        Tainted,
        Holds,
    ),
    attack("prepared statements", &["DEALLOCATE ALL", READ], Own, Holds),
    attack(
        "cursors",
        &[
            FORGE,
            "DECLARE mine CURSOR FOR SELECT name AS text FROM projects",
            "FETCH ALL FROM mine",
        ],
        Own,
        Leaks,
    ),
    attack(
        "cursors",
        &[
            "DECLARE mine CURSOR FOR SELECT name AS text FROM projects",
            FORGE,
            "FETCH ALL FROM mine",
        ],
        Own,
        Leaks,
    ),
    attack(
        "cursors",
        &[
            "DECLARE mine CURSOR WITH HOLD FOR SELECT name AS text FROM projects; FETCH 1 FROM mine; COMMIT",
            FORGE,
            "FETCH ALL FROM mine",
        ],
        Own,
        Holds,
    ),
    attack(
        "cursors",
        &["DECLARE mine CURSOR WITH HOLD FOR SELECT name AS text FROM projects"],
        Tainted,
        Holds,
    ),
    attack(
        "cursors",
        &[
            FORGE,
            "DECLARE mine CURSOR FOR SELECT name FROM projects",
            "SELECT cursor_to_xml('mine', 10, true, true, '')::text AS text",
        ],
        Own,
        Leaks,
    ),
    attack(
        "cursors",
        &[
            FORGE,
            "DECLARE mine CURSOR FOR SELECT name FROM projects FOR UPDATE; FETCH 1 FROM mine; UPDATE projects SET description = 'taken again' WHERE CURRENT OF mine",
            READ,
        ],
        Own,
        Leaks,
    ),
    attack(
        "COPY",
        &["COPY projects FROM STDIN"],
        Refused("COPY FROM not supported with row-level security"),
        Holds,
    ),
    attack(
        "COPY",
        &["COPY projects TO '/tmp/projects'"],
        Refused("pg_write_server_files"),
        Holds,
    ),
    attack(
        "COPY",
        &["COPY (SELECT name FROM projects) TO PROGRAM 'cat'"],
        Refused("pg_execute_server_program"),
        Holds,
    ),
    attack(
        "COPY",
        &["COPY projects FROM PROGRAM 'cat'"],
        Refused("pg_execute_server_program"),
        Holds,
    ),
    attack("COPY", &[FORGE, "\\copy"], Own, Leaks),
];

//! Writing in every way that SQL knows.

use super::{Attack, FORGE, Holds, Leaks, Nothing, Own, Refused, attack};

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "ON CONFLICT",
        &[
            "INSERT INTO projects (tenant_id, id, name, owner_id) VALUES ('{b}', '{b_project}', 'taken', '{b_member}') ON CONFLICT (tenant_id, id) DO UPDATE SET name = 'taken from ' || projects.name RETURNING name AS text",
        ],
        Refused("row-level security"),
        Holds,
    ),
    attack(
        "ON CONFLICT",
        &[
            FORGE,
            "INSERT INTO projects (tenant_id, id, name, owner_id) VALUES ('{b}', '{b_project}', 'taken', '{b_member}') ON CONFLICT (tenant_id, id) DO UPDATE SET name = 'taken from ' || projects.name RETURNING name AS text",
        ],
        Refused("row-level security"),
        Leaks,
    ),
    attack(
        "ON CONFLICT",
        &[
            "INSERT INTO projects (tenant_id, id, name, owner_id) VALUES ('{b}', '{b_project}', 'taken', '{b_member}') ON CONFLICT (tenant_id, id) DO NOTHING RETURNING name AS text",
        ],
        Refused("row-level security"),
        Holds,
    ),
    attack(
        "ON CONFLICT",
        &[
            FORGE,
            "INSERT INTO projects (tenant_id, id, name, owner_id) VALUES ('{b}', '{b_project}', 'taken', '{b_member}') ON CONFLICT (tenant_id, id) DO NOTHING RETURNING name AS text",
        ],
        Refused("row-level security"),
        Holds,
    ),
    attack(
        "ON CONFLICT",
        &[
            FORGE,
            "INSERT INTO projects (tenant_id, id, name, owner_id) SELECT '{b}', id, 'taken', owner_id FROM projects ON CONFLICT (tenant_id, id) DO UPDATE SET name = 'taken from ' || projects.name RETURNING name AS text",
        ],
        Refused("row-level security"),
        Leaks,
    ),
    attack(
        "MERGE",
        &[
            FORGE,
            "MERGE INTO projects p USING (SELECT '{b_project}'::uuid AS id) s ON p.id = s.id WHEN MATCHED THEN UPDATE SET name = 'merged ' || p.name",
        ],
        Nothing,
        Leaks,
    ),
    attack(
        "MERGE",
        &[
            FORGE,
            "MERGE INTO projects p USING (SELECT 1) s ON p.tenant_id = '{b}' AND p.id = '{b_project}' WHEN NOT MATCHED THEN INSERT (tenant_id, id, name, owner_id) VALUES ('{b}', gen_random_uuid(), 'planted', '{b_member}')",
        ],
        Refused("row-level security"),
        Holds,
    ),
    attack(
        "RETURNING",
        &[
            FORGE,
            "UPDATE projects SET description = 'returned' RETURNING name AS text",
        ],
        Own,
        Leaks,
    ),
    attack(
        "RETURNING",
        &[
            FORGE,
            "UPDATE projects SET description = 'returned' WHERE id = '{b_project}' RETURNING name AS text",
        ],
        Nothing,
        Leaks,
    ),
    attack(
        "RETURNING",
        &[
            FORGE,
            "UPDATE projects p SET description = 'returned' FROM projects o WHERE o.id <> p.id RETURNING o.name AS text",
        ],
        Own,
        Leaks,
    ),
    attack(
        "RETURNING",
        &["UPDATE projects SET tenant_id = '{b}'"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "RETURNING",
        &["UPDATE projects SET (name, owner_id) = ('x', '{b_member}')"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "RETURNING",
        &[
            FORGE,
            "UPDATE memberships SET full_name = 'Taken of ' || full_name WHERE tenant_id = '{b}' RETURNING email AS text",
        ],
        Nothing,
        Leaks,
    ),
    attack(
        "RETURNING",
        &[
            FORGE,
            "UPDATE tenants SET name = 'Taken' RETURNING slug AS text",
        ],
        Own,
        Leaks,
    ),
    attack(
        "writable CTEs",
        &[
            FORGE,
            "WITH w AS (UPDATE projects SET description = 'written' RETURNING name) SELECT name AS text FROM w",
        ],
        Own,
        Leaks,
    ),
    attack(
        "writable CTEs",
        &[
            FORGE,
            "WITH w AS (INSERT INTO projects (tenant_id, id, name, owner_id) VALUES ('{b}', gen_random_uuid(), 'planted', '{b_member}') RETURNING name) SELECT name AS text FROM w",
        ],
        Refused("row-level security"),
        Leaks,
    ),
    attack(
        "writable CTEs",
        &[
            FORGE,
            "WITH RECURSIVE r AS (SELECT name, 1 AS n FROM projects UNION ALL SELECT p.name, n + 1 FROM projects p, r WHERE n < 2) SELECT name AS text FROM r",
        ],
        Own,
        Leaks,
    ),
    attack(
        "foreign keys",
        &[
            FORGE,
            "INSERT INTO resources (tenant_id, id, project_id, name, created_by) VALUES ('{b}', gen_random_uuid(), '{b_project}', 'planted', '{b_member}')",
        ],
        Refused("row-level security"),
        Leaks,
    ),
    attack(
        "foreign keys",
        &[
            "INSERT INTO resources (tenant_id, id, project_id, name, created_by) VALUES ('{a}', gen_random_uuid(), '{b_project}', 'pointing', '{a_member}')",
        ],
        Refused("resources_project_fkey"),
        Holds,
    ),
    attack(
        "foreign keys",
        &[
            "INSERT INTO projects (tenant_id, id, name, owner_id) VALUES ('{a}', gen_random_uuid(), 'pointing', '{b_member}')",
        ],
        Refused("projects_tenant_id_owner_id_fkey"),
        Holds,
    ),
    attack(
        "DELETE",
        &[
            FORGE,
            "DELETE FROM resources WHERE tenant_id = '{b}' RETURNING name AS text",
        ],
        Nothing,
        Leaks,
    ),
    attack(
        "DELETE",
        &["DELETE FROM projects"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "DELETE",
        &["TRUNCATE projects"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "DELETE",
        &["TRUNCATE resources CASCADE"],
        Refused("permission denied"),
        Holds,
    ),
];

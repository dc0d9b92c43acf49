//! Questions whose answer would tell whether a neighbour has something: the answer is the same for
//! what the neighbour has and for what nobody has.

use rowhouse_tests::Database;

use super::stage::Stage;

/// What is asked, what of the neighbour's it is asked about, and what nobody has.
const ORACLES: &[(&str, &str, &str)] = &[
    // Foreign keys.
    (
        "INSERT INTO resources (tenant_id, id, project_id, name, created_by)
         VALUES ('{a}', gen_random_uuid(), '{probe}', 'x', '{a_member}')",
        "{b_project}",
        NOBODY,
    ),
    (
        "INSERT INTO projects (tenant_id, id, name, owner_id) VALUES ('{a}', gen_random_uuid(), 'x', '{probe}')",
        "{b_member}",
        NOBODY,
    ),
    (
        "UPDATE memberships SET custom_role_id = '{probe}'",
        "{b_role}",
        NOBODY,
    ),
    // Unique keys.
    (
        "INSERT INTO projects (tenant_id, id, name, owner_id) VALUES ('{a}', '{probe}', 'x', '{a_member}')",
        "{b_project}",
        NOBODY,
    ),
    (
        "INSERT INTO projects (tenant_id, id, name, owner_id) VALUES ('{probe}', gen_random_uuid(), 'x', '{a_member}')",
        "{b}",
        NOBODY,
    ),
    (
        "INSERT INTO roles (tenant_id, id, name, based_on, permissions)
         VALUES ('{a}', gen_random_uuid(), '{probe}', 'viewer', '{}')",
        "globex_staff",
        "nobody_s_staff",
    ),
    (
        "INSERT INTO api_keys (tenant_id, id, name, prefix, hash, role, scopes, created_by)
         VALUES ('{a}', gen_random_uuid(), 'x', '{probe}', decode(repeat('ab', 32), 'hex'), 'viewer', '{projects:read}', '{a_member}')",
        "rh_bbbbbbbbbbbb",
        "rh_cccccccccccc",
    ),
    (
        "SELECT directory.invite('{probe}', 'X', now() + interval '1 day')::text AS text",
        "owner@globex-inc.example",
        "nobody@globex-inc.example",
    ),
    (
        "SELECT directory.create_managed_account('{probe}', 'X', 'hash')::text AS text",
        "owner@globex-inc.example",
        "nobody@globex-inc.example",
    ),
    (
        "SELECT directory.claim_idempotency_key('{probe}', ARRAY[decode(repeat('ab', 32), 'hex')])::text AS text",
        "kept_by_globex",
        "kept_by_nobody",
    ),
    // Conditions and locks.
    (
        "SELECT name AS text FROM projects WHERE id = '{probe}' FOR UPDATE",
        "{b_project}",
        NOBODY,
    ),
    (
        "UPDATE projects SET name = 'x' WHERE id = '{probe}' RETURNING name AS text",
        "{b_project}",
        NOBODY,
    ),
    (
        "SELECT 1 / (SELECT count(*) FROM projects WHERE id = '{probe}') AS text",
        "{b_project}",
        NOBODY,
    ),
];

const NOBODY: &str = "01890000-0000-7000-8000-000000000000";

#[test]
fn no_answer_tells_what_a_neighbour_has() {
    let mut stage = Stage::new(Database::fresh());
    for (step, real, made_up) in ORACLES {
        let [real, made_up] = stage.answers(step, real, made_up);
        assert_eq!(real, made_up, "{step}");
    }
}

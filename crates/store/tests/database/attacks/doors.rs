//! The doors that the application may call, and those it may not.

use super::{Attack, FORGE, Holds, Leaks, Nothing, Own, READ, Refused, attack};

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "doors with a neighbour's ids",
        &[
            "SELECT directory.issue_invitation('{b_invitation}', 1, decode(repeat('cd', 32), 'hex'))::text AS text",
        ],
        Refused("TN008"),
        Holds,
    ),
    attack(
        "doors with a neighbour's ids",
        &[
            "SELECT directory.count_views(ARRAY['{b_project}'::uuid], ARRAY[5::bigint])::text AS text",
        ],
        Refused("TN005"),
        Holds,
    ),
    attack(
        "doors with a neighbour's ids",
        &["SELECT directory.purge_projects(0, 100)::text AS text"],
        Refused("TN005"),
        Holds,
    ),
    attack(
        "doors with a neighbour's ids",
        &["SELECT directory.purge_tenant(100)::text AS text"],
        Refused("TN005"),
        Holds,
    ),
    attack(
        "doors with a neighbour's ids",
        &["SELECT directory.complete_job()::text AS text"],
        Refused("TN005"),
        Holds,
    ),
    attack(
        "doors with a neighbour's ids",
        &["SELECT directory.delete_tenant(1)::text AS text; ROLLBACK"],
        Nothing,
        Holds,
    ),
    attack(
        "doors with a neighbour's ids",
        &["SELECT directory.leave()::text AS text"],
        Refused("LO"),
        Holds,
    ),
    attack(
        "doors with a neighbour's ids",
        &[
            "SELECT directory.require_recent_sign_in(60)::text AS text; SELECT directory.hold_own_membership(); ",
            READ,
        ],
        Own,
        Holds,
    ),
    attack(
        "doors in a forged context",
        &[
            FORGE,
            "SELECT directory.claim_idempotency_key('kept_by_globex', ARRAY[decode(repeat('ab', 32), 'hex')])::text AS text",
            READ,
        ],
        Own,
        Leaks,
    ),
    attack(
        "doors in a forged context",
        &[
            FORGE,
            "SELECT directory.keep_answer('planted', decode(repeat('cd', 32), 'hex'), 200, NULL, NULL, 'planted')::text AS text",
            READ,
        ],
        Own,
        Leaks,
    ),
    attack(
        "doors in a forged context",
        &[
            FORGE,
            "SELECT directory.enqueue_job('purge_tenant', '{}')::text AS text",
            READ,
        ],
        Own,
        Leaks,
    ),
    attack(
        "doors in a forged context",
        &[
            FORGE,
            "SELECT directory.set_own_name('Taken')::text AS text",
            READ,
        ],
        Own,
        Leaks,
    ),
    attack(
        "doors in a forged context",
        &[
            FORGE,
            "SELECT directory.invite('planted@example.com', 'Planted', now() + interval '1 day')::text AS text",
            READ,
        ],
        Own,
        Leaks,
    ),
    attack(
        "doors in a forged context",
        &[
            FORGE,
            "SELECT directory.create_managed_account('made@example.com', 'Made', 'hash')::text AS text",
            READ,
        ],
        Own,
        Leaks,
    ),
    attack(
        "doors in a forged context",
        &[
            "SELECT set_config('{slot}', replace('{forged}', '_user_', '_job_'), true) AS text",
            "SELECT directory.purge_projects(0, 100)::text AS text",
        ],
        Refused("TN005"),
        Holds,
    ),
    attack(
        "doors in a forged context",
        &[
            FORGE,
            "SELECT d::text AS text FROM directory.own_usage(date_trunc('month', now())::date) d",
            READ,
        ],
        Own,
        Leaks,
    ),
    attack(
        "doors in a forged context",
        &[
            FORGE,
            "SELECT d::text AS text FROM directory.own_excess('members', ARRAY[0, 0, 0, 0]) d",
            READ,
        ],
        Own,
        Leaks,
    ),
    attack(
        "doors in a forged context",
        &[
            FORGE,
            "SELECT directory.denials('00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', NULL, 100)::text AS text",
            READ,
        ],
        Own,
        Leaks,
    ),
    attack(
        "doors in a forged context",
        &[
            FORGE,
            "SELECT directory.reads('00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', NULL, 100)::text AS text",
            READ,
        ],
        Own,
        Leaks,
    ),
    attack(
        "doors of others",
        &["SELECT directory.deny('[]')::text AS text"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &["SELECT directory.note_reads('[]')::text AS text"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &[
            "SELECT directory.forget_trail('ffffffff-ffff-ffff-ffff-ffffffffffff', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 100)::text AS text",
        ],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &["SELECT directory.platform_denials(NULL, 100)::text AS text"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &["SELECT d::text AS text FROM directory.excess_of('{b}', 'members', ARRAY[0, 0, 0, 0]) d"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &[
            "SELECT d::text AS text FROM directory.beyond_plan('{b}', 'members', ARRAY[0, 0, 0, 0]) d",
        ],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &["SELECT directory.count_used('{b}', 'members')::text AS text"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &[
            "SELECT d::text AS text FROM directory.lease_api_calls('{b}', '2026-11-01', 100, '{}') d",
        ],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &["SELECT directory.return_api_calls('{b}', '2026-11-01', 100)::text AS text"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "calls of the API",
        &["SELECT calls::text AS text FROM api_usage"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "calls of the API",
        &["UPDATE api_usage SET calls = 0"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &["SELECT d::text AS text FROM directory.memberships_of('{b_account}') d"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &["SELECT d::text AS text FROM directory.tenant_by('{b}'::uuid) d"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &["SELECT d::text AS text FROM directory.tenant_of('{b_account}', '{b}') d"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &["SELECT d::text AS text FROM directory.create_tenant('{a_account}', 'mine', 'Mine') d"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &[
            "SELECT d::text AS text FROM directory.join_tenant('{a_account}', '{b}', 'owner', NULL) d",
        ],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &["SELECT d::text AS text FROM directory.api_key('rh_aaaaaaaaaaaa') d"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &["SELECT d::text AS text FROM directory.note_key_use('{b}', '{b_project}') d"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &["SELECT d::text AS text FROM directory.delete_account('{b_account}') d"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &["SELECT d::text AS text FROM directory.invitation('{b}', 'x') d"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &["SELECT d::text AS text FROM directory.claim_jobs(gen_random_uuid(), '{}', 1, 1, 1) d"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &[
            "SELECT d::text AS text FROM directory.jobs(NULL, '{queued,running,dead,done}', NULL, 9) d",
        ],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &["SELECT d::text AS text FROM directory.retry_job(gen_random_uuid()) d"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &["SELECT d::text AS text FROM directory.purge_jobs(0, 1) d"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &["SELECT d::text AS text FROM directory.forget_answers(100) d"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &[
            "SELECT d::text AS text FROM directory.open_view_counts(gen_random_uuid(), ARRAY['{b}'::uuid], 1) d",
        ],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &["SELECT d::text AS text FROM directory.restore_tenant('{a_account}', '{b}') d"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &["SELECT d::text AS text FROM directory.erase_tenant('{b}') d"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &["SELECT d::text AS text FROM directory.tenants() d"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &["SELECT d::text AS text FROM directory.condemn_tenant('acme-corp') d"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &["SELECT d::text AS text FROM directory.set_tenant_status('acme-corp', 'suspended') d"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &["SELECT d::text AS text FROM directory.tenant_plan('{b}') d"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &[
            "SELECT d::text AS text FROM directory.set_tenant_feature('acme-corp', 'api_keys', true) d",
        ],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &["SELECT directory.tell_plan_changed()::text AS text"],
        Refused("permission denied|trigger"),
        Holds,
    ),
    attack(
        "doors of others",
        &["SELECT d::text AS text FROM directory.set_tenant_tier('acme-corp', 'enterprise') d"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &[
            "SELECT d::text AS text FROM directory.add_owner('{b}', 'me@acme.example', 'Me', now()) d",
        ],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "doors of others",
        &["SELECT d::text AS text FROM directory.add_operator('owner@acme-corp.example') d"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "API keys",
        &[
            FORGE,
            "INSERT INTO api_keys (tenant_id, id, name, prefix, hash, role, scopes, created_by) VALUES ('{b}', gen_random_uuid(), 'Planted', 'rh_dddddddddddd', decode(repeat('cd', 32), 'hex'), 'viewer', '{projects:read}', '{b_member}')",
        ],
        Refused("row-level security"),
        Leaks,
    ),
    attack(
        "API keys",
        &["UPDATE api_keys SET hash = decode(repeat('cd', 32), 'hex')"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "API keys",
        &[
            FORGE,
            "DELETE FROM api_keys WHERE tenant_id = '{b}' RETURNING name AS text",
        ],
        Nothing,
        Leaks,
    ),
];

//! The audit trail: writing it oneself, being somebody else in it, not being in it, and reading what
//! is not for the application.

use super::{Attack, FORGE, Holds, Leaks, Nothing, Own, READ, Refused, attack};

/// The last event is the attacker's own change of this project.
const RECORDED: &str = "SELECT 'acme' AS text FROM tenancy.audit_events WHERE id = (SELECT id FROM tenancy.audit_events ORDER BY id DESC LIMIT 1) AND actor_kind = 'user' AND actor_id = '{a_account}' AND object_id = '{a_project}' AND changes ? 'version'";

const CHANGE: &str = "UPDATE projects SET version = version + 1 WHERE id = '{a_project}'";

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "audit forged",
        &[
            "INSERT INTO tenancy.audit_events (tenant_id, id, at, actor_kind, actor_id, action, object_type, object_id) VALUES ('{b}', gen_random_uuid(), now(), 'user', '{b_account}', 'delete', 'projects', '{b_project}')",
        ],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit forged",
        &[
            "INSERT INTO tenancy.audit_events (tenant_id, id, at, actor_kind, actor_id, action, object_type, object_id) VALUES ('{a}', gen_random_uuid(), now(), 'user', '{b_account}', 'delete', 'projects', '{a_project}')",
        ],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit forged",
        &[
            "INSERT INTO tenancy.audit_pending (tenant_id, event_id, commitment) VALUES ('{b}', gen_random_uuid(), sha256(''))",
        ],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit forged",
        &[
            "INSERT INTO tenancy.audit_seals (tenant_id, seq, event_id, commitment, hash) VALUES ('{b}', 1, gen_random_uuid(), sha256(''), sha256(''))",
        ],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit forged",
        &["UPDATE tenancy.audit_events SET actor_id = '{b_account}'"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit forged",
        &["UPDATE tenancy.audit_heads SET seq = 0"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit forged",
        &["DELETE FROM tenancy.audit_events"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit forged",
        &["DELETE FROM tenancy.audit_pending"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit forged",
        &["DELETE FROM tenancy.audit_seals"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit forged",
        &["TRUNCATE tenancy.audit_events"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit forged",
        &["TRUNCATE tenancy.audit_checkpoints"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit forged",
        &["SELECT id::text AS text FROM tenancy.audit_events FOR UPDATE"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit forged",
        &["SELECT tenancy.seal_events('{b}', 100)::text AS text"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit forged",
        &["SELECT tenancy.erase_object('{b}', 'projects', '{b_project}')::text AS text"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit forged",
        &["SELECT tenancy.erase_actor('{a}', '{a_account}')::text AS text"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit forged",
        &["SELECT tenancy.erase_trail('{b}', NULL)::text AS text"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit forged",
        &["SELECT tenancy.act_as('{b_account}')::text AS text"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit forged",
        &["SELECT tenancy.record_event()::text AS text"],
        Refused("trigger functions can only be called as triggers|permission denied"),
        Holds,
    ),
    attack(
        "audit forged",
        &["SELECT tenancy.lock_chain('{b}')::text AS text"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit forged",
        &["SELECT tenancy.add_checkpoint(1, 'x', '[]', '', '')::text AS text"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit forged",
        &["SELECT tenancy.audit('projects', 'tenant_id', false, '{}', '{}')::text AS text"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "acting as another",
        &[
            "SELECT set_config('tenancy.acting_account', '{b_account}', true) AS text",
            CHANGE,
            RECORDED,
        ],
        Own,
        Holds,
    ),
    attack(
        "acting as another",
        &[
            "SET tenancy.acting_account = '{b_account}'",
            CHANGE,
            RECORDED,
        ],
        Own,
        Holds,
    ),
    attack(
        "acting as another",
        &["SET ROLE rowhouse_auth"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "acting as another",
        &["SET SESSION AUTHORIZATION rowhouse_auth"],
        Refused("permission denied"),
        Holds,
    ),
    attack("acting as another", &[FORGE, CHANGE, RECORDED], Own, Holds),
    attack(
        "acting as another",
        &[
            "RESET ALL",
            "SET tenancy.acting_account = '{b_account}'",
            CHANGE,
        ],
        Refused("TN001"),
        Holds,
    ),
    attack(
        "acting as another",
        &[
            "UPDATE projects SET version = version + 1 WHERE id = '{a_project}' RETURNING set_config('tenancy.acting_account', '{b_account}', true) AS text",
            RECORDED,
        ],
        Own,
        Holds,
    ),
    attack(
        "acting as another",
        &[
            "UPDATE projects SET version = version + 1 WHERE id = '{a_project}' RETURNING set_config('{slot}', '{forged}', true) AS text",
            READ,
        ],
        Own,
        Leaks,
    ),
    attack(
        "audit suppressed",
        &["ALTER TABLE projects DISABLE TRIGGER tenancy_audit"],
        Refused("must be owner"),
        Holds,
    ),
    attack(
        "audit suppressed",
        &["ALTER TABLE projects DISABLE TRIGGER ALL", CHANGE, RECORDED],
        Own,
        Holds,
    ),
    attack(
        "audit suppressed",
        &["DROP TRIGGER tenancy_audit ON projects"],
        Refused("must be owner"),
        Holds,
    ),
    attack(
        "audit suppressed",
        &["CREATE RULE nothing AS ON INSERT TO tenancy.audit_events DO INSTEAD NOTHING"],
        Refused("must be owner"),
        Holds,
    ),
    attack(
        "audit suppressed",
        &[
            "CREATE OR REPLACE TRIGGER tenancy_audit AFTER INSERT ON projects FOR EACH ROW EXECUTE FUNCTION tenancy.record_event()",
        ],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit suppressed",
        &["ALTER FUNCTION tenancy.record_event() SECURITY INVOKER"],
        Refused("must be owner"),
        Holds,
    ),
    attack(
        "audit suppressed",
        &["ALTER TABLE tenancy.audit_events ADD CHECK (false)"],
        Refused("must be owner"),
        Holds,
    ),
    attack(
        "audit suppressed",
        &["SET session_replication_role = replica", CHANGE, RECORDED],
        Own,
        Holds,
    ),
    attack(
        "audit suppressed",
        &["CREATE TEMP TABLE audit_events (id uuid)"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit suppressed",
        &[
            "SET search_path = pg_temp, pg_catalog, public",
            CHANGE,
            RECORDED,
        ],
        Own,
        Holds,
    ),
    attack(
        "audit suppressed",
        &["SET row_security = off", CHANGE],
        Refused("row-level security"),
        Holds,
    ),
    attack(
        "audit suppressed",
        &[
            "INSERT INTO projects (tenant_id, id, name, owner_id) VALUES ('{a}', '{a_project}', 'acme', '{a_member}') ON CONFLICT (tenant_id, id) DO UPDATE SET version = projects.version + 1 RETURNING name AS text",
            RECORDED,
        ],
        Own,
        Holds,
    ),
    attack(
        "audit suppressed",
        &[
            "MERGE INTO projects p USING (SELECT 1) s ON p.id = '{a_project}' WHEN MATCHED THEN UPDATE SET version = version + 1",
            RECORDED,
        ],
        Own,
        Holds,
    ),
    attack(
        "audit suppressed",
        &[
            "WITH changed AS (UPDATE projects SET version = version + 1 WHERE id = '{a_project}' RETURNING 1) SELECT 'x' AS text FROM changed",
            RECORDED,
        ],
        Own,
        Holds,
    ),
    attack(
        "audit suppressed",
        &[
            "SAVEPOINT mine; UPDATE projects SET version = version + 1; RELEASE mine; UPDATE projects SET version = version + 1 WHERE id = '{a_project}'",
            RECORDED,
        ],
        Own,
        Holds,
    ),
    attack(
        "audit suppressed",
        &[
            "SET CONSTRAINTS ALL DEFERRED; UPDATE projects SET version = version + 1 WHERE id = '{a_project}'",
            RECORDED,
        ],
        Own,
        Holds,
    ),
    attack(
        "audit suppressed",
        &[
            "SET extra_float_digits = -15; SET bytea_output = 'escape'; SET datestyle = 'German'; SET standard_conforming_strings = off; UPDATE projects SET version = version + 1 WHERE id = '{a_project}'",
            RECORDED,
        ],
        Own,
        Holds,
    ),
    attack(
        "audit read",
        &["SELECT t::text AS text FROM tenancy.audit_pending t"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit read",
        &["SELECT t::text AS text FROM tenancy.audit_seals t"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit read",
        &["SELECT t::text AS text FROM tenancy.audit_heads t"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit read",
        &["SELECT t::text AS text FROM tenancy.audit_checkpoints t"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit read",
        &["SELECT c::text AS text FROM tenancy.audit_chain('{b}', 0, 100) c"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit read",
        &["SELECT c::text AS text FROM tenancy.audit_chains() c"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit read",
        &["SELECT c::text AS text FROM tenancy.audit_unsealed('{b}') c"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit read",
        &["SELECT c::text AS text FROM tenancy.checkpoints(0) c"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit read",
        &["SELECT c::text AS text FROM tenancy.tenants_to_seal(100) c"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "audit read",
        &[
            "SELECT tenancy.seq_of('{b_project}')::text AS text WHERE tenancy.seq_of('{b_project}') IS NOT NULL",
        ],
        Nothing,
        Holds,
    ),
    attack(
        "audit read",
        &["SELECT changes::text AS text FROM tenancy.audit_events WHERE tenant_id = '{b}'"],
        Nothing,
        Holds,
    ),
    attack(
        "audit read",
        &[
            "SELECT e.changes::text AS text FROM tenancy.audit_events e WHERE true OR tenant_id = '{b}'",
        ],
        Own,
        Holds,
    ),
    attack(
        "audit read",
        &[
            FORGE,
            "SELECT changes::text AS text FROM tenancy.audit_events",
        ],
        Own,
        Leaks,
    ),
];

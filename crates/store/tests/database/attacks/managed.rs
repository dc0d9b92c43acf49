//! Level managed: attacks on the token that is there in place of the slot, and how attacks end
//! otherwise there.

use super::{
    Anything, Attack, Expected, FORGE, Holds, Nothing, Outcome, Own, READ, Refused, attack,
};

/// What is lost there: these reach no row, and are not refused as elsewhere, because only a
/// superuser takes rights on languages and built-in functions from PUBLIC. `docs/managed.md` tells
/// what each of them is good for.
const LOST: &[&str] = &[
    "DO $$ BEGIN PERFORM set_config('{slot}', '{forged}', true); END $$",
    "DO LANGUAGE sql 'SELECT 1'",
    "SELECT pg_cancel_backend(1)::text AS text",
    "SELECT pg_terminate_backend(1)::text AS text",
    "SELECT pg_logical_emit_message(true, 'x', 'y')::text AS text",
    "SELECT pg_export_snapshot() AS text",
    "SELECT query AS text FROM pg_stat_activity",
    "SELECT pg_stat_get_backend_activity(1) AS text",
    "SELECT lo_create(0)::text AS text",
    "SELECT lo_from_bytea(0, 'x')::text AS text",
    "SELECT lo_get(1)::text AS text",
    "SELECT loread(0, 1)::text AS text",
];

/// Where the setting may be written, and what is written is worth nothing.
const OTHERWISE: &[(&[&str], Expected)] = &[
    (&[FORGE], Anything),
    (&["\\connect {slot}={forged}"], Nothing),
    (
        &["SET {slot} TO DEFAULT; RESET {slot}", READ],
        Refused("TN001"),
    ),
    // Diesel does not tell an error that comes while it reads.
    (&[FORGE, "\\copy"], Nothing),
];

/// What is wrong with the outcome of an attack at level managed.
pub(super) fn complaints(attack: &Attack, outcome: &Outcome) -> Vec<String> {
    let ending = |expected| {
        super::complaints(
            &Attack {
                expected,
                ..*attack
            },
            outcome,
        )
    };
    if let Some((_, expected)) = OTHERWISE.iter().find(|(steps, _)| *steps == attack.steps) {
        return ending(*expected);
    }
    let as_elsewhere = ending(attack.expected);
    if attack.steps.iter().any(|step| LOST.contains(step)) {
        let mut complaints = ending(Anything);
        if as_elsewhere.is_empty() {
            complaints.push(format!("{:?} is not lost", attack.steps));
        }
        return complaints;
    }
    // A context that a forger wrote has no MAC: if it is read, it is refused.
    let forges = attack.steps.iter().any(|step| step.contains("{forged}"));
    if forges && !as_elsewhere.is_empty() {
        return ending(Refused("TN002"));
    }
    as_elsewhere
}

/// Keeps the own token in a setting that outlives the transaction.
const KEEP: &str = "SELECT set_config('mine.kept', current_setting('{slot}'), false) AS text";

/// Puts it back.
const REFILL: &str = "SELECT set_config('{slot}', current_setting('mine.kept'), true) AS text";

pub(super) const ATTACKS: &[Attack] = &[
    attack("tokens", &["SET LOCAL {slot} = '{live_token_of_b}'", READ], Refused("TN002"), Holds),
    attack("tokens", &["SET {slot} = '{live_token_of_b}'; COMMIT; BEGIN", READ], Refused("TN002"), Holds),
    attack("tokens", &["SET LOCAL {slot} = '{spent_token_of_b}'", READ], Refused("TN002"), Holds),
    attack("tokens", &["SET LOCAL {slot} = '{own_spent_token}'", READ], Refused("TN002"), Holds),
    attack(
        "tokens",
        &[
            "SELECT set_config('{slot}', replace(current_setting('{slot}'), replace('{a}', '-', ''), replace('{b}', '-', '')), true) IS NULL || '' AS text",
            READ,
        ],
        Refused("TN002"),
        Holds,
    ),
    attack(
        "tokens",
        &["SELECT set_config('{slot}', replace(current_setting('{slot}'), '_user_', '_job_'), true) AS text", READ],
        Refused("TN002"),
        Holds,
    ),
    attack(
        "tokens",
        &["SELECT set_config('{slot}', '{live_token_of_b}' || current_setting('{slot}'), true) IS NULL || '' AS text", READ],
        Refused("TN002"),
        Holds,
    ),
    attack(
        "tokens",
        &["SELECT set_config('{slot}', replace('{b}', '-', '') || right(current_setting('{slot}'), 65), true) IS NULL || '' AS text", READ],
        Refused("TN002"),
        Holds,
    ),
    // In place of a MAC: what would make the comparison NULL, or short.
    attack("tokens", &["SET LOCAL {slot} = '_'", READ], Refused("TN002"), Holds),
    attack("tokens", &["SET LOCAL {slot} = ''", READ], Refused("TN001"), Holds),
    attack("tokens", &["SET LOCAL {slot} TO DEFAULT", READ], Refused("TN001"), Holds),
    attack("tokens", &["RESET {slot}", READ], Refused("TN001"), Holds),
    // The own token is good for the own transaction, and for nothing else.
    attack("tokens", &[KEEP, "SET LOCAL {slot} = ''", REFILL, READ], Own, Holds),
    attack("tokens", &[KEEP, "SAVEPOINT mine; SET LOCAL {slot} = 'x'; ROLLBACK TO mine", READ], Own, Holds),
    attack("tokens", &[KEEP, "COMMIT AND CHAIN", REFILL, READ], Refused("TN002"), Holds),
    attack("tokens", &[KEEP, "ROLLBACK AND CHAIN", REFILL, READ], Refused("TN002"), Holds),
    attack("tokens", &[KEEP, "COMMIT; BEGIN", REFILL, READ], Refused("TN002"), Holds),
    attack("tokens", &[KEEP, "COMMIT", REFILL, READ], Refused("TN001"), Holds),
    attack(
        "tokens",
        &[
            KEEP,
            "COMMIT; SELECT set_config('{slot}', current_setting('mine.kept'), false)",
            READ,
        ],
        Refused("TN002"),
        Holds,
    ),
    // A parallel worker is another backend; it is given no part that asks for the context.
    attack(
        "tokens",
        &[
            "SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; SET LOCAL min_parallel_table_scan_size = 0; SET LOCAL force_parallel_mode = on",
            READ,
        ],
        Own,
        Holds,
    ),
    // Without a context a trigger could take the application for a door.
    attack(
        "tokens emptied inside of a statement",
        &[
            KEEP,
            "SET LOCAL {slot} = ''",
            "UPDATE projects SET description = set_config('{slot}', current_setting('mine.kept'), true) RETURNING name AS text",
        ],
        Refused("TN001"),
        Holds,
    ),
    attack(
        "tokens emptied inside of a statement",
        &[
            KEEP,
            "SET LOCAL {slot} = ''",
            "INSERT INTO projects (tenant_id, id, name, owner_id)
             SELECT '{a}', gen_random_uuid(), 'of acme' || left(set_config('{slot}', current_setting('mine.kept'), true), 0), '{a_member}'
             RETURNING name AS text",
        ],
        Refused("TN001"),
        Holds,
    ),
    attack(
        "tokens emptied inside of a statement",
        &["SELECT name || set_config('{slot}', '{live_token_of_b}', true) AS text FROM projects LIMIT 0", READ],
        Own,
        Holds,
    ),
    attack(
        "tokens emptied inside of a statement",
        &[
            "WITH forged AS MATERIALIZED (SELECT set_config('{slot}', '{live_token_of_b}', true) AS token)
             SELECT name AS text FROM forged, projects WHERE token <> ''",
        ],
        Refused("TN002"),
        Holds,
    ),
    // What makes and checks tokens.
    attack("token functions", &["SELECT tenancy.fill_slot('{forged}') AS text"], Refused("permission denied"), Holds),
    attack("token functions", &["SELECT tenancy.context_mac('', '', '{forged}') AS text"], Refused("permission denied"), Holds),
    attack("token functions", &["SELECT tenancy.renew_context_key()::text AS text"], Refused("permission denied"), Holds),
    attack("token functions", &["SELECT tenancy.is_entered()::text AS text"], Refused("permission denied"), Holds),
    attack("token functions", &["SELECT ipad::text AS text FROM tenancy.context_key"], Refused("permission denied"), Holds),
    attack("token functions", &["SELECT most_common_vals::text AS text FROM pg_stats WHERE tablename = 'context_key'"], Nothing, Holds),
    attack("token functions", &["SELECT tenancy.level() AS text", READ], Own, Holds),
    attack(
        "token functions",
        &[
            "DO $$
             BEGIN
                 FOR i IN 1..200 LOOP
                     PERFORM set_config('tenancy.context', replace('{b}', '-', '') || '_user___owner_0__' || encode(sha256(i::text::bytea), 'hex'), true);
                     BEGIN
                         PERFORM name FROM public.projects;
                         RAISE 'guessed';
                     EXCEPTION WHEN SQLSTATE 'TN002' THEN NULL;
                     END;
                 END LOOP;
             END
             $$",
            READ,
        ],
        Refused("TN002"),
        Holds,
    ),
    // Whoever connects may bring the setting along, and tenancy.enter writes over it; as a default
    // of the role nobody but a superuser may store it.
    attack(
        "settings of role, database and connection",
        &["ALTER ROLE rowhouse_app IN DATABASE {database} SET {slot} = '{live_token_of_b}'"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "settings of role, database and connection",
        &["\\connect {slot}={live_token_of_b}", READ],
        Refused("TN002"),
        Holds,
    ),
];

//! What the attacker would look up beside the rows.

use super::{Attack, Holds, Nothing, Refused, attack};

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "statistics",
        &[
            "SELECT most_common_vals::text AS text FROM pg_stats WHERE schemaname IN ('public', 'tenancy') AND tablename <> '__diesel_schema_migrations'",
        ],
        Nothing,
        Holds,
    ),
    attack(
        "statistics",
        &["SELECT most_common_vals::text AS text FROM pg_stats_ext"],
        Nothing,
        Holds,
    ),
    attack(
        "statistics",
        &["SELECT stavalues1::text AS text FROM pg_statistic"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "statistics",
        &["SELECT stxdmcv::text AS text FROM pg_statistic_ext_data"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "statistics",
        &["SELECT query AS text FROM pg_stat_activity"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "statistics",
        &["SELECT pg_stat_get_backend_activity(1) AS text"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "statistics",
        &["SELECT pg_stat_reset()::text AS text"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "catalogs and files",
        &["SELECT rolpassword AS text FROM pg_authid"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "catalogs and files",
        &["SELECT passwd AS text FROM pg_shadow"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "catalogs and files",
        &["SELECT name AS text FROM pg_file_settings"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "catalogs and files",
        &["SELECT pg_read_file('postgresql.conf') AS text"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "catalogs and files",
        &["SELECT pg_ls_dir('.') AS text"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "catalogs and files",
        &["SELECT error AS text FROM pg_hba_file_rules"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "catalogs and files",
        &["SELECT subconninfo AS text FROM pg_subscription"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "catalogs and files",
        &["SELECT pg_terminate_backend(1)::text AS text"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "catalogs and files",
        &["SELECT pg_cancel_backend(1)::text AS text"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "catalogs and files",
        &["SELECT pg_logical_emit_message(true, 'x', 'y')::text AS text"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "catalogs and files",
        &["SELECT pg_create_logical_replication_slot('mine', 'test_decoding')::text AS text"],
        Refused("replication"),
        Holds,
    ),
    attack(
        "catalogs and files",
        &["SELECT pg_reload_conf()::text AS text"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "catalogs and files",
        &["SELECT email AS text FROM accounts"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "catalogs and files",
        &["SELECT password_hash AS text FROM credentials"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "catalogs and files",
        &["SELECT device AS text FROM sessions"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "catalogs and files",
        &["SELECT hash::text AS text FROM refresh_tokens"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "catalogs and files",
        &["SELECT body AS text FROM idempotency_keys"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "catalogs and files",
        &["SELECT kid AS text FROM totp_secrets"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "catalogs and files",
        &["SELECT email AS text FROM account_mails"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "catalogs and files",
        &["UPDATE pg_class SET relrowsecurity = false WHERE relname = 'projects'"],
        Refused("permission denied"),
        Holds,
    ),
    attack(
        "catalogs and files",
        &["DELETE FROM pg_policy"],
        Refused("permission denied"),
        Holds,
    ),
];

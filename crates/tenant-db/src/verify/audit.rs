//! What the audit trail brings into a database: the declared side of its migration.

use super::catalog::{Catalog, OWNER, Table};
use super::function::Function;
use super::kernel::TENANCY;
use super::tenant_table::TenantTable;

/// Where the functions are defined.
const SCRIPT: &str = include_str!("../../migrations/00000000000001_audit/up.sql");

pub(super) fn declare(catalog: Catalog) -> Catalog {
    let catalog = catalog
        .script(SCRIPT)
        // Its own trail: each event says itself what happened.
        .tenant_table(
            TenantTable::new("tenancy.audit_events")
                .owner(TENANCY)
                .door(TENANCY)
                .commands(&["select"])
                .unaudited(),
        )
        .table(Table::new("tenancy.audit_pending", TENANCY))
        .table(Table::new("tenancy.audit_seals", TENANCY))
        .table(Table::new("tenancy.audit_heads", TENANCY))
        .table(Table::new("tenancy.audit_checkpoints", TENANCY));
    let catalog = KEYS
        .iter()
        .fold(catalog, |catalog, (table, name, definition)| {
            catalog.key(table, name, definition)
        });
    let catalog = catalog.index(
        "tenancy.audit_events",
        "audit_events_object_idx",
        "btree (tenant_id, object_type, object_id, id)",
    );
    functions().into_iter().fold(catalog, Catalog::function)
}

const KEYS: &[(&str, &str, &str)] = &[
    (
        "tenancy.audit_pending",
        "audit_pending_pkey",
        "PRIMARY KEY (tenant_id, event_id)",
    ),
    (
        "tenancy.audit_seals",
        "audit_seals_pkey",
        "PRIMARY KEY (tenant_id, seq)",
    ),
    (
        "tenancy.audit_seals",
        "audit_seals_tenant_id_event_id_key",
        "UNIQUE (tenant_id, event_id)",
    ),
    (
        "tenancy.audit_heads",
        "audit_heads_pkey",
        "PRIMARY KEY (tenant_id)",
    ),
    (
        "tenancy.audit_checkpoints",
        "audit_checkpoints_pkey",
        "PRIMARY KEY (number)",
    ),
];

fn functions() -> [Function; 19] {
    [
        Function::definer(
            "tenancy.record_event()",
            TENANCY,
            "c4ed1cd15fadd932ae8cdb2a257307a0980ac161590542938c890ebc3a05995b",
        )
        .callers(&[OWNER]),
        Function::invoker(
            "tenancy.audit(regclass,name,boolean,name[],name[])",
            TENANCY,
            "f438c6ed38e2009f443eef7eb8d7f35ae922a95d827f5a056f4b8dfc48cac88e",
        )
        .callers(&[OWNER]),
        Function::invoker(
            "tenancy.act_as(uuid)",
            TENANCY,
            "a7f8a99288a57e26031b7d03dea4d0af55957435a6ec44edabba816878f249d4",
        ),
        Function::inline(
            "tenancy.audit_commitment(uuid,uuid,timestamp with time zone,text,text,uuid,text,text,text,text,text,bytea,bytea)",
            TENANCY,
            "20193c44daffb21fe2384b9ca39f978109412b91b3e0d01195448be09ac834ea",
        ),
        Function::inline(
            "tenancy.audit_digest(bytea,text)",
            TENANCY,
            "f18a509841adcf34e135920d46664bd6d7898ce46a464f73a81fbc7fa4a67ac5",
        ),
        Function::inline(
            "tenancy.event_time(uuid)",
            TENANCY,
            "605b439a4cd27d5a4a654f52bbd50f278c9b6ae06d921ba1ddead18c499f9f28",
        ),
        Function::definer(
            "tenancy.tenants_to_seal(integer)",
            TENANCY,
            "16c54844d99b6ede4aae0426d02c5c5fde9fdb1d4099b4ba8e2dc659b19eeea3",
        ),
        Function::invoker(
            "tenancy.lock_chain(uuid)",
            TENANCY,
            "f485d1dfa11abb21faf5f11c18d3e15b3ccba32e99676608eeb52389c29542e7",
        ),
        Function::definer(
            "tenancy.seal_events(uuid,integer)",
            TENANCY,
            "040d5487db18dee0e60ab843eb1b92b91e4b6feb70013de0c48b9b77a4debbb6",
        ),
        Function::invoker(
            "tenancy.event_state(tenancy.audit_events,bytea,bytea,bytea,bytea,bytea)",
            TENANCY,
            "22668c9edcbe30096bb0674e34d5665e1aa625e043d6a978f9907f23de8d1d79",
        ),
        Function::definer(
            "tenancy.audit_chains()",
            TENANCY,
            "0ef08f7351eb626e1a4d26c2989d1bb2d2b70b2a90819e952e49b19323117fe7",
        ),
        Function::definer(
            "tenancy.audit_chain(uuid,bigint,integer)",
            TENANCY,
            "4f0457cf5019e170fc9f33821fe181ce98193f4b171da7c71080a84cbd6555de",
        ),
        Function::definer(
            "tenancy.audit_unsealed(uuid)",
            TENANCY,
            "f5b5b447bb17ef6b323d19c54f13666d6b0333e34ef6860c143d6cf087446e70",
        ),
        Function::definer(
            "tenancy.checkpoints(bigint)",
            TENANCY,
            "5b1e0d65ee642bddcebced2abd016718e7d50e3fd920b76fe84801f94bd5d1cb",
        ),
        Function::definer(
            "tenancy.last_checkpoint()",
            TENANCY,
            "a73ed494ce9ab84542aa68fddf288f4f469b0cd70df0ed4d8b60ce669cd5e1e6",
        ),
        Function::definer(
            "tenancy.add_checkpoint(bigint,text,jsonb,bytea,bytea)",
            TENANCY,
            "8583b6fdbc306204a6b5bbbd5b5647af81b692c98ebec598d5ba33755457acb3",
        ),
        Function::definer(
            "tenancy.erase_object(uuid,text,text)",
            TENANCY,
            "866e0ee922b9c053443965a0ce6a278d52f8c3577ff2007d7fd02ab389ceadeb",
        ),
        Function::definer(
            "tenancy.erase_actor(uuid,uuid)",
            TENANCY,
            "5e7fd73a44886f072607f5dbb7f9bcdd28305e2096d0aa6e08905d6ea570443b",
        ),
        Function::definer(
            "tenancy.erase_trail(uuid,bigint)",
            TENANCY,
            "ccad2e27f4528517051005f622e758698f3d2262ead5b0f1c97f865ebeba8e49",
        ),
    ]
}

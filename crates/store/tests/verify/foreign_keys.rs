//! Foreign keys between tables of tenants.

use crate::breakage::{Breakage, assert_found_and_mended};

pub(crate) const BREAKAGES: &[Breakage] = &[
    (
        "a plain foreign key",
        "ALTER TABLE memberships ADD CONSTRAINT memberships_id_key UNIQUE (id);
         ALTER TABLE projects ADD COLUMN lead_id uuid CONSTRAINT projects_lead_fkey REFERENCES memberships (id)",
        &["foreign_key_plain", "unique_key"],
    ),
    (
        "a new tenant table with a plain foreign key",
        "ALTER TABLE projects ADD CONSTRAINT projects_id_key UNIQUE (id);
         CREATE TABLE notes (tenant_id uuid NOT NULL, id uuid, project_id uuid REFERENCES projects (id),
             PRIMARY KEY (tenant_id, id));
         ALTER TABLE notes OWNER TO rowhouse_owner",
        &["foreign_key_plain", "table_unknown", "unique_key"],
    ),
    (
        "columns of a foreign key in the order of a neighbour",
        "CREATE UNIQUE INDEX memberships_turned ON memberships (id, tenant_id);
         ALTER TABLE projects DROP CONSTRAINT projects_tenant_id_owner_id_fkey,
             ADD CONSTRAINT projects_tenant_id_owner_id_fkey FOREIGN KEY (tenant_id, owner_id)
             REFERENCES memberships (id, tenant_id)",
        &["foreign_key_plain", "unique_key"],
    ),
    (
        "a foreign key from a tenant table to one without tenants",
        "ALTER TABLE projects ADD COLUMN account_id uuid REFERENCES accounts",
        &["foreign_key_plain"],
    ),
    (
        "a foreign key to a tenant by its slug",
        "ALTER TABLE accounts ADD COLUMN home_slug text REFERENCES tenants (slug)",
        &["foreign_key_plain"],
    ),
    (
        "a foreign key that sets NULL",
        "ALTER TABLE projects DROP CONSTRAINT projects_tenant_id_owner_id_fkey,
             ADD CONSTRAINT projects_tenant_id_owner_id_fkey FOREIGN KEY (tenant_id, owner_id)
             REFERENCES memberships (tenant_id, id) ON DELETE SET NULL",
        &["foreign_key_action"],
    ),
    (
        "a foreign key that was never checked",
        "ALTER TABLE projects DROP CONSTRAINT projects_tenant_id_owner_id_fkey,
             ADD CONSTRAINT projects_tenant_id_owner_id_fkey FOREIGN KEY (tenant_id, owner_id)
             REFERENCES memberships (tenant_id, id) NOT VALID",
        &["foreign_key_not_enforced"],
    ),
    (
        "a foreign key that is gone",
        "ALTER TABLE projects DROP CONSTRAINT projects_tenant_id_owner_id_fkey",
        &["foreign_key_missing"],
    ),
    (
        "a table without tenants whose foreign key is gone",
        "ALTER TABLE credentials DROP CONSTRAINT credentials_account_id_fkey",
        &["foreign_key_missing"],
    ),
    (
        "a foreign key that does something else",
        "ALTER TABLE projects DROP CONSTRAINT projects_tenant_id_owner_id_fkey,
             ADD CONSTRAINT projects_tenant_id_owner_id_fkey FOREIGN KEY (tenant_id, owner_id)
             REFERENCES memberships (tenant_id, id) ON DELETE RESTRICT",
        &["foreign_key_changed"],
    ),
];

#[test]
fn foreign_keys_are_missed_when_they_could_cross_tenants() {
    assert_found_and_mended(BREAKAGES);
}

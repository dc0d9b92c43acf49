SET LOCAL ROLE rowhouse_owner;
CREATE TABLE notes (
    tenant_id uuid NOT NULL DEFAULT tenancy.current_tenant(),
    id uuid NOT NULL, title text NOT NULL, PRIMARY KEY (tenant_id, id));
SELECT tenancy.protect('notes', write_role => 'member');
SET LOCAL ROLE NONE;

-- What the tenants work on.

SET LOCAL ROLE rowhouse_owner;

CREATE TABLE projects (
    tenant_id   uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    id          uuid NOT NULL,
    name        text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    description text CHECK (char_length(description) <= 10000),
    status      text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'completed', 'archived')),
    owner_id    uuid NOT NULL,
    is_deleted  boolean NOT NULL DEFAULT false,
    deleted_at  timestamptz,
    view_count  bigint NOT NULL DEFAULT 0,
    -- Rises with every change that a client makes; the ETag is made of it.
    version     integer NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, owner_id) REFERENCES memberships (tenant_id, id) ON DELETE CASCADE,
    CHECK (is_deleted = (deleted_at IS NOT NULL))
);
CREATE INDEX projects_tenant_status_idx ON projects (tenant_id, is_deleted, status, id);
CREATE INDEX projects_owner_idx ON projects (tenant_id, owner_id);

SELECT tenancy.protect('projects', write_role => 'member', commands => '{select,insert,update}',
    update_columns => '{name,description,status,is_deleted,deleted_at,view_count,version,updated_at}',
    unaudited => '{view_count,updated_at}');

SET LOCAL ROLE NONE;

-- What projects are made of, and what each thing was before it was changed.

SET LOCAL ROLE rowhouse_owner;

CREATE TABLE resources (
    tenant_id  uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    id         uuid NOT NULL,
    project_id uuid NOT NULL,
    name       text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    type       text CHECK (char_length(type) BETWEEN 1 AND 50),
    -- The size is a backstop: the API counts the bytes of the text, and this is
    -- more than such a text can take.
    data       jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(data) = 'object' AND pg_column_size(data) <= 1048576),
    -- Rises with every change; the ETag is made of it.
    version    integer NOT NULL DEFAULT 1,
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT resources_project_fkey FOREIGN KEY (tenant_id, project_id)
        REFERENCES projects (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, created_by) REFERENCES memberships (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX resources_project_idx ON resources (tenant_id, project_id, id);
CREATE INDEX resources_created_by_idx ON resources (tenant_id, created_by);

-- What a resource was until it was replaced: written by the trigger below and by
-- nobody else, and gone with its resource.
CREATE TABLE resource_versions (
    tenant_id   uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    resource_id uuid NOT NULL,
    version     integer NOT NULL,
    name        text NOT NULL,
    type        text,
    data        jsonb NOT NULL,
    updated_at  timestamptz NOT NULL,
    replaced_at timestamptz NOT NULL,
    -- NULL: replaced by no member.
    replaced_by uuid,
    PRIMARY KEY (tenant_id, resource_id, version),
    FOREIGN KEY (tenant_id, resource_id) REFERENCES resources (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, replaced_by) REFERENCES memberships (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX resource_versions_replaced_by_idx ON resource_versions (tenant_id, replaced_by);

SELECT tenancy.protect('resources', write_role => 'member', update_columns => '{name,type,data}',
    unaudited => '{updated_at}');
-- Whoever may delete a resource deletes its versions with it. They say again what
-- the resource's own events say.
SELECT tenancy.protect('resource_versions', write_role => 'member', door => 'rowhouse_directory',
    commands => '{select}', audit => false);
GRANT INSERT ON resource_versions TO rowhouse_directory;

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_directory;

-- The member who acts: the user, or the maker of the key. NULL for a job, and
-- where there is no context.
CREATE FUNCTION directory.acting_member() RETURNS uuid
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT tenancy.has_context() THEN
        RETURN NULL;
    END IF;
    RETURN CASE tenancy.current_kind()
        WHEN 'user' THEN (
            SELECT id FROM public.memberships
            WHERE tenant_id = tenancy.current_tenant() AND account_id = tenancy.current_actor()::uuid
                AND removed_at IS NULL)
        WHEN 'key' THEN (
            SELECT created_by FROM public.api_keys
            WHERE tenant_id = tenancy.current_tenant() AND id = tenancy.current_actor()::uuid)
    END;
END
$$;

-- Whatever SQL writes to a resource: a new one is the caller's, and a changed
-- one leaves behind what it was. The row is locked here, so numbers have no
-- gaps.
CREATE FUNCTION directory.keep_resource_version() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF tenancy.has_context() THEN
            NEW.created_by := coalesce(directory.acting_member(), NEW.created_by);
            NEW.version := 1;
        END IF;
        RETURN NEW;
    END IF;
    NEW.version := OLD.version + 1;
    -- Not when the transaction began: it may have waited for the row.
    NEW.updated_at := clock_timestamp();
    INSERT INTO public.resource_versions
        (tenant_id, resource_id, version, name, type, data, updated_at, replaced_at, replaced_by)
    VALUES (OLD.tenant_id, OLD.id, OLD.version, OLD.name, OLD.type, OLD.data, OLD.updated_at, NEW.updated_at,
        directory.acting_member());
    RETURN NEW;
END
$$;
GRANT EXECUTE ON FUNCTION directory.keep_resource_version() TO rowhouse_owner;

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_owner;

CREATE TRIGGER resources_keep_version BEFORE INSERT OR UPDATE ON resources
    FOR EACH ROW EXECUTE FUNCTION directory.keep_resource_version();

SET LOCAL ROLE NONE;

-- Roles that a tenant makes for itself: a name, and some of the permissions of
-- a built-in role. Policies, triggers and the seal go on knowing that built-in
-- role alone, which stays in memberships.role.

SET LOCAL ROLE rowhouse_owner;

CREATE TABLE roles (
    tenant_id   uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    id          uuid NOT NULL,
    name        text NOT NULL
                CHECK (name ~ '^[a-z][a-z0-9_]{0,31}$' AND name NOT IN ('viewer', 'member', 'admin', 'owner')),
    based_on    text NOT NULL CHECK (based_on IN ('viewer', 'member', 'admin')),
    -- The words are the API's; it grants none that based_on has not.
    permissions text[] NOT NULL
                CHECK (cardinality(permissions) <= 64 AND array_position(permissions, NULL) IS NULL
                    AND octet_length(array_to_string(permissions, ' ')) <= 2048),
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT roles_tenant_name_key UNIQUE (tenant_id, name),
    CONSTRAINT roles_tenant_base_key UNIQUE (tenant_id, id, based_on)
);

-- The foreign key holds the base too: whoever has a custom role has the base
-- that it is made of, also after that was changed. An owner
-- whom policies bind could not check the rows that are there.
ALTER TABLE memberships NO FORCE ROW LEVEL SECURITY;
ALTER TABLE memberships ADD COLUMN custom_role_id uuid,
    ADD CONSTRAINT memberships_custom_role_fkey FOREIGN KEY (tenant_id, custom_role_id, role)
        REFERENCES roles (tenant_id, id, based_on) ON UPDATE CASCADE ON DELETE RESTRICT;
ALTER TABLE memberships FORCE ROW LEVEL SECURITY;
CREATE INDEX memberships_custom_role_idx ON memberships (tenant_id, custom_role_id);

GRANT SELECT ON roles TO rowhouse_directory;
GRANT UPDATE (role_version) ON memberships TO rowhouse_directory;
SELECT tenancy.protect('roles', write_role => 'admin', door => 'rowhouse_directory',
    update_columns => '{name,based_on,permissions,updated_at}', unaudited => '{updated_at}');
SELECT tenancy.protect('memberships', write_role => 'admin', door => 'rowhouse_directory',
    commands => '{select,update}',
    update_columns => '{full_name,role,custom_role_id,status,removed_at,updated_at}',
    unaudited => '{updated_at}');

-- As before, and a custom role counts as a role.
CREATE OR REPLACE FUNCTION memberships_role_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF tenancy.has_context() AND current_user <> 'rowhouse_directory'
        AND NOT (tenancy.allows(OLD.role) AND tenancy.allows(NEW.role))
    THEN
        PERFORM tenancy.refuse('TN008', 'nobody changes a role above their own');
    END IF;
    -- Whoever goes leaves the custom role behind; and whoever writes a base
    -- role alone, as one that knows no others, takes the custom one away.
    IF NEW.removed_at IS NOT NULL
        OR NEW.role <> OLD.role AND NEW.custom_role_id = OLD.custom_role_id AND NOT EXISTS (
            SELECT FROM public.roles
            WHERE tenant_id = NEW.tenant_id AND id = NEW.custom_role_id AND based_on = NEW.role
        )
    THEN
        NEW.custom_role_id := NULL;
    END IF;
    IF NEW.custom_role_id IS DISTINCT FROM OLD.custom_role_id AND NEW.custom_role_id IS NOT NULL THEN
        -- Whoever changes the role meanwhile waits, and then finds this member.
        PERFORM FROM public.roles WHERE tenant_id = NEW.tenant_id AND id = NEW.custom_role_id FOR SHARE;
    END IF;
    IF NEW.role <> OLD.role OR NEW.status <> OLD.status
        OR NEW.custom_role_id IS DISTINCT FROM OLD.custom_role_id
    THEN
        NEW.role_version := OLD.role_version + 1;
    END IF;
    RETURN NEW;
END
$$;

-- An API key manages neither roles nor keys, whatever role it acts in.
CREATE FUNCTION refuse_keys() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF tenancy.has_context() AND tenancy.current_kind() = 'key' THEN
        PERFORM tenancy.refuse('TN008', format('an API key may not write to %s', TG_TABLE_NAME));
    END IF;
    RETURN NULL;
END
$$;
GRANT EXECUTE ON FUNCTION refuse_keys() TO rowhouse_app, rowhouse_directory;
CREATE TRIGGER roles_refuse_keys BEFORE INSERT OR UPDATE OR DELETE ON roles
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_keys();

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_directory;

-- Every token that carries the role is stale from here on. A new base does it
-- by itself: the foreign key hands it on, as a change of each member's role.
CREATE FUNCTION directory.role_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE public.memberships SET role_version = role_version + 1, updated_at = now()
    WHERE tenant_id = NEW.tenant_id AND custom_role_id = NEW.id;
    RETURN NULL;
END
$$;
GRANT EXECUTE ON FUNCTION directory.role_changed() TO rowhouse_owner;

DROP FUNCTION directory.memberships_of(uuid);

-- The tenants of a person, by name of the tenant. custom_role and permissions
-- are NULL where the role is a built-in one.
CREATE FUNCTION directory.memberships_of(account uuid)
RETURNS TABLE (tenant_id uuid, slug text, name text, tenant_status text,
               membership_id uuid, role text, role_version int, status text,
               custom_role text, permissions text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.id, t.slug, t.name, t.status, m.id, m.role, m.role_version, m.status, r.name, r.permissions
    FROM public.memberships m JOIN public.tenants t ON t.id = m.tenant_id
    LEFT JOIN public.roles r ON r.tenant_id = m.tenant_id AND r.id = m.custom_role_id
    WHERE m.account_id = memberships_of.account AND m.removed_at IS NULL
    ORDER BY t.name, t.id
$$;
GRANT EXECUTE ON FUNCTION directory.memberships_of(uuid) TO rowhouse_auth;

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_owner;

CREATE TRIGGER roles_changed AFTER UPDATE ON roles
    FOR EACH ROW WHEN (OLD.based_on = NEW.based_on) EXECUTE FUNCTION directory.role_changed();

SET LOCAL ROLE NONE;

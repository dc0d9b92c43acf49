SET LOCAL ROLE rowhouse_owner;
DROP TRIGGER roles_changed ON roles;
DROP TRIGGER roles_refuse_keys ON roles;
DROP FUNCTION refuse_keys();
CREATE OR REPLACE FUNCTION memberships_role_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF tenancy.has_context() AND current_user <> 'rowhouse_directory'
        AND NOT (tenancy.allows(OLD.role) AND tenancy.allows(NEW.role))
    THEN
        PERFORM tenancy.refuse('TN008', 'nobody changes a role above their own');
    END IF;
    IF NEW.role <> OLD.role OR NEW.status <> OLD.status THEN
        NEW.role_version := OLD.role_version + 1;
    END IF;
    RETURN NEW;
END
$$;
SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_directory;
DROP FUNCTION directory.role_changed();
DROP FUNCTION directory.memberships_of(uuid);
CREATE FUNCTION directory.memberships_of(account uuid)
RETURNS TABLE (tenant_id uuid, slug text, name text, tenant_status text,
               membership_id uuid, role text, role_version int, status text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.id, t.slug, t.name, t.status, m.id, m.role, m.role_version, m.status
    FROM public.memberships m JOIN public.tenants t ON t.id = m.tenant_id
    WHERE m.account_id = memberships_of.account AND m.removed_at IS NULL
    ORDER BY t.name, t.id
$$;
GRANT EXECUTE ON FUNCTION directory.memberships_of(uuid) TO rowhouse_auth;
SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_owner;
-- Whoever had a custom role would keep its base, with all that it may: the
-- tokens out there are stale, and what is left is the least role.
ALTER TABLE memberships NO FORCE ROW LEVEL SECURITY;
UPDATE memberships SET custom_role_id = NULL, role = 'viewer' WHERE custom_role_id IS NOT NULL;
ALTER TABLE memberships FORCE ROW LEVEL SECURITY;
ALTER TABLE memberships DROP COLUMN custom_role_id;
REVOKE UPDATE (role_version) ON memberships FROM rowhouse_directory;
DROP TABLE roles;
SELECT tenancy.protect('memberships', write_role => 'admin', door => 'rowhouse_directory',
    commands => '{select,update}', update_columns => '{full_name,role,status,removed_at,updated_at}',
    unaudited => '{updated_at}');
SET LOCAL ROLE NONE;

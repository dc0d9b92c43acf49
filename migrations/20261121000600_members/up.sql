-- How members come to be something else, and how they go.

SET LOCAL ROLE rowhouse_owner;

-- For the triggers and doors below, which act for members who may not write
-- to memberships themselves.
GRANT UPDATE (full_name, removed_at, updated_at) ON memberships TO rowhouse_directory;
GRANT UPDATE (updated_at) ON tenants TO rowhouse_directory;
GRANT UPDATE (email, updated_at) ON accounts TO rowhouse_directory;
GRANT SELECT (account_id), DELETE ON credentials TO rowhouse_directory;
GRANT SELECT (account_id, revoked_at), UPDATE (revoked_at) ON sessions TO rowhouse_directory;

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_directory;

-- A tenant keeps an owner who is active, whatever is done at once: whoever
-- takes one away waits for the tenant's row and then counts what is left.
-- LO001. When the tenant itself goes, its row is gone already.
CREATE FUNCTION directory.keep_an_owner() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.tenants WHERE id = OLD.tenant_id FOR NO KEY UPDATE;
    IF FOUND AND NOT EXISTS (
        SELECT FROM public.memberships
        WHERE tenant_id = OLD.tenant_id AND role = 'owner' AND status = 'active' AND removed_at IS NULL
    ) THEN
        PERFORM tenancy.refuse('LO001', 'a tenant keeps at least one active owner');
    END IF;
    RETURN NULL;
END
$$;

-- A managed account goes with its membership: the address is free again, and
-- nobody signs in with it.
CREATE FUNCTION directory.retire_managed_account() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE public.accounts SET email = id || '@removed.invalid', updated_at = now()
    WHERE id = NEW.account_id AND home_tenant_id = NEW.tenant_id;
    IF FOUND THEN
        DELETE FROM public.credentials WHERE account_id = NEW.account_id;
        UPDATE public.sessions SET revoked_at = now() WHERE account_id = NEW.account_id AND revoked_at IS NULL;
    END IF;
    RETURN NULL;
END
$$;

-- Inside a context: the caller's own name in the current tenant. Returns the
-- membership's id.
CREATE FUNCTION directory.set_own_name(name text) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    member uuid;
BEGIN
    UPDATE public.memberships SET full_name = set_own_name.name, updated_at = now()
    WHERE tenant_id = tenancy.current_tenant() AND account_id = tenancy.current_actor()::uuid
        AND tenancy.current_kind() = 'user' AND removed_at IS NULL
    RETURNING id INTO member;
    RETURN member;
END
$$;

-- Inside a context: the caller leaves the current tenant. Returns the
-- membership's id; LO001 for the last owner.
CREATE FUNCTION directory.leave() RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    member uuid;
BEGIN
    UPDATE public.memberships SET removed_at = now(), updated_at = now()
    WHERE tenant_id = tenancy.current_tenant() AND account_id = tenancy.current_actor()::uuid
        AND tenancy.current_kind() = 'user' AND removed_at IS NULL
    RETURNING id INTO member;
    RETURN member;
END
$$;

GRANT EXECUTE ON FUNCTION directory.set_own_name(text), directory.leave() TO rowhouse_app;
GRANT USAGE ON SCHEMA directory TO rowhouse_owner;
GRANT EXECUTE ON FUNCTION directory.keep_an_owner(), directory.retire_managed_account() TO rowhouse_owner;

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_owner;

CREATE TRIGGER memberships_keep_an_owner AFTER UPDATE OF role, status, removed_at ON memberships
    FOR EACH ROW
    WHEN (OLD.role = 'owner' AND OLD.status = 'active' AND OLD.removed_at IS NULL
        AND (NEW.role <> 'owner' OR NEW.status <> 'active' OR NEW.removed_at IS NOT NULL))
    EXECUTE FUNCTION directory.keep_an_owner();
CREATE TRIGGER memberships_keep_an_owner_delete AFTER DELETE ON memberships
    FOR EACH ROW WHEN (OLD.role = 'owner' AND OLD.status = 'active' AND OLD.removed_at IS NULL)
    EXECUTE FUNCTION directory.keep_an_owner();
CREATE TRIGGER memberships_retire_managed AFTER UPDATE OF removed_at ON memberships
    FOR EACH ROW WHEN (OLD.removed_at IS NULL AND NEW.removed_at IS NOT NULL)
    EXECUTE FUNCTION directory.retire_managed_account();

SET LOCAL ROLE NONE;

-- How an account ends, and what its person sees of a tenant that it founds.

SET LOCAL ROLE rowhouse_owner;

-- The row stays, for the memberships that name it; nobody signs in with it.
ALTER TABLE accounts ADD COLUMN removed_at timestamptz;

GRANT UPDATE (full_name, removed_at) ON accounts TO rowhouse_directory;
GRANT SELECT (id) ON sessions TO rowhouse_directory;

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_directory;

-- Ends every session of an account and forgets its password. Locks the
-- sessions in the order of their ids, as everybody does who needs several.
CREATE FUNCTION directory.lock_out(account uuid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM public.credentials WHERE account_id = lock_out.account;
    PERFORM FROM public.sessions
    WHERE account_id = lock_out.account AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE;
    UPDATE public.sessions SET revoked_at = now() WHERE account_id = lock_out.account AND revoked_at IS NULL;
END
$$;

-- A managed account goes with its membership: the address is free again, and
-- nobody signs in with it.
CREATE OR REPLACE FUNCTION directory.retire_managed_account() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE public.accounts SET email = id || '@removed.invalid', removed_at = now(), updated_at = now()
    WHERE id = NEW.account_id AND home_tenant_id = NEW.tenant_id;
    IF FOUND THEN
        PERFORM directory.lock_out(NEW.account_id);
    END IF;
    RETURN NULL;
END
$$;

-- Ends an account: its memberships, its password, its sessions, its name.
-- LO001 while it is the last owner of a tenant. Each membership is locked
-- before its tenant and tenants in the order of their ids, so that nobody
-- waits in a circle; twice, for whoever joined a tenant just before the
-- account's row was locked.
CREATE FUNCTION directory.delete_account(account uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tenant uuid;
    place  public.memberships;
BEGIN
    PERFORM tenancy.act_as(delete_account.account);
    FOR pass IN 1 .. 2 LOOP
        FOR tenant IN
            SELECT tenant_id FROM public.memberships
            WHERE account_id = delete_account.account AND removed_at IS NULL ORDER BY tenant_id
        LOOP
            UPDATE public.memberships SET removed_at = now(), updated_at = now()
            WHERE tenant_id = tenant AND account_id = delete_account.account AND removed_at IS NULL;
        END LOOP;
        IF pass = 1 THEN
            UPDATE public.accounts
            SET email = id || '@removed.invalid', full_name = 'Deleted account', removed_at = now(), updated_at = now()
            WHERE id = delete_account.account;
        END IF;
    END LOOP;
    PERFORM directory.lock_out(delete_account.account);
    -- What was recorded of the person, in whatever tenant they ever were.
    FOR place IN
        SELECT * FROM public.memberships m WHERE m.account_id = delete_account.account ORDER BY m.tenant_id, m.id
    LOOP
        PERFORM tenancy.erase_object(place.tenant_id, 'memberships', place.id::text);
        PERFORM tenancy.erase_actor(place.tenant_id, delete_account.account);
    END LOOP;
END
$$;

-- As before, for an account that still is one.
CREATE OR REPLACE FUNCTION directory.create_tenant(account uuid, slug text, name text)
RETURNS TABLE (tenant_id uuid, membership_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tenant uuid := directory.new_id();
    member uuid := directory.new_id();
BEGIN
    PERFORM tenancy.act_as(create_tenant.account);
    INSERT INTO public.tenants (id, slug, subdomain, name)
    VALUES (tenant, create_tenant.slug, create_tenant.slug, create_tenant.name);
    INSERT INTO public.memberships (tenant_id, id, account_id, email, full_name, role)
    SELECT tenant, member, a.id, a.email, a.full_name, 'owner'
    FROM public.accounts a
    WHERE a.id = create_tenant.account AND a.home_tenant_id IS NULL AND a.removed_at IS NULL
    FOR KEY SHARE;
    IF NOT FOUND THEN
        PERFORM tenancy.refuse('TN007', 'only a personal account creates a tenant');
    END IF;
    RETURN QUERY SELECT tenant, member;
END
$$;

CREATE OR REPLACE FUNCTION directory.join_tenant(account uuid, tenant uuid, role text, proof text)
RETURNS TABLE (membership_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    INSERT INTO public.memberships (tenant_id, id, account_id, email, full_name, role)
    SELECT t.id, directory.new_id(), a.id, a.email, a.full_name, 'member'
    FROM public.tenants t, public.accounts a
    WHERE t.id = join_tenant.tenant AND t.status = 'active'
        AND a.id = join_tenant.account AND a.home_tenant_id IS NULL AND a.removed_at IS NULL
        AND join_tenant.role = 'member' AND join_tenant.proof IS NULL
        AND (t.signup = 'open'
            OR t.signup = 'domain' AND a.email_verified AND split_part(a.email, '@', 2) = ANY (t.signup_domains))
    FOR KEY SHARE OF a
    RETURNING id;
END
$$;

-- The whole row of a tenant, for one of its active members.
CREATE FUNCTION directory.tenant_of(account uuid, tenant uuid)
RETURNS TABLE (id uuid, slug text, subdomain text, name text, status text, subscription_tier text,
               rate_limit_per_minute int, rate_limit_burst int, signup text, signup_domains text[],
               settings jsonb, branding jsonb, created_at timestamptz, updated_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.id, t.slug, t.subdomain, t.name, t.status, t.subscription_tier, t.rate_limit_per_minute,
           t.rate_limit_burst, t.signup, t.signup_domains, t.settings, t.branding, t.created_at, t.updated_at
    FROM public.tenants t JOIN public.memberships m ON m.tenant_id = t.id
    WHERE t.id = tenant_of.tenant AND m.account_id = tenant_of.account
        AND m.status = 'active' AND m.removed_at IS NULL
$$;

GRANT EXECUTE ON FUNCTION directory.delete_account(uuid), directory.tenant_of(uuid, uuid) TO rowhouse_auth;

SET LOCAL ROLE NONE;

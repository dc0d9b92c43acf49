SET LOCAL ROLE rowhouse_directory;
DROP FUNCTION directory.tenant_of(uuid, uuid);
DROP FUNCTION directory.delete_account(uuid);

CREATE OR REPLACE FUNCTION directory.create_tenant(account uuid, slug text, name text)
RETURNS TABLE (tenant_id uuid, membership_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tenant uuid := directory.new_id();
    member uuid := directory.new_id();
BEGIN
    INSERT INTO public.tenants (id, slug, subdomain, name)
    VALUES (tenant, create_tenant.slug, create_tenant.slug, create_tenant.name);
    INSERT INTO public.memberships (tenant_id, id, account_id, email, full_name, role)
    SELECT tenant, member, a.id, a.email, a.full_name, 'owner'
    FROM public.accounts a WHERE a.id = create_tenant.account AND a.home_tenant_id IS NULL;
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
        AND a.id = join_tenant.account AND a.home_tenant_id IS NULL
        AND join_tenant.role = 'member' AND join_tenant.proof IS NULL
        AND (t.signup = 'open'
            OR t.signup = 'domain' AND a.email_verified AND split_part(a.email, '@', 2) = ANY (t.signup_domains))
    RETURNING id;
END
$$;

CREATE OR REPLACE FUNCTION directory.retire_managed_account() RETURNS trigger
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

DROP FUNCTION directory.lock_out(uuid);
SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_owner;
REVOKE SELECT (id) ON sessions FROM rowhouse_directory;
REVOKE UPDATE (full_name, removed_at) ON accounts FROM rowhouse_directory;
ALTER TABLE accounts DROP COLUMN removed_at;
SET LOCAL ROLE NONE;

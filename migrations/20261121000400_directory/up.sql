-- The doors: the few functions that serve without a tenant's context, or
-- that reach the accounts from inside one. Each returns named columns only.

SET LOCAL ROLE rowhouse_directory;

-- Doors without a context; EXECUTE for rowhouse_auth -------------------------

-- The tenants of a person, by name of the tenant.
CREATE FUNCTION directory.memberships_of(account uuid)
RETURNS TABLE (tenant_id uuid, slug text, name text, tenant_status text,
               membership_id uuid, role text, role_version int, status text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.id, t.slug, t.name, t.status, m.id, m.role, m.role_version, m.status
    FROM public.memberships m JOIN public.tenants t ON t.id = m.tenant_id
    WHERE m.account_id = memberships_of.account AND m.removed_at IS NULL
    ORDER BY t.name, t.id
$$;

CREATE FUNCTION directory.tenant_by(slug text)
RETURNS TABLE (id uuid, slug text, name text, status text, signup text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.id, t.slug, t.name, t.status, t.signup FROM public.tenants t WHERE t.slug = tenant_by.slug
$$;

CREATE FUNCTION directory.tenant_by(id uuid)
RETURNS TABLE (id uuid, slug text, name text, status text, signup text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.id, t.slug, t.name, t.status, t.signup FROM public.tenants t WHERE t.id = tenant_by.id
$$;

-- A new tenant with this personal account as its owner. A managed account
-- makes none (TN007); a slug in use violates tenants_slug_key.
CREATE FUNCTION directory.create_tenant(account uuid, slug text, name text)
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

-- Joins an existing tenant as its sign-up policy allows. Without a proof the
-- policy must be open, or domain with a verified address in one of its
-- domains, and the role is member. No row: the door is closed.
CREATE FUNCTION directory.join_tenant(account uuid, tenant uuid, role text, proof text)
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

-- Doors inside a context; tenant and actor come from the slot only ------------

-- An account that belongs to the current tenant alone, and its membership,
-- as a viewer: its role is then granted like any other. Returns the
-- membership's id. Admins only (TN008).
CREATE FUNCTION directory.create_managed_account(email text, full_name text, password_hash text)
RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tenant  uuid := tenancy.current_tenant();
    account uuid := directory.new_id();
    member  uuid := directory.new_id();
BEGIN
    IF NOT tenancy.allows('admin') THEN
        PERFORM tenancy.refuse('TN008', 'only an admin creates accounts');
    END IF;
    INSERT INTO public.accounts (id, home_tenant_id, email, full_name)
    VALUES (account, tenant, create_managed_account.email, create_managed_account.full_name);
    INSERT INTO public.credentials (account_id, password_hash)
    VALUES (account, create_managed_account.password_hash);
    INSERT INTO public.memberships (tenant_id, id, account_id, email, full_name, role)
    VALUES (tenant, member, account, create_managed_account.email, create_managed_account.full_name, 'viewer');
    RETURN member;
END
$$;

-- A UUID version 7 (RFC 9562): 48 bits of milliseconds, then random bits.
CREATE FUNCTION directory.new_id() RETURNS uuid
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
        PLACING substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
        52, 1), 53, 1), 'hex')::uuid
$$;

GRANT USAGE ON SCHEMA directory TO rowhouse_auth, rowhouse_app;
GRANT EXECUTE ON FUNCTION directory.memberships_of(uuid), directory.tenant_by(text), directory.tenant_by(uuid),
    directory.create_tenant(uuid, text, text), directory.join_tenant(uuid, uuid, text, text) TO rowhouse_auth;
GRANT EXECUTE ON FUNCTION directory.create_managed_account(text, text, text) TO rowhouse_app;

SET LOCAL ROLE NONE;

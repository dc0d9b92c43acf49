-- What an administrator does to tenants from outside, and who may do so
-- through the platform's API. rowhouse_ops reaches nothing but these
-- functions: it has no right on any table.

SET LOCAL ROLE rowhouse_owner;

-- Accounts that operate the platform.
CREATE TABLE operators (
    account_id uuid PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now()
);

GRANT SELECT (account_id), INSERT ON operators TO rowhouse_directory;
GRANT UPDATE (status, subscription_tier, rate_limit_per_minute, rate_limit_burst) ON tenants TO rowhouse_directory;
GRANT UPDATE (role, status) ON memberships TO rowhouse_directory;
GRANT UPDATE (issue, expires_at) ON invitations TO rowhouse_directory;

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_directory;

-- All tenants, or the one with this slug; with how many members each has.
CREATE FUNCTION directory.tenants(slug text DEFAULT NULL)
RETURNS TABLE (id uuid, slug text, name text, status text, subscription_tier text, rate_limit_per_minute int,
               rate_limit_burst int, signup text, members bigint, created_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.id, t.slug, t.name, t.status, t.subscription_tier, t.rate_limit_per_minute, t.rate_limit_burst, t.signup,
           (SELECT count(*) FROM public.memberships m WHERE m.tenant_id = t.id AND m.removed_at IS NULL),
           t.created_at
    FROM public.tenants t
    WHERE tenants.slug IS NULL OR t.slug = tenants.slug
    ORDER BY t.slug
$$;

-- A tenant without any member yet; a slug in use violates tenants_slug_key.
CREATE FUNCTION directory.open_tenant(slug text, name text) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tenant uuid := directory.new_id();
BEGIN
    INSERT INTO public.tenants (id, slug, subdomain, name)
    VALUES (tenant, open_tenant.slug, open_tenant.slug, open_tenant.name);
    RETURN tenant;
END
$$;

-- Suspends a tenant, or activates it again. False: there is none with this
-- slug that is not about to be erased.
CREATE FUNCTION directory.set_tenant_status(slug text, status text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE public.tenants t SET status = set_tenant_status.status, updated_at = now()
    WHERE t.slug = set_tenant_status.slug AND t.status <> 'deleting'
        AND set_tenant_status.status IN ('active', 'suspended');
    RETURN FOUND;
END
$$;

CREATE FUNCTION directory.set_tenant_tier(slug text, tier text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE public.tenants t SET subscription_tier = set_tenant_tier.tier, updated_at = now()
    WHERE t.slug = set_tenant_tier.slug;
    RETURN FOUND;
END
$$;

-- Requests per minute and at once; NULL: what the tier says.
CREATE FUNCTION directory.set_tenant_limits(slug text, per_minute int, burst int) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE public.tenants t
    SET rate_limit_per_minute = set_tenant_limits.per_minute, rate_limit_burst = set_tenant_limits.burst,
        updated_at = now()
    WHERE t.slug = set_tenant_limits.slug;
    RETURN FOUND;
END
$$;

-- Makes whoever has this address an owner of the tenant: a member of it, else
-- the personal account, else by an invitation that is good until expires_at.
-- Returns 'owner' or 'invited'.
CREATE FUNCTION directory.add_owner(tenant uuid, email text, full_name text, expires_at timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place  public.memberships;
    letter uuid := directory.new_id();
BEGIN
    -- Before its place, as whoever accepts or revokes it does.
    PERFORM FROM public.invitations i
    JOIN public.memberships m ON m.tenant_id = i.tenant_id AND m.id = i.membership_id
    WHERE i.tenant_id = add_owner.tenant AND m.email = add_owner.email AND m.removed_at IS NULL
    FOR NO KEY UPDATE OF i;
    UPDATE public.memberships m
    SET role = 'owner', custom_role_id = NULL, updated_at = now(),
        status = CASE m.status WHEN 'invited' THEN 'invited' ELSE 'active' END
    WHERE m.tenant_id = add_owner.tenant AND m.email = add_owner.email AND m.removed_at IS NULL
    RETURNING * INTO place;
    IF NOT FOUND THEN
        INSERT INTO public.memberships (tenant_id, id, account_id, email, full_name, role)
        SELECT add_owner.tenant, directory.new_id(), a.id, a.email, a.full_name, 'owner'
        FROM public.accounts a
        WHERE a.email = add_owner.email AND a.home_tenant_id IS NULL AND a.removed_at IS NULL
        FOR KEY SHARE
        RETURNING * INTO place;
    END IF;
    IF NOT FOUND THEN
        INSERT INTO public.memberships (tenant_id, id, email, full_name, role, status)
        VALUES (add_owner.tenant, directory.new_id(), add_owner.email, add_owner.full_name, 'owner', 'invited')
        RETURNING * INTO place;
    END IF;
    IF place.status <> 'invited' THEN
        RETURN 'owner';
    END IF;
    INSERT INTO public.invitations AS i (tenant_id, id, membership_id, expires_at)
    VALUES (place.tenant_id, letter, place.id, add_owner.expires_at)
    ON CONFLICT ON CONSTRAINT invitations_membership_key
    DO UPDATE SET issue = i.issue + 1, expires_at = add_owner.expires_at
    RETURNING i.id INTO letter;
    INSERT INTO public.jobs (tenant_id, id, kind, payload)
    VALUES (place.tenant_id, directory.new_id(), 'mail_invitation', jsonb_build_object('invitation_id', letter));
    RETURN 'invited';
END
$$;

-- Makes the personal account with this address an operator of the platform.
-- False: there is no such account.
CREATE FUNCTION directory.add_operator(email text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    account uuid;
BEGIN
    SELECT a.id INTO account FROM public.accounts a
    WHERE a.email = add_operator.email AND a.home_tenant_id IS NULL AND a.removed_at IS NULL FOR KEY SHARE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO public.operators (account_id) VALUES (account) ON CONFLICT DO NOTHING;
    RETURN true;
END
$$;

GRANT USAGE ON SCHEMA directory TO rowhouse_ops;
GRANT EXECUTE ON FUNCTION directory.tenants(text), directory.open_tenant(text, text),
    directory.set_tenant_status(text, text), directory.set_tenant_tier(text, text),
    directory.set_tenant_limits(text, int, int), directory.add_owner(uuid, text, text, timestamptz), directory.add_operator(text)
    TO rowhouse_ops;

SET LOCAL ROLE NONE;

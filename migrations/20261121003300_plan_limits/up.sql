-- What a tenant may have by its plan. How much that is only servers know, which
-- say it for every tier; which tier counts, and how much there is, is decided
-- here, behind a lock.

SET LOCAL ROLE rowhouse_owner;

-- Calls of the API in a month, by UTC; those too that a server has leased and
-- not served yet.
CREATE TABLE api_usage (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    month     date NOT NULL CHECK (extract(day FROM month) = 1),
    calls     bigint NOT NULL DEFAULT 0 CHECK (calls >= 0),
    PRIMARY KEY (tenant_id, month)
);

GRANT SELECT, INSERT, UPDATE (calls) ON api_usage TO rowhouse_directory;
SELECT tenancy.protect('api_usage', write_role => 'owner', door => 'rowhouse_directory', commands => '{}',
    audit => false);

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_directory;

-- The limit of a tier, of those of all tiers; NULL: none.
CREATE FUNCTION directory.limit_of(tier text, limits bigint[]) RETURNS bigint
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT limits[array_position(ARRAY['free', 'basic', 'premium', 'enterprise'], tier)]
$$;

-- How many there are: members (and who is invited, while the invitation is
-- good), seats (members who have accepted), or projects that stand.
CREATE FUNCTION directory.count_used(tenant uuid, resource text) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF resource = 'projects' THEN
        RETURN (SELECT count(*) FROM public.projects p WHERE p.tenant_id = count_used.tenant AND NOT p.is_deleted);
    ELSIF resource IN ('members', 'seats') THEN
        RETURN (
            SELECT count(*) FROM public.memberships m
            WHERE m.tenant_id = count_used.tenant AND m.removed_at IS NULL
                AND (m.status <> 'invited' OR resource = 'members' AND EXISTS (
                    SELECT FROM public.invitations i
                    WHERE i.tenant_id = m.tenant_id AND i.membership_id = m.id AND i.expires_at > now())));
    END IF;
    RAISE EXCEPTION 'no plan limits %', resource;
END
$$;

-- Whether a tenant has more than its tier allows: then the limit, and how many
-- there are. Asked last by whoever has just made one, with all that it has
-- made: from here to the end of that transaction nobody else gets an answer,
-- so the last one that fits is the last one. The tenant's row is locked after
-- those of its members, as everywhere.
CREATE FUNCTION directory.beyond_plan(tenant uuid, resource text, limits bigint[])
RETURNS TABLE (plan_limit bigint, used bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    SELECT directory.limit_of(t.subscription_tier, limits) INTO plan_limit
    FROM public.tenants t WHERE t.id = beyond_plan.tenant;
    IF plan_limit IS NULL THEN
        RETURN;
    END IF;
    SELECT directory.limit_of(t.subscription_tier, limits) INTO plan_limit
    FROM public.tenants t WHERE t.id = beyond_plan.tenant FOR NO KEY UPDATE;
    used := directory.count_used(tenant, resource);
    IF used > plan_limit THEN
        RETURN NEXT;
    END IF;
END
$$;

-- Inside a context: of the current tenant.
CREATE FUNCTION directory.own_excess(resource text, limits bigint[])
RETURNS TABLE (plan_limit bigint, used bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT * FROM directory.beyond_plan(tenancy.current_tenant(), resource, limits);
END
$$;
GRANT EXECUTE ON FUNCTION directory.own_excess(text, bigint[]) TO rowhouse_app;

-- Without one: for those who join, and for operators.
CREATE FUNCTION directory.excess_of(tenant uuid, resource text, limits bigint[])
RETURNS TABLE (plan_limit bigint, used bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT * FROM directory.beyond_plan(tenant, resource, limits);
END
$$;
GRANT EXECUTE ON FUNCTION directory.excess_of(uuid, text, bigint[]) TO rowhouse_auth, rowhouse_ops;

-- Inside a context: what the current tenant has of what plans limit.
CREATE FUNCTION directory.own_usage(month date)
RETURNS TABLE (subscription_tier text, members bigint, projects bigint, api_calls bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    mine uuid := tenancy.current_tenant();
BEGIN
    RETURN QUERY
    SELECT t.subscription_tier, directory.count_used(mine, 'members'), directory.count_used(mine, 'projects'),
        coalesce((SELECT u.calls FROM public.api_usage u WHERE u.tenant_id = mine AND u.month = own_usage.month), 0)
    FROM public.tenants t WHERE t.id = mine;
END
$$;
GRANT EXECUTE ON FUNCTION directory.own_usage(date) TO rowhouse_app;

-- Without a context: a server takes calls of this month to serve, at most
-- `most`, and at most what is left. No row: there is no such tenant.
CREATE FUNCTION directory.lease_api_calls(tenant uuid, month date, most int, limits bigint[])
RETURNS TABLE (granted int, plan_limit bigint, used bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    SELECT directory.limit_of(t.subscription_tier, limits) INTO plan_limit
    FROM public.tenants t WHERE t.id = lease_api_calls.tenant FOR KEY SHARE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    INSERT INTO public.api_usage AS u (tenant_id, month) VALUES (lease_api_calls.tenant, lease_api_calls.month)
    ON CONFLICT DO NOTHING;
    SELECT u.calls INTO used FROM public.api_usage u
    WHERE u.tenant_id = lease_api_calls.tenant AND u.month = lease_api_calls.month FOR NO KEY UPDATE;
    granted := greatest(least(most, plan_limit - used), 0);
    IF granted > 0 THEN
        UPDATE public.api_usage AS u SET calls = u.calls + granted
        WHERE u.tenant_id = lease_api_calls.tenant AND u.month = lease_api_calls.month;
    END IF;
    RETURN NEXT;
END
$$;

-- Without a context: a server that stops gives back what it has not served.
CREATE FUNCTION directory.return_api_calls(tenant uuid, month date, calls int) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE public.api_usage AS u SET calls = greatest(u.calls - return_api_calls.calls, 0)
    WHERE u.tenant_id = return_api_calls.tenant AND u.month = return_api_calls.month;
    RETURN FOUND;
END
$$;
GRANT EXECUTE ON FUNCTION directory.lease_api_calls(uuid, date, int, bigint[]),
    directory.return_api_calls(uuid, date, int) TO rowhouse_auth;

SET LOCAL ROLE NONE;

-- What a server asks of a tenant before its transaction, and how all servers
-- learn that it has changed.

SET LOCAL ROLE rowhouse_owner;

-- Feature flags that differ from the tier's: name -> boolean.
ALTER TABLE tenants ADD COLUMN features jsonb NOT NULL DEFAULT '{}'
    CHECK (jsonb_typeof(features) = 'object' AND octet_length(features::text) <= 8192);

SELECT tenancy.protect('tenants', write_role => 'admin', door => 'rowhouse_directory', tenant_column => 'id',
    commands => '{select,update}', update_columns => '{name,signup,signup_domains,settings,branding,updated_at}',
    unaudited => '{updated_at}');
GRANT UPDATE (features) ON tenants TO rowhouse_directory;

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_directory;

-- Without a context: what a tenant pays for. Decides about limits, and never
-- about access, as servers remember it.
CREATE FUNCTION directory.tenant_plan(tenant uuid)
RETURNS TABLE (subscription_tier text, rate_limit_per_minute int, rate_limit_burst int, features jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.subscription_tier, t.rate_limit_per_minute, t.rate_limit_burst, t.features
    FROM public.tenants t WHERE t.id = tenant_plan.tenant
$$;
GRANT EXECUTE ON FUNCTION directory.tenant_plan(uuid) TO rowhouse_auth;

-- Tells every server that a plan has changed, and not whose: any role may
-- listen. One tenant in 256 has this byte, the last one of its id, which is
-- random; servers forget what they know of all of those.
CREATE FUNCTION directory.tell_plan_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_notify('tenant_plans', get_byte(uuid_send(NEW.id), 15)::text);
    RETURN NULL;
END
$$;
GRANT EXECUTE ON FUNCTION directory.tell_plan_changed() TO rowhouse_owner;

-- Turns a feature on or off for a tenant; NULL: what its tier says.
CREATE FUNCTION directory.set_tenant_feature(slug text, feature text, enabled boolean) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE public.tenants t
    SET features = CASE WHEN set_tenant_feature.enabled IS NULL THEN t.features - set_tenant_feature.feature
        ELSE t.features || jsonb_build_object(set_tenant_feature.feature, set_tenant_feature.enabled) END,
        updated_at = now()
    WHERE t.slug = set_tenant_feature.slug;
    RETURN FOUND;
END
$$;
GRANT EXECUTE ON FUNCTION directory.set_tenant_feature(text, text, boolean) TO rowhouse_ops;

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_owner;

CREATE TRIGGER tenants_tell_plan_changed
    AFTER UPDATE OF subscription_tier, rate_limit_per_minute, rate_limit_burst, features ON tenants
    FOR EACH ROW EXECUTE FUNCTION directory.tell_plan_changed();

SET LOCAL ROLE NONE;

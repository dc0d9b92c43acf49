SET LOCAL ROLE rowhouse_directory;

CREATE OR REPLACE FUNCTION directory.count_used(tenant uuid, resource text) RETURNS bigint
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

SET LOCAL ROLE NONE;

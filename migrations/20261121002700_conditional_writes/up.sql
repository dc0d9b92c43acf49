-- Whoever changes their own membership on a condition holds it while the
-- condition is compared. A role that may not write to memberships cannot lock
-- there, hence a door.

SET LOCAL ROLE rowhouse_directory;

-- Inside a context: locks the caller's own membership of the current tenant, as
-- an UPDATE would, until the transaction ends. Returns its id.
CREATE FUNCTION directory.hold_own_membership() RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    member uuid;
BEGIN
    SELECT id INTO member FROM public.memberships
    WHERE tenant_id = tenancy.current_tenant() AND account_id = tenancy.current_actor()::uuid
        AND tenancy.current_kind() = 'user' AND removed_at IS NULL
    FOR NO KEY UPDATE;
    RETURN member;
END
$$;

GRANT EXECUTE ON FUNCTION directory.hold_own_membership() TO rowhouse_app;

SET LOCAL ROLE NONE;

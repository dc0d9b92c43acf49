SET LOCAL ROLE rowhouse_directory;
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

DROP FUNCTION directory.invitation(uuid, text);
DROP FUNCTION directory.issue_invitation(uuid, int, bytea);
DROP FUNCTION directory.invite(text, text, timestamptz);
SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_owner;
REVOKE UPDATE (account_id, custom_role_id) ON memberships FROM rowhouse_directory;
DROP TABLE invitations;
SET LOCAL ROLE NONE;

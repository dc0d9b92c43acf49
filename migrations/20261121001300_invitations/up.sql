-- Invitations: a place in a tenant that waits for whoever has an address.

SET LOCAL ROLE rowhouse_owner;

-- The place is a membership without an account, which has the address and the
-- role; who takes the place away revokes the invitation.
CREATE TABLE invitations (
    tenant_id     uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    id            uuid NOT NULL,
    membership_id uuid NOT NULL,
    -- Rises when the mail is sent anew: the link of the one before is dead.
    issue         integer NOT NULL DEFAULT 1,
    -- SHA-256 of the link's token; NULL until its mail is sent.
    hash          bytea CHECK (octet_length(hash) = 32),
    expires_at    timestamptz NOT NULL,
    accepted_at   timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT invitations_membership_key UNIQUE (tenant_id, membership_id),
    FOREIGN KEY (tenant_id, membership_id) REFERENCES memberships (tenant_id, id) ON DELETE CASCADE
);

GRANT SELECT, INSERT, UPDATE (hash, accepted_at) ON invitations TO rowhouse_directory;
GRANT UPDATE (account_id, custom_role_id) ON memberships TO rowhouse_directory;
SELECT tenancy.protect('invitations', write_role => 'admin', door => 'rowhouse_directory',
    commands => '{select,update}', update_columns => '{issue,expires_at}', redact => '{hash}');

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_directory;

-- Doors inside a context; tenant and actor come from the slot only ------------

-- A place for whoever has this address, as a viewer: its role is then granted
-- like any other. Returns the invitation's id. Admins only (TN008).
CREATE FUNCTION directory.invite(email text, full_name text, expires_at timestamptz) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tenant     uuid := tenancy.current_tenant();
    member     uuid := directory.new_id();
    invitation uuid := directory.new_id();
BEGIN
    IF NOT tenancy.allows('admin') THEN
        PERFORM tenancy.refuse('TN008', 'only an admin invites');
    END IF;
    INSERT INTO public.memberships (tenant_id, id, email, full_name, role, status)
    VALUES (tenant, member, invite.email, invite.full_name, 'viewer', 'invited');
    INSERT INTO public.invitations (tenant_id, id, membership_id, expires_at)
    VALUES (tenant, invitation, member, invite.expires_at);
    RETURN invitation;
END
$$;

-- The hash of the link that is about to be mailed: for the job that mails it,
-- and nobody else, or an admin could accept in somebody else's name. False when
-- there is nothing to mail any more.
CREATE FUNCTION directory.issue_invitation(invitation uuid, issue int, hash bytea) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF tenancy.current_kind() <> 'job' THEN
        PERFORM tenancy.refuse('TN008', 'only a job mails links');
    END IF;
    UPDATE public.invitations i SET hash = issue_invitation.hash
    FROM public.memberships m
    WHERE i.tenant_id = tenancy.current_tenant() AND i.id = issue_invitation.invitation
        AND i.issue = issue_invitation.issue AND i.accepted_at IS NULL AND i.expires_at > now()
        AND m.tenant_id = i.tenant_id AND m.id = i.membership_id AND m.status = 'invited' AND m.removed_at IS NULL;
    RETURN FOUND;
END
$$;

-- Doors without a context; EXECUTE for rowhouse_auth -------------------------

-- Whom a link invites, and where: for whoever holds it while it is good.
CREATE FUNCTION directory.invitation(tenant uuid, proof text)
RETURNS TABLE (email text, full_name text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT m.email, m.full_name
    FROM public.invitations i
    JOIN public.memberships m ON m.tenant_id = i.tenant_id AND m.id = i.membership_id
    JOIN public.tenants t ON t.id = i.tenant_id
    WHERE i.tenant_id = invitation.tenant AND i.hash = decode(invitation.proof, 'hex')
        AND i.accepted_at IS NULL AND i.expires_at > now() AND t.status = 'active'
        AND m.status = 'invited' AND m.removed_at IS NULL
$$;

-- Joins an existing tenant. With a proof, the hex of the hash of an
-- invitation's token: takes the place that waits for the account's address, in
-- the role that it has. Without one, as the tenant's sign-up policy allows: it
-- must be open, or domain with a verified address in one of its domains, and
-- the role is member. No row: the door is closed.
CREATE OR REPLACE FUNCTION directory.join_tenant(account uuid, tenant uuid, role text, proof text)
RETURNS TABLE (membership_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place  uuid;
    person public.accounts;
BEGIN
    PERFORM tenancy.act_as(join_tenant.account);
    SELECT a.* INTO person FROM public.accounts a
    WHERE a.id = join_tenant.account AND a.home_tenant_id IS NULL AND a.removed_at IS NULL FOR KEY SHARE;
    IF join_tenant.proof IS NULL THEN
        RETURN QUERY
        INSERT INTO public.memberships (tenant_id, id, account_id, email, full_name, role)
        SELECT t.id, directory.new_id(), person.id, person.email, person.full_name, 'member'
        FROM public.tenants t
        WHERE t.id = join_tenant.tenant AND t.status = 'active' AND person.id IS NOT NULL
            AND join_tenant.role = 'member'
            AND (t.signup = 'open' OR t.signup = 'domain' AND person.email_verified
                AND split_part(person.email, '@', 2) = ANY (t.signup_domains))
        RETURNING id;
        RETURN;
    END IF;
    UPDATE public.invitations i SET accepted_at = now()
    FROM public.tenants t
    WHERE i.tenant_id = join_tenant.tenant AND i.hash = decode(join_tenant.proof, 'hex')
        AND i.accepted_at IS NULL AND i.expires_at > now()
        AND t.id = i.tenant_id AND t.status = 'active'
    RETURNING i.membership_id INTO place;
    RETURN QUERY
    UPDATE public.memberships m
    SET account_id = person.id, full_name = person.full_name, status = 'active', updated_at = now()
    WHERE m.tenant_id = join_tenant.tenant AND m.id = place AND m.email = person.email
        AND m.status = 'invited' AND m.removed_at IS NULL
    RETURNING m.id;
END
$$;

GRANT EXECUTE ON FUNCTION directory.invite(text, text, timestamptz), directory.issue_invitation(uuid, int, bytea)
    TO rowhouse_app;
GRANT EXECUTE ON FUNCTION directory.invitation(uuid, text) TO rowhouse_auth;

SET LOCAL ROLE NONE;

-- Sessions and their refresh tokens; and with them all that authorize asks.

SET LOCAL ROLE rowhouse_owner;

-- A session stands in one tenant, or in none.
CREATE TABLE sessions (
    id           uuid PRIMARY KEY,
    account_id   uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    tenant_id    uuid REFERENCES tenants ON DELETE CASCADE,
    device       text CHECK (char_length(device) <= 400),
    address      inet,
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now(),
    revoked_at   timestamptz
);
CREATE INDEX sessions_account_idx ON sessions (account_id, id);
CREATE INDEX sessions_tenant_idx ON sessions (tenant_id, id);

-- Single use, stored as SHA-256.
CREATE TABLE refresh_tokens (
    hash       bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);
CREATE INDEX refresh_tokens_session_idx ON refresh_tokens (session_id);

GRANT SELECT, INSERT, DELETE, UPDATE (tenant_id, device, address, last_used_at, revoked_at) ON sessions TO rowhouse_auth;
GRANT SELECT, INSERT, DELETE, UPDATE (used_at) ON refresh_tokens TO rowhouse_auth;

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_tenancy;

CREATE TABLE tenancy.session (
    id      uuid PRIMARY KEY,
    account uuid NOT NULL,
    tenant  uuid,
    live    boolean NOT NULL
);

CREATE FUNCTION tenancy.copy_session() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM tenancy.session WHERE id = OLD.id;
    ELSE
        INSERT INTO tenancy.session (id, account, tenant, live)
        VALUES (NEW.id, NEW.account_id, NEW.tenant_id, NEW.revoked_at IS NULL)
        ON CONFLICT (id) DO UPDATE SET tenant = EXCLUDED.tenant, live = EXCLUDED.live;
    END IF;
    RETURN NULL;
END
$$;
GRANT EXECUTE ON FUNCTION tenancy.copy_session() TO rowhouse_owner;

-- The first that fails answers: the session, its tenant, the tenant's status,
-- the membership, the role. Kinds that nobody may be yet are no members.
CREATE OR REPLACE FUNCTION tenancy.authorize(kind text, tenant uuid, actor text, session uuid, role text, version int)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    session_live   boolean;
    session_tenant uuid;
    tenant_status  text;
    member_live    boolean;
    member_role    text;
    member_version int;
BEGIN
    IF kind <> 'user' THEN
        PERFORM tenancy.refuse('TN007', 'this kind of actor is no member of any tenant');
    END IF;
    SELECT s.live, s.tenant, t.status, m.live, m.role, m.version
    INTO session_live, session_tenant, tenant_status, member_live, member_role, member_version
    FROM tenancy.session s
    LEFT JOIN tenancy.tenant t ON t.id = s.tenant
    LEFT JOIN tenancy.member m ON m.tenant = s.tenant AND m.account = s.account
    WHERE s.id = authorize.session AND s.account = authorize.actor::uuid;
    IF session_live IS NOT TRUE THEN
        PERFORM tenancy.refuse('TN004', 'the session has ended');
    ELSIF session_tenant IS DISTINCT FROM authorize.tenant THEN
        PERFORM tenancy.refuse('TN005', 'the session stands in another tenant');
    ELSIF tenant_status IS DISTINCT FROM 'active' THEN
        PERFORM tenancy.refuse('TN003', 'the tenant is suspended');
    ELSIF member_live IS NOT TRUE THEN
        PERFORM tenancy.refuse('TN007', 'the account is no member of this tenant');
    ELSIF member_role <> authorize.role OR member_version <> authorize.version THEN
        PERFORM tenancy.refuse('TN005', 'the role has changed');
    END IF;
END
$$;

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_owner;

CREATE TRIGGER sessions_copy AFTER INSERT OR DELETE OR UPDATE OF tenant_id, revoked_at ON sessions
    FOR EACH ROW EXECUTE FUNCTION tenancy.copy_session();

SET LOCAL ROLE NONE;

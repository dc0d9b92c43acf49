-- Keys for programs, each made by a member and never good for more than that
-- member is.

SET LOCAL ROLE rowhouse_owner;

CREATE TABLE api_keys (
    tenant_id    uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    id           uuid NOT NULL,
    name         text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    -- The part of the key that everybody may see, and by which it is found.
    prefix       text NOT NULL CHECK (prefix ~ '^rh_[0-9a-f]{12}$'),
    -- SHA-256 of the 256 random bits that nobody else knows.
    hash         bytea NOT NULL CHECK (octet_length(hash) = 32),
    -- The weakest role that has all of the scopes: what the policies know.
    role         text NOT NULL CHECK (role IN ('viewer', 'member', 'admin')),
    scopes       text[] NOT NULL
                 CHECK (cardinality(scopes) BETWEEN 1 AND 64 AND array_position(scopes, NULL) IS NULL
                    AND octet_length(array_to_string(scopes, ' ')) <= 2048),
    created_by   uuid NOT NULL,
    expires_at   timestamptz,
    last_used_at timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT api_keys_tenant_prefix_key UNIQUE (tenant_id, prefix),
    FOREIGN KEY (tenant_id, created_by) REFERENCES memberships (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX api_keys_created_by_idx ON api_keys (tenant_id, created_by);
-- For the door, which knows the prefix only. Not unique: that would tell a
-- tenant what others have, and let it take theirs.
CREATE INDEX api_keys_prefix_idx ON api_keys (prefix, tenant_id);

GRANT SELECT, UPDATE (last_used_at) ON api_keys TO rowhouse_directory;
SELECT tenancy.protect('api_keys', write_role => 'admin', door => 'rowhouse_directory',
    commands => '{select,insert,delete}', redact => '{hash}', unaudited => '{last_used_at}');

-- Whoever makes a key is its maker, and gives it no role above their own.
CREATE FUNCTION api_keys_made() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF tenancy.has_context() THEN
        IF NOT tenancy.allows(NEW.role) THEN
            PERFORM tenancy.refuse('TN008', 'nobody makes a key for a role above their own');
        END IF;
        NEW.created_by := (
            SELECT id FROM public.memberships
            WHERE tenant_id = NEW.tenant_id AND account_id = tenancy.current_actor()::uuid AND removed_at IS NULL
        );
    END IF;
    RETURN NEW;
END
$$;
GRANT EXECUTE ON FUNCTION api_keys_made() TO rowhouse_app;
CREATE TRIGGER api_keys_made BEFORE INSERT ON api_keys
    FOR EACH ROW EXECUTE FUNCTION api_keys_made();
CREATE TRIGGER api_keys_refuse_keys BEFORE INSERT OR UPDATE OR DELETE ON api_keys
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_keys();

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_tenancy;

-- By tenant and id, as tenants choose the ids of their rows.
CREATE TABLE tenancy.key (
    tenant     uuid NOT NULL,
    id         uuid NOT NULL,
    member     uuid NOT NULL,
    role       text NOT NULL,
    expires_at timestamptz,
    PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX member_member_key ON tenancy.member (tenant, member);

CREATE FUNCTION tenancy.copy_key() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM tenancy.key WHERE tenant = OLD.tenant_id AND id = OLD.id;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO tenancy.key (tenant, id, member, role, expires_at)
        VALUES (NEW.tenant_id, NEW.id, NEW.created_by, NEW.role, NEW.expires_at);
    END IF;
    RETURN NULL;
END
$$;
GRANT EXECUTE ON FUNCTION tenancy.copy_key() TO rowhouse_owner;

-- A key is good while it stands, has not expired, and its maker is an active
-- member in a role at least as strong: else TN009. Its version is its maker's
-- role version, so that what the door said of the maker's rights still holds.
CREATE FUNCTION tenancy.authorize_key(tenant uuid, actor text, role text, version int)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    key_role       text;
    tenant_status  text;
    member_live    boolean;
    member_role    text;
    member_version int;
BEGIN
    SELECT k.role, t.status, m.live, m.role, m.version
    INTO key_role, tenant_status, member_live, member_role, member_version
    FROM tenancy.key k
    LEFT JOIN tenancy.tenant t ON t.id = k.tenant
    LEFT JOIN tenancy.member m ON m.tenant = k.tenant AND m.member = k.member
    WHERE k.tenant = authorize_key.tenant AND k.id = authorize_key.actor::uuid
        AND (k.expires_at IS NULL OR k.expires_at > now());
    IF key_role IS NULL OR member_live IS NOT TRUE
        OR tenancy.role_rank(member_role) < tenancy.role_rank(key_role)
    THEN
        PERFORM tenancy.refuse('TN009', 'the key is not good any more');
    ELSIF tenant_status IS DISTINCT FROM 'active' THEN
        PERFORM tenancy.refuse('TN003', 'the tenant is suspended');
    ELSIF key_role <> authorize_key.role OR member_version <> authorize_key.version THEN
        PERFORM tenancy.refuse('TN005', 'the rights of the key''s maker have changed');
    END IF;
END
$$;

-- As before, and keys.
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
    IF kind = 'job' THEN
        PERFORM tenancy.authorize_job(tenant, actor, role, version);
        RETURN;
    END IF;
    IF kind = 'key' THEN
        PERFORM tenancy.authorize_key(tenant, actor, role, version);
        RETURN;
    END IF;
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

CREATE TRIGGER api_keys_copy AFTER INSERT OR DELETE OR UPDATE OF id, created_by, role, expires_at ON api_keys
    FOR EACH ROW EXECUTE FUNCTION tenancy.copy_key();

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_directory;

-- The keys with this prefix that are good now, their makers' rights
-- included; the caller compares the hash. account is the maker's.
CREATE FUNCTION directory.api_key(prefix text)
RETURNS TABLE (id uuid, tenant_id uuid, slug text, account uuid, hash bytea, role text, role_version int,
               scopes text[], last_used_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT k.id, t.id, t.slug, m.account_id, k.hash, k.role, m.role_version, k.scopes, k.last_used_at
    FROM public.api_keys k
    JOIN public.tenants t ON t.id = k.tenant_id
    JOIN public.memberships m ON m.tenant_id = k.tenant_id AND m.id = k.created_by
    LEFT JOIN public.roles r ON r.tenant_id = m.tenant_id AND r.id = m.custom_role_id
    WHERE k.prefix = api_key.prefix AND (k.expires_at IS NULL OR k.expires_at > now())
        AND m.status = 'active' AND m.removed_at IS NULL
        AND tenancy.role_rank(m.role) >= tenancy.role_rank(k.role)
        AND (r.id IS NULL OR k.scopes <@ r.permissions)
$$;

-- Notes that a key was used; once a minute is often enough. A key that somebody
-- changes just now is not waited for: its tenant could hold up everybody's requests.
CREATE FUNCTION directory.note_key_use(tenant uuid, id uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE public.api_keys k SET last_used_at = now()
    WHERE (k.tenant_id, k.id) IN (
        SELECT i.tenant_id, i.id FROM public.api_keys i
        WHERE i.tenant_id = note_key_use.tenant AND i.id = note_key_use.id
            AND (i.last_used_at IS NULL OR i.last_used_at < now() - interval '1 minute')
        FOR NO KEY UPDATE SKIP LOCKED)
$$;
GRANT EXECUTE ON FUNCTION directory.api_key(text), directory.note_key_use(uuid, uuid) TO rowhouse_auth;

SET LOCAL ROLE NONE;

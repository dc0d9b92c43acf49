-- Who belongs to a tenant, and as what. A membership is what the API calls a
-- user: it has an id, a name and a role of its own.

SET LOCAL ROLE rowhouse_owner;

CREATE TABLE memberships (
    tenant_id    uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    id           uuid NOT NULL,
    -- NULL while an invitation is pending.
    account_id   uuid REFERENCES accounts,
    email        text NOT NULL CHECK (char_length(email) BETWEEN 3 AND 254),
    full_name    text NOT NULL CHECK (char_length(full_name) BETWEEN 1 AND 200),
    role         text NOT NULL CHECK (role IN ('viewer', 'member', 'admin', 'owner')),
    status       text NOT NULL DEFAULT 'active' CHECK (status IN ('invited', 'active', 'suspended')),
    -- Rises with every change of role or status; a token that carries an
    -- older one is refused.
    role_version integer NOT NULL DEFAULT 0,
    -- A removed member keeps the row, for what it owns and made.
    removed_at   timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CHECK (status = 'invited' OR account_id IS NOT NULL)
);
CREATE UNIQUE INDEX memberships_tenant_email_key ON memberships (tenant_id, email) WHERE removed_at IS NULL;
CREATE UNIQUE INDEX memberships_tenant_account_key ON memberships (tenant_id, account_id) WHERE removed_at IS NULL;
-- For the door that lists a person's tenants, which knows the account only.
CREATE INDEX memberships_account_idx ON memberships (account_id, tenant_id);

GRANT SELECT, INSERT ON memberships TO rowhouse_directory;
SELECT tenancy.protect('memberships', write_role => 'admin', door => 'rowhouse_directory',
    commands => '{select,update}', update_columns => '{full_name,role,status,removed_at,updated_at}',
    unaudited => '{updated_at}');

-- Nobody grants above their own role, nor edits whoever stands above them;
-- and every change of role or status makes the tokens that carry it stale.
CREATE FUNCTION memberships_role_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF tenancy.has_context() AND current_user <> 'rowhouse_directory'
        AND NOT (tenancy.allows(OLD.role) AND tenancy.allows(NEW.role))
    THEN
        PERFORM tenancy.refuse('TN008', 'nobody changes a role above their own');
    END IF;
    IF NEW.role <> OLD.role OR NEW.status <> OLD.status THEN
        NEW.role_version := OLD.role_version + 1;
    END IF;
    RETURN NEW;
END
$$;
GRANT EXECUTE ON FUNCTION memberships_role_change() TO rowhouse_app, rowhouse_directory;
CREATE TRIGGER memberships_role_change BEFORE UPDATE ON memberships
    FOR EACH ROW EXECUTE FUNCTION memberships_role_change();

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_tenancy;

CREATE TABLE tenancy.member (
    tenant  uuid NOT NULL,
    account uuid NOT NULL,
    member  uuid NOT NULL,
    role    text NOT NULL,
    version integer NOT NULL,
    live    boolean NOT NULL,
    PRIMARY KEY (tenant, account)
);

CREATE FUNCTION tenancy.copy_member() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM tenancy.member WHERE tenant = OLD.tenant_id AND member = OLD.id;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.removed_at IS NULL AND NEW.account_id IS NOT NULL THEN
        INSERT INTO tenancy.member (tenant, account, member, role, version, live)
        VALUES (NEW.tenant_id, NEW.account_id, NEW.id, NEW.role, NEW.role_version, NEW.status = 'active');
    END IF;
    RETURN NULL;
END
$$;
GRANT EXECUTE ON FUNCTION tenancy.copy_member() TO rowhouse_owner;

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_owner;

CREATE TRIGGER memberships_copy AFTER INSERT OR DELETE OR UPDATE ON memberships
    FOR EACH ROW EXECUTE FUNCTION tenancy.copy_member();

SET LOCAL ROLE NONE;

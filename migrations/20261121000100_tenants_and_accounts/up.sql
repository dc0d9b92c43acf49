-- Tenants, and the people who sign in.

SET LOCAL ROLE rowhouse_owner;

-- A tenant sees its own row and no other: protected by its id.
CREATE TABLE tenants (
    id                    uuid PRIMARY KEY,
    slug                  text NOT NULL CONSTRAINT tenants_slug_key UNIQUE
                          CHECK (slug ~ '^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$'),
    subdomain             text NOT NULL CONSTRAINT tenants_subdomain_key UNIQUE,
    name                  text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    status                text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'deleting')),
    subscription_tier     text NOT NULL DEFAULT 'free'
                          CHECK (subscription_tier IN ('free', 'basic', 'premium', 'enterprise')),
    rate_limit_per_minute integer CHECK (rate_limit_per_minute > 0),
    rate_limit_burst      integer CHECK (rate_limit_burst > 0),
    -- Who may join without an invitation: nobody, anybody, or whoever has a
    -- verified address in one of signup_domains.
    signup                text NOT NULL DEFAULT 'closed' CHECK (signup IN ('closed', 'open', 'domain')),
    signup_domains        text[] NOT NULL DEFAULT '{}',
    settings              jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(settings) = 'object'),
    branding              jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(branding) = 'object'),
    created_at            timestamptz NOT NULL DEFAULT now(),
    updated_at            timestamptz NOT NULL DEFAULT now()
);

-- One row per person. home_tenant_id: the tenant whose admin made this
-- account and to which alone it belongs; NULL for a personal account.
CREATE TABLE accounts (
    id             uuid PRIMARY KEY,
    home_tenant_id uuid REFERENCES tenants ON DELETE CASCADE,
    email          text NOT NULL CHECK (char_length(email) BETWEEN 3 AND 254),
    full_name      text NOT NULL CHECK (char_length(full_name) BETWEEN 1 AND 200),
    email_verified boolean NOT NULL DEFAULT false,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT accounts_email_key UNIQUE NULLS NOT DISTINCT (home_tenant_id, email)
);
CREATE INDEX accounts_email_idx ON accounts (email);

-- Apart from accounts, so that a door that reads accounts never sees a hash.
CREATE TABLE credentials (
    account_id    uuid PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
    password_hash text NOT NULL,
    changed_at    timestamptz NOT NULL DEFAULT now()
);

GRANT SELECT, INSERT ON tenants, accounts TO rowhouse_directory;
GRANT INSERT ON credentials TO rowhouse_directory;
GRANT SELECT, INSERT, DELETE, UPDATE (email, full_name, email_verified, updated_at) ON accounts TO rowhouse_auth;
GRANT SELECT, INSERT, DELETE, UPDATE (password_hash, changed_at) ON credentials TO rowhouse_auth;

SELECT tenancy.protect('tenants', write_role => 'admin', door => 'rowhouse_directory', tenant_column => 'id',
    commands => '{select,update}', update_columns => '{name,signup,signup_domains,settings,branding,updated_at}',
    unaudited => '{updated_at}');

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_tenancy;

-- The doors' role evaluates the guard of the tables that it serves, and asks
-- who is calling.
GRANT USAGE ON SCHEMA tenancy TO rowhouse_directory;
GRANT EXECUTE ON FUNCTION
    tenancy.refuse(text, text), tenancy.no_context(), tenancy.slot(), tenancy.has_context(), tenancy.current_tenant(),
    tenancy.current_kind(), tenancy.current_actor(), tenancy.current_session(), tenancy.current_role_name(),
    tenancy.role_rank(text), tenancy.allows(text), tenancy.guard_write()
    TO rowhouse_directory;

-- What authorize knows of tenants: a private copy, kept by one trigger from
-- the row itself. Reading tenants under its policies would cost more than
-- the rest of enter together.
CREATE TABLE tenancy.tenant (
    id     uuid PRIMARY KEY,
    status text NOT NULL
);

CREATE FUNCTION tenancy.copy_tenant() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM tenancy.tenant WHERE id = OLD.id;
    ELSE
        INSERT INTO tenancy.tenant (id, status) VALUES (NEW.id, NEW.status)
        ON CONFLICT (id) DO UPDATE SET status = EXCLUDED.status;
    END IF;
    RETURN NULL;
END
$$;
GRANT EXECUTE ON FUNCTION tenancy.copy_tenant() TO rowhouse_owner;

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_owner;

CREATE TRIGGER tenants_copy AFTER INSERT OR DELETE OR UPDATE OF status ON tenants
    FOR EACH ROW EXECUTE FUNCTION tenancy.copy_tenant();

SET LOCAL ROLE NONE;

-- Proving who one is: second factors, how long ago it was proved, and how
-- often it failed.

SET LOCAL ROLE rowhouse_owner;

-- Second factors --------------------------------------------------------------

-- Whether signing in asks for a second factor.
ALTER TABLE accounts ADD COLUMN mfa_enabled boolean NOT NULL DEFAULT false;
GRANT UPDATE (mfa_enabled) ON accounts TO rowhouse_auth;

-- What an authenticator app and the server share. It counts from the moment
-- that accounts.mfa_enabled says so, and goes with the password that it is a
-- second factor to.
CREATE TABLE totp_secrets (
    account_id uuid PRIMARY KEY REFERENCES credentials ON DELETE CASCADE,
    -- Under which secret key of the servers it is sealed. Never in the clear.
    kid        text NOT NULL,
    sealed     bytea NOT NULL,
    -- The step of time whose code was used last: a code is good once.
    last_step  bigint,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX totp_secrets_kid_idx ON totp_secrets (kid);

-- Single use, stored as SHA-256.
CREATE TABLE recovery_codes (
    account_id uuid NOT NULL REFERENCES totp_secrets ON DELETE CASCADE,
    hash       bytea NOT NULL CHECK (octet_length(hash) = 32),
    used_at    timestamptz,
    PRIMARY KEY (account_id, hash)
);

GRANT SELECT, INSERT, DELETE, UPDATE (kid, sealed, last_step) ON totp_secrets TO rowhouse_auth;
GRANT SELECT, INSERT, DELETE, UPDATE (used_at) ON recovery_codes TO rowhouse_auth;

-- Of a password that was hashed anew, because hashing had become dearer: the
-- SHA-256 of the hash before. Whoever verified that one verified this one.
ALTER TABLE credentials ADD COLUMN rehash_of bytea CHECK (octet_length(rehash_of) = 32);
GRANT UPDATE (rehash_of) ON credentials TO rowhouse_auth;

-- Recent sign-ins -------------------------------------------------------------

-- When whoever holds the session last proved who they are.
ALTER TABLE sessions ADD COLUMN authenticated_at timestamptz NOT NULL DEFAULT now();
UPDATE sessions SET authenticated_at = created_at;
GRANT UPDATE (authenticated_at) ON sessions TO rowhouse_auth;
GRANT SELECT (authenticated_at) ON sessions TO rowhouse_directory;

-- Failed sign-ins -------------------------------------------------------------

-- The sign-ins of one address with one e-mail that failed, or are not decided
-- yet. Each takes one of as many slots as may fail within the window, before
-- a password is compared: the primary key keeps the number exact, however
-- many try at once on however many servers.
CREATE TABLE login_failures (
    -- An IPv4 address, or the /64 of an IPv6 one.
    address      inet NOT NULL,
    -- SHA-256 of what was given as e-mail, be it an account's or not.
    email_hash   bytea NOT NULL CHECK (octet_length(email_hash) = 32),
    slot         integer NOT NULL CHECK (slot > 0),
    -- Whose password was, or is to be, compared; NULL: nobody's. One account's
    -- success forgets its own failures only: somebody else's account of the
    -- same e-mail opens no second try at this one.
    account_id   uuid REFERENCES accounts ON DELETE CASCADE,
    attempted_at timestamptz NOT NULL DEFAULT now(),
    -- Still being compared.
    is_open      boolean NOT NULL DEFAULT true,
    PRIMARY KEY (address, email_hash, slot)
);
CREATE INDEX login_failures_attempted_idx ON login_failures (attempted_at);
CREATE INDEX login_failures_account_idx ON login_failures (account_id);

GRANT SELECT, INSERT, DELETE, UPDATE (account_id, attempted_at, is_open) ON login_failures TO rowhouse_auth;

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_directory;

-- Inside a context: whoever acts must have proved who they are at most this
-- long ago. True, or SU001; an actor without a session never did.
CREATE FUNCTION directory.require_recent_sign_in(max_age_seconds integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.sessions
    WHERE id = tenancy.current_session() AND authenticated_at >= now() - make_interval(secs => max_age_seconds);
    IF NOT FOUND THEN
        PERFORM tenancy.refuse('SU001', 'the sign-in is not recent enough');
    END IF;
    RETURN true;
END
$$;
GRANT EXECUTE ON FUNCTION directory.require_recent_sign_in(integer) TO rowhouse_app;

SET LOCAL ROLE NONE;

-- What was answered to requests that carried an Idempotency-Key, so that a
-- request that is repeated is answered, and does nothing, again.

SET LOCAL ROLE rowhouse_owner;

-- Read and written by the doors below only, each for its own caller: what one
-- member was answered is not for another to see. Holds whole answers, so it is
-- not for a trail that outlives them.
CREATE TABLE idempotency_keys (
    tenant_id   uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    -- Whose key it is: an account, or an API key.
    actor_kind  text NOT NULL CHECK (actor_kind IN ('user', 'key')),
    actor_id    uuid NOT NULL,
    key         text COLLATE "C" NOT NULL CHECK (key ~ '^[!-~]{1,255}$'),
    -- An HMAC of the request: a body may hold a password, and a plain hash would
    -- let it be guessed.
    fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    status      smallint NOT NULL CHECK (status BETWEEN 200 AND 299),
    location    text CHECK (octet_length(location) <= 1024),
    etag        text CHECK (octet_length(etag) <= 1024),
    -- More than the largest answer there is.
    body        text NOT NULL CHECK (octet_length(body) <= 1048576),
    expires_at  timestamptz NOT NULL DEFAULT now() + interval '24 hours',
    PRIMARY KEY (tenant_id, actor_kind, actor_id, key)
);
CREATE INDEX idempotency_keys_expiry_idx ON idempotency_keys (tenant_id, expires_at);

GRANT SELECT, INSERT, DELETE, UPDATE (fingerprint, status, location, etag, body, expires_at)
    ON idempotency_keys TO rowhouse_directory;
SELECT tenancy.protect('idempotency_keys', write_role => 'member', door => 'rowhouse_directory', commands => '{}',
    audit => false);

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_directory;

-- Doors inside a context; tenant and caller come from the slot only ------------

-- Takes a key for this transaction, and says what is known of it: 'new',
-- 'running' (another transaction has it), 'other' (it was used for another
-- request), or 'answered' with status, location, etag and body. VOLATILE, so
-- that what is looked up after the lock was taken is what its last holder left.
CREATE FUNCTION directory.claim_idempotency_key(key text, fingerprints bytea[]) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tenant uuid := tenancy.current_tenant();
    kind   text := tenancy.current_kind();
    actor  uuid := tenancy.current_actor()::uuid;
    kept   public.idempotency_keys;
BEGIN
    IF NOT pg_try_advisory_xact_lock(
        hashtextextended(concat_ws('|', 'rowhouse idempotency', tenant, kind, actor, claim_idempotency_key.key), 0))
    THEN
        RETURN ARRAY['running'];
    END IF;
    SELECT * INTO kept FROM public.idempotency_keys k
    WHERE k.tenant_id = tenant AND k.actor_kind = kind AND k.actor_id = actor
        AND k.key = claim_idempotency_key.key AND k.expires_at > now();
    IF NOT FOUND THEN
        RETURN ARRAY['new'];
    ELSIF kept.fingerprint <> ALL (claim_idempotency_key.fingerprints) THEN
        RETURN ARRAY['other'];
    END IF;
    RETURN ARRAY['answered', kept.status::text, kept.location, kept.etag, kept.body];
END
$$;

-- Keeps what this transaction answers under the key that it has taken. IK001
-- when there is an answer already that has not expired.
CREATE FUNCTION directory.keep_answer(key text, fingerprint bytea, status int, location text, etag text, body text)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO public.idempotency_keys AS k
        (tenant_id, actor_kind, actor_id, key, fingerprint, status, location, etag, body)
    VALUES (tenancy.current_tenant(), tenancy.current_kind(), tenancy.current_actor()::uuid, keep_answer.key,
        keep_answer.fingerprint, keep_answer.status, keep_answer.location, keep_answer.etag, keep_answer.body)
    ON CONFLICT ON CONSTRAINT idempotency_keys_pkey DO UPDATE
    SET fingerprint = EXCLUDED.fingerprint, status = EXCLUDED.status, location = EXCLUDED.location,
        etag = EXCLUDED.etag, body = EXCLUDED.body, expires_at = EXCLUDED.expires_at
    WHERE k.expires_at <= now();
    IF NOT FOUND THEN
        PERFORM tenancy.refuse('IK001', 'this key has an answer already');
    END IF;
    RETURN true;
END
$$;

-- Without a context: forgets answers that have expired, of whatever tenant, a
-- suspended one too. Returns how many. The condition stands twice: whoever
-- waited for a row that was just written anew must not take that one.
CREATE FUNCTION directory.forget_answers(most int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    forgotten bigint;
BEGIN
    DELETE FROM public.idempotency_keys
    WHERE expires_at <= now() AND (tenant_id, actor_kind, actor_id, key) IN (
        SELECT k.tenant_id, k.actor_kind, k.actor_id, k.key
        FROM public.tenants t CROSS JOIN LATERAL (
            SELECT * FROM public.idempotency_keys i
            WHERE i.tenant_id = t.id AND i.expires_at <= now()
            ORDER BY i.expires_at LIMIT forget_answers.most
        ) k
        LIMIT forget_answers.most
    );
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    RETURN forgotten;
END
$$;

GRANT EXECUTE ON FUNCTION directory.claim_idempotency_key(text, bytea[]),
    directory.keep_answer(text, bytea, int, text, text, text) TO rowhouse_app;
GRANT EXECUTE ON FUNCTION directory.forget_answers(int) TO rowhouse_auth;

SET LOCAL ROLE NONE;

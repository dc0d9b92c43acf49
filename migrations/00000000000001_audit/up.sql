-- The audit trail: each change of a tenant's row leaves an event, in the
-- transaction that makes the change; a sealer chains the events afterwards, so
-- that none is changed, taken away or put in between unseen.
--
-- docs/audit.md tells every byte of what is hashed.

SET LOCAL ROLE rowhouse_tenancy;

-- What happened ----------------------------------------------------------------

-- Append-only: the trigger alone writes it, and what erases personal values.
-- Whoever works in a tenant may read the tenant's own.
CREATE TABLE tenancy.audit_events (
    tenant_id   uuid NOT NULL,
    -- A UUID version 7 with a fraction of the millisecond (RFC 9562, 6.2 method 3): the
    -- events of a transaction sort in the order in which they were written.
    id          uuid NOT NULL,
    at          timestamptz NOT NULL,
    -- 'user', 'key', 'job', 'operator', or 'system' where there is no context: then
    -- actor_id is the role that is logged in.
    actor_kind  text NOT NULL,
    actor_id    text NOT NULL,
    session_id  uuid,
    role        text,
    action      text NOT NULL,
    object_type text NOT NULL,
    object_id   text NOT NULL,
    -- Per column that changed, {"before": …, "after": …}.
    changes     jsonb,
    request_id  text,
    address     inet,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX audit_events_object_idx ON tenancy.audit_events (tenant_id, object_type, object_id, id);

-- What proves it ---------------------------------------------------------------

-- Events that wait for the sealer. The salts keep what was erased from being
-- guessed by its digest; nobody but the owner reads them.
CREATE TABLE tenancy.audit_pending (
    tenant_id    uuid NOT NULL,
    event_id     uuid NOT NULL,
    changes_salt bytea,
    address_salt bytea,
    -- In place of the salt, once the value is erased.
    changes_digest bytea,
    address_digest bytea,
    commitment   bytea NOT NULL,
    PRIMARY KEY (tenant_id, event_id)
);
-- It is filled and emptied all day.
ALTER TABLE tenancy.audit_pending SET (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);

-- The chain of each tenant: without gaps, never forked.
CREATE TABLE tenancy.audit_seals (
    tenant_id    uuid NOT NULL,
    seq          bigint NOT NULL,
    event_id     uuid NOT NULL,
    changes_salt bytea,
    address_salt bytea,
    changes_digest bytea,
    address_digest bytea,
    commitment   bytea NOT NULL,
    hash         bytea NOT NULL,
    PRIMARY KEY (tenant_id, seq),
    UNIQUE (tenant_id, event_id)
);

-- The end of each chain.
CREATE TABLE tenancy.audit_heads (
    tenant_id uuid PRIMARY KEY,
    seq       bigint NOT NULL,
    hash      bytea NOT NULL,
    -- The last seq that a checkpoint names.
    signed_seq bigint NOT NULL DEFAULT 0,
    -- When all of the tenant was erased, and its events with it.
    erased_at timestamptz
);

-- What the operator has signed of the chains that had grown, so that one that
-- was cut short is seen; each names the hash of the one before.
CREATE TABLE tenancy.audit_checkpoints (
    number     bigint PRIMARY KEY,
    -- The signed text: digests of heads, so that a tenant that gets it learns of
    -- no other.
    statement  text NOT NULL,
    -- The heads themselves: [[tenant, seq, hash in hex], …].
    heads      jsonb NOT NULL,
    public_key bytea NOT NULL,
    signature  bytea NOT NULL
);

-- The digests ------------------------------------------------------------------

-- record_send of bytea columns: the number of fields, then for each its type,
-- its length (-1: none) and its bytes. So no two events have the same encoding.
CREATE FUNCTION tenancy.audit_commitment(tenant uuid, event uuid, at timestamptz, actor_kind text, actor_id text,
    session_id uuid, role text, action text, object_type text, object_id text, request_id text,
    changes_digest bytea, address_digest bytea) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE
RETURN sha256(record_send(ROW(
    '\x726f77686f757365206175646974206576656e742031'::bytea,
    uuid_send(tenant), uuid_send(event), int8send((extract(epoch FROM at) * 1000000)::bigint),
    convert_to(actor_kind, 'UTF8'), convert_to(actor_id, 'UTF8'), uuid_send(session_id), convert_to(role, 'UTF8'),
    convert_to(action, 'UTF8'), convert_to(object_type, 'UTF8'), convert_to(object_id, 'UTF8'),
    convert_to(request_id, 'UTF8'), changes_digest, address_digest)));

CREATE FUNCTION tenancy.audit_digest(salt bytea, value text) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sha256(salt || convert_to(value, 'UTF8'));

-- Writing ----------------------------------------------------------------------

-- Names the account for which a function without a context acts; to the end of
-- the transaction. It counts for whoever logs in as a role that may call this, and
-- whose statements are therefore fixed: never for the application.
CREATE FUNCTION tenancy.act_as(account uuid) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT set_config('tenancy.acting_account', account::text, true)
$$;

-- The trigger of an audited table: object type, tenant column, key columns,
-- redacted columns, columns that leave no event.
CREATE FUNCTION tenancy.record_event() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    old_row    jsonb;
    new_row    jsonb;
    either     jsonb;
    keys       text[] := TG_ARGV[2];
    redacted   text[] := TG_ARGV[3];
    unaudited  text[] := TG_ARGV[4];
    tenant     uuid;
    object     text;
    moment     timestamptz := clock_timestamp();
    micros     bigint := extract(epoch FROM moment) * 1000000;
    event      uuid := lpad(to_hex(micros / 1000), 12, '0') || '7' || lpad(to_hex(micros % 1000 * 4096 / 1000), 3, '0')
                   || substr(gen_random_uuid()::text, 20);
    fields     jsonb;
    context    text[];
    carried    text[];
    actor_kind text := 'system';
    actor      text := session_user;
    session    uuid;
    acting_in  text;
    request    text;
    address    inet;
    changes_salt bytea := uuid_send(gen_random_uuid());
    address_salt bytea;
    commitment bytea;
BEGIN
    -- Everybody may set these, and with fewer digits two numbers look the same.
    IF current_setting('extra_float_digits')::int < 1 THEN
        PERFORM set_config('extra_float_digits', '1', true);
    END IF;
    IF current_setting('lc_monetary') <> 'C' THEN
        PERFORM set_config('lc_monetary', 'C', true);
    END IF;
    IF TG_OP <> 'INSERT' THEN
        old_row := to_jsonb(OLD);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        new_row := to_jsonb(NEW);
    END IF;
    either := coalesce(new_row, old_row);
    tenant := either ->> TG_ARGV[1];
    object := either ->> keys[1];
    SELECT jsonb_object_agg(f.key, CASE
        WHEN f.key = ANY (redacted) THEN jsonb_build_object(
            'before', CASE WHEN old_row -> f.key <> 'null' THEN '"[redacted]"'::jsonb END,
            'after', CASE WHEN new_row -> f.key <> 'null' THEN '"[redacted]"'::jsonb END)
        ELSE jsonb_build_object('before', old_row -> f.key, 'after', new_row -> f.key) END)
    INTO fields
    FROM jsonb_each(either) f
    WHERE coalesce(old_row -> f.key, 'null') <> coalesce(new_row -> f.key, 'null') AND f.key <> ALL (unaudited);

    IF TG_OP = 'UPDATE' THEN
        IF (old_row ->> TG_ARGV[1])::uuid <> tenant THEN
            PERFORM tenancy.refuse('TN011', 'a row does not move to another tenant');
        ELSIF fields IS NULL THEN
            RETURN NULL;
        END IF;
    END IF;
    FOR i IN 2 .. cardinality(keys) LOOP
        object := object || '/' || (either ->> keys[i]);
    END LOOP;

    IF tenancy.has_context() THEN
        context := string_to_array(tenancy.slot(), '_');
        carried := string_to_array(convert_from(decode(context[7], 'hex'), 'UTF8'), '|');
        actor_kind := context[2];
        actor := context[3]::uuid;
        session := nullif(context[4], '');
        acting_in := context[5];
        request := nullif(carried[1], '');
        address := nullif(carried[2], '');
    ELSIF current_setting('tenancy.acting_account', true) <> ''
        AND has_function_privilege(session_user, 'tenancy.act_as(uuid)', 'EXECUTE')
    THEN
        actor_kind := 'user';
        actor := current_setting('tenancy.acting_account');
    END IF;
    IF address IS NOT NULL THEN
        address_salt := uuid_send(gen_random_uuid());
    END IF;

    INSERT INTO tenancy.audit_events (tenant_id, id, at, actor_kind, actor_id, session_id, role, action,
        object_type, object_id, changes, request_id, address)
    VALUES (tenant, event, moment, actor_kind, actor, session, acting_in, lower(TG_OP),
        TG_ARGV[0], object, fields, request, address);
    INSERT INTO tenancy.audit_pending (tenant_id, event_id, changes_salt, address_salt, commitment)
    VALUES (tenant, event, changes_salt, address_salt, tenancy.audit_commitment(
        tenant, event, moment, actor_kind, actor, session, acting_in, lower(TG_OP), TG_ARGV[0], object, request,
        tenancy.audit_digest(changes_salt, fields::text), tenancy.audit_digest(address_salt, host(address))));
    RETURN NULL;
END
$$;

-- Attaches the trigger to a table, or takes it away; protect calls it.
CREATE FUNCTION tenancy.audit(target regclass, tenant_column name, wanted boolean, redact name[], unaudited name[])
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    key_columns name[];
    unknown     name;
BEGIN
    SELECT c INTO unknown FROM unnest(redact || unaudited) c
    WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = target AND attname = c AND NOT attisdropped);
    IF FOUND THEN
        RAISE EXCEPTION 'protect: % has no column "%"', target, unknown;
    END IF;
    IF NOT wanted THEN
        IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = target AND tgname = 'tenancy_audit') THEN
            EXECUTE format('DROP TRIGGER tenancy_audit ON %s', target);
        END IF;
        RETURN;
    END IF;
    -- What tells the rows of a tenant apart.
    SELECT array_agg(a.attname ORDER BY k.position) INTO key_columns
    FROM pg_index i
    CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, position)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
    WHERE i.indrelid = target AND i.indisprimary AND (a.attname <> tenant_column OR i.indnkeyatts = 1);
    IF key_columns IS NULL THEN
        RAISE EXCEPTION 'protect: % needs a primary key, by which its events name a row', target
            USING HINT = 'Or protect it with audit => false.';
    END IF;
    EXECUTE format('CREATE OR REPLACE TRIGGER tenancy_audit AFTER INSERT OR UPDATE OR DELETE ON %s
        FOR EACH ROW EXECUTE FUNCTION tenancy.record_event(%L, %L, %L, %L, %L)', target,
        (SELECT relname FROM pg_class WHERE oid = target), tenant_column, key_columns, redact, tenant_column || unaudited);
    -- Also where somebody replays or loads with session_replication_role.
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER tenancy_audit', target);
END
$$;

-- Sealing ----------------------------------------------------------------------

-- When an event was written, by its id.
CREATE FUNCTION tenancy.event_time(event uuid) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN to_timestamp(('x' || substr(replace(event::text, '-', ''), 1, 12))::bit(48)::bigint / 1000.0);

-- Tenants with events that wait, those that wait longest first, and since when.
CREATE FUNCTION tenancy.tenants_to_seal(most int) RETURNS TABLE (tenant_id uuid, waiting_since timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.tenant_id, tenancy.event_time(min(p.event_id::text)::uuid)
    FROM tenancy.audit_pending p GROUP BY p.tenant_id ORDER BY min(p.event_id::text) LIMIT most
$$;

-- The end of a tenant's chain, locked until the transaction ends; it begins with
-- a hash of the tenant's id.
CREATE FUNCTION tenancy.lock_chain(tenant uuid) RETURNS tenancy.audit_heads
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    head tenancy.audit_heads;
BEGIN
    SELECT * INTO head FROM tenancy.audit_heads h WHERE h.tenant_id = tenant FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO tenancy.audit_heads (tenant_id, seq, hash)
        VALUES (tenant, 0, sha256(convert_to('rowhouse audit chain 1', 'UTF8') || uuid_send(tenant)))
        ON CONFLICT DO NOTHING;
        SELECT * INTO head FROM tenancy.audit_heads h WHERE h.tenant_id = tenant FOR UPDATE;
    END IF;
    RETURN head;
END
$$;

-- Appends at most so many committed events of a tenant to its chain, in the
-- order of their ids. Whoever else seals waits, on the chain's end and on
-- nothing that a request touches. Returns how many.
CREATE FUNCTION tenancy.seal_events(tenant uuid, most int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    head   tenancy.audit_heads := tenancy.lock_chain(tenant);
    event  tenancy.audit_pending;
    sealed int := 0;
BEGIN
    FOR event IN
        SELECT * FROM tenancy.audit_pending p WHERE p.tenant_id = tenant ORDER BY p.event_id LIMIT most
    LOOP
        head.seq := head.seq + 1;
        head.hash := sha256(head.hash || int8send(head.seq) || uuid_send(event.event_id) || event.commitment);
        INSERT INTO tenancy.audit_seals (tenant_id, seq, event_id, changes_salt, address_salt, changes_digest,
            address_digest, commitment, hash)
        VALUES (tenant, head.seq, event.event_id, event.changes_salt, event.address_salt, event.changes_digest,
            event.address_digest, event.commitment, head.hash);
        DELETE FROM tenancy.audit_pending p WHERE p.tenant_id = tenant AND p.event_id = event.event_id;
        sealed := sealed + 1;
    END LOOP;
    IF sealed > 0 THEN
        UPDATE tenancy.audit_heads h SET seq = head.seq, hash = head.hash WHERE h.tenant_id = tenant;
    END IF;
    RETURN sealed;
END
$$;

-- Examining --------------------------------------------------------------------

-- What is left of an event, given what proves it: 'whole', 'erased' (a value was,
-- and the rest holds), 'changed'.
CREATE FUNCTION tenancy.event_state(event tenancy.audit_events, changes_salt bytea, address_salt bytea,
    changes_digest bytea, address_digest bytea, commitment bytea) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN (commitment = tenancy.audit_commitment(event.tenant_id, event.id, event.at, event.actor_kind,
                event.actor_id, event.session_id, event.role, event.action, event.object_type, event.object_id,
                event.request_id,
                coalesce(changes_digest, tenancy.audit_digest(changes_salt, event.changes::text)),
                coalesce(address_digest, tenancy.audit_digest(address_salt, host(event.address))))
            -- A value that has no digest, or one that was erased, is not there.
            AND (event.changes IS NULL OR changes_salt IS NOT NULL)
            AND (event.address IS NULL OR address_salt IS NOT NULL)
            AND (changes_digest IS NULL OR changes_salt IS NULL)
            AND (address_digest IS NULL OR address_salt IS NULL)) IS NOT TRUE THEN 'changed'
        WHEN changes_digest IS NOT NULL OR address_digest IS NOT NULL THEN 'erased'
        ELSE 'whole'
    END
$$;

-- All chains, by tenant.
CREATE FUNCTION tenancy.audit_chains()
RETURNS TABLE (tenant_id uuid, seq bigint, hash bytea, signed_seq bigint, erased_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT h.tenant_id, h.seq, h.hash, h.signed_seq, h.erased_at FROM tenancy.audit_heads h ORDER BY h.tenant_id
$$;

-- The chain of a tenant, as far as it is sealed, in pages; no value of any row.
-- Where the event is gone: 'missing', or 'erased' with all of the tenant.
CREATE FUNCTION tenancy.audit_chain(tenant uuid, after bigint, most int)
RETURNS TABLE (seq bigint, event_id uuid, commitment bytea, hash bytea, state text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.seq, s.event_id, s.commitment, s.hash, CASE
        WHEN e.id IS NOT NULL THEN tenancy.event_state(e, s.changes_salt, s.address_salt,
            s.changes_digest, s.address_digest, s.commitment)
        WHEN h.erased_at IS NOT NULL AND s.changes_salt IS NULL AND s.address_salt IS NULL THEN 'erased'
        ELSE 'missing' END
    FROM tenancy.audit_seals s
    LEFT JOIN tenancy.audit_heads h ON h.tenant_id = s.tenant_id
    LEFT JOIN tenancy.audit_events e ON e.tenant_id = s.tenant_id AND e.id = s.event_id
    WHERE s.tenant_id = tenant AND s.seq > after ORDER BY s.seq LIMIT most
$$;

-- What of a tenant is not sealed: what waits, and events that nothing proves
-- ('stray'), because they were put in or their proof was taken away.
CREATE FUNCTION tenancy.audit_unsealed(tenant uuid) RETURNS TABLE (event_id uuid, state text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.event_id, CASE
        WHEN e.id IS NOT NULL THEN tenancy.event_state(e, p.changes_salt, p.address_salt,
            p.changes_digest, p.address_digest, p.commitment)
        WHEN h.erased_at IS NOT NULL AND p.changes_salt IS NULL AND p.address_salt IS NULL THEN 'erased'
        ELSE 'missing' END
    FROM tenancy.audit_pending p
    LEFT JOIN tenancy.audit_heads h ON h.tenant_id = p.tenant_id
    LEFT JOIN tenancy.audit_events e ON e.tenant_id = p.tenant_id AND e.id = p.event_id
    WHERE p.tenant_id = tenant
    UNION ALL
    SELECT e.id, 'stray' FROM tenancy.audit_events e
    WHERE e.tenant_id = tenant
        AND NOT EXISTS (SELECT FROM tenancy.audit_seals s WHERE s.tenant_id = tenant AND s.event_id = e.id)
        AND NOT EXISTS (SELECT FROM tenancy.audit_pending p WHERE p.tenant_id = tenant AND p.event_id = e.id)
    ORDER BY 1
$$;

-- Checkpoints ------------------------------------------------------------------

CREATE FUNCTION tenancy.checkpoints(after bigint)
RETURNS TABLE (number bigint, statement text, heads jsonb, public_key bytea, signature bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.number, c.statement, c.heads, c.public_key, c.signature
    FROM tenancy.audit_checkpoints c WHERE c.number > after ORDER BY c.number
$$;

-- What the next one follows, without its heads: the work is the same however many there are.
CREATE FUNCTION tenancy.last_checkpoint() RETURNS TABLE (number bigint, statement text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.number, c.statement FROM tenancy.audit_checkpoints c ORDER BY c.number DESC LIMIT 1
$$;

-- Keeps a checkpoint, which must be the next one: false when somebody else was
-- faster.
CREATE FUNCTION tenancy.add_checkpoint(number bigint, statement text, heads jsonb, public_key bytea, signature bytea)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO tenancy.audit_checkpoints (number, statement, heads, public_key, signature)
    SELECT add_checkpoint.number, add_checkpoint.statement, add_checkpoint.heads, add_checkpoint.public_key,
        add_checkpoint.signature
    WHERE add_checkpoint.number = 1 + coalesce((SELECT max(c.number) FROM tenancy.audit_checkpoints c), 0)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- In one order, as sealers lock them too.
    PERFORM FROM tenancy.audit_heads h
    WHERE h.tenant_id IN (SELECT (named ->> 0)::uuid FROM jsonb_array_elements(add_checkpoint.heads) named)
    ORDER BY h.tenant_id FOR NO KEY UPDATE;
    UPDATE tenancy.audit_heads h SET signed_seq = (named ->> 1)::bigint
    FROM jsonb_array_elements(add_checkpoint.heads) named WHERE h.tenant_id = (named ->> 0)::uuid;
    RETURN true;
END
$$;

-- Erasing ----------------------------------------------------------------------

-- Takes the values from all events about one object, and keeps their digests:
-- who did something to it, and when, stays proved. Returns how many.
CREATE FUNCTION tenancy.erase_object(tenant uuid, object_type text, object_id text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    erased bigint;
BEGIN
    PERFORM tenancy.lock_chain(tenant);
    UPDATE tenancy.audit_seals s
    SET changes_digest = tenancy.audit_digest(s.changes_salt, e.changes::text), changes_salt = NULL
    FROM tenancy.audit_events e
    WHERE e.tenant_id = tenant AND e.object_type = erase_object.object_type AND e.object_id = erase_object.object_id
        AND e.changes IS NOT NULL AND s.tenant_id = tenant AND s.event_id = e.id;
    UPDATE tenancy.audit_pending p
    SET changes_digest = tenancy.audit_digest(p.changes_salt, e.changes::text), changes_salt = NULL
    FROM tenancy.audit_events e
    WHERE e.tenant_id = tenant AND e.object_type = erase_object.object_type AND e.object_id = erase_object.object_id
        AND e.changes IS NOT NULL AND p.tenant_id = tenant AND p.event_id = e.id;
    UPDATE tenancy.audit_events e SET changes = NULL
    WHERE e.tenant_id = tenant AND e.object_type = erase_object.object_type AND e.object_id = erase_object.object_id
        AND e.changes IS NOT NULL;
    GET DIAGNOSTICS erased = ROW_COUNT;
    RETURN erased;
END
$$;

-- Takes the addresses from all that somebody did in a tenant. Returns how many.
CREATE FUNCTION tenancy.erase_actor(tenant uuid, actor uuid) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    erased bigint;
BEGIN
    PERFORM tenancy.lock_chain(tenant);
    UPDATE tenancy.audit_seals s
    SET address_digest = tenancy.audit_digest(s.address_salt, host(e.address)), address_salt = NULL
    FROM tenancy.audit_events e
    WHERE e.tenant_id = tenant AND e.actor_id = actor::text AND e.address IS NOT NULL
        AND s.tenant_id = tenant AND s.event_id = e.id;
    UPDATE tenancy.audit_pending p
    SET address_digest = tenancy.audit_digest(p.address_salt, host(e.address)), address_salt = NULL
    FROM tenancy.audit_events e
    WHERE e.tenant_id = tenant AND e.actor_id = actor::text AND e.address IS NOT NULL
        AND p.tenant_id = tenant AND p.event_id = e.id;
    UPDATE tenancy.audit_events e SET address = NULL
    WHERE e.tenant_id = tenant AND e.actor_id = actor::text AND e.address IS NOT NULL;
    GET DIAGNOSTICS erased = ROW_COUNT;
    RETURN erased;
END
$$;

-- Erases at most so many events of a tenant that is erased itself; what is left is
-- its chain. Returns how many.
CREATE FUNCTION tenancy.erase_trail(tenant uuid, most bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    gone uuid[];
BEGIN
    PERFORM tenancy.lock_chain(tenant);
    UPDATE tenancy.audit_heads h SET erased_at = now() WHERE h.tenant_id = tenant AND h.erased_at IS NULL;
    WITH erased AS (
        DELETE FROM tenancy.audit_events WHERE (tenant_id, id) IN (
            SELECT e.tenant_id, e.id FROM tenancy.audit_events e WHERE e.tenant_id = tenant LIMIT most)
        RETURNING id
    )
    SELECT array_agg(id) INTO gone FROM erased;
    UPDATE tenancy.audit_seals s
    SET changes_salt = NULL, address_salt = NULL, changes_digest = NULL, address_digest = NULL
    WHERE s.tenant_id = tenant AND s.event_id = ANY (gone);
    UPDATE tenancy.audit_pending p
    SET changes_salt = NULL, address_salt = NULL, changes_digest = NULL, address_digest = NULL
    WHERE p.tenant_id = tenant AND p.event_id = ANY (gone);
    RETURN coalesce(cardinality(gone), 0);
END
$$;

SELECT tenancy.protect('tenancy.audit_events', door => 'rowhouse_tenancy', commands => '{select}', audit => false);

GRANT EXECUTE ON FUNCTION tenancy.record_event(), tenancy.audit(regclass, name, boolean, name[], name[])
    TO rowhouse_owner;

SET LOCAL ROLE NONE;

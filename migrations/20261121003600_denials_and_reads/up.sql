-- Who was refused, and who has read what is sensitive: written behind the
-- requests, in batches, on a connection of its own; so neither is undone with the
-- transaction of a request. And what reads the trail of changes by field.

SET LOCAL ROLE rowhouse_tenancy;

-- What somebody did, newest first.
CREATE INDEX audit_events_actor_idx ON tenancy.audit_events (tenant_id, actor_id, id);

-- The place of an event in the current tenant's chain; NULL while it waits.
CREATE FUNCTION tenancy.seq_of(event uuid) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.seq FROM tenancy.audit_seals s
    WHERE s.tenant_id = tenancy.current_tenant() AND s.event_id = event
$$;

-- For each field of an object who set it last, and when: {"name": {"kind", "id",
-- "at"}}. A field that was never set by an event, as it was empty from the start, is
-- its maker's: "" is who made the object, where no event about it was erased. Of an
-- object with more events than these, the latest tell, and who made it is not asked.
-- As whoever asks: the policies hold.
CREATE FUNCTION tenancy.blame(object_type text, object_id text) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH recent AS MATERIALIZED (
        SELECT e.id, e.actor_kind, e.actor_id, e.at, e.action, e.changes
        FROM tenancy.audit_events e
        WHERE e.tenant_id = (SELECT tenancy.current_tenant())
            AND e.object_type = blame.object_type AND e.object_id = blame.object_id
        ORDER BY e.id DESC LIMIT 1000
    )
    SELECT coalesce(jsonb_object_agg(last.field,
        jsonb_build_object('kind', last.actor_kind, 'id', last.actor_id, 'at', last.at)), '{}')
    FROM (
        SELECT DISTINCT ON (f.field) f.field, e.actor_kind, e.actor_id, e.at
        FROM recent e
        CROSS JOIN LATERAL (
            SELECT jsonb_object_keys(e.changes) AS field
            UNION ALL
            SELECT '' WHERE e.action = 'insert' AND NOT EXISTS (SELECT FROM recent x WHERE x.changes IS NULL)
        ) f
        ORDER BY f.field, e.id DESC
    ) last
$$;

-- How far the chains hold that servers sign: a server looks at each piece by piece, each piece in a
-- transaction of its own, and signs no more than was looked at.
CREATE TABLE tenancy.checked_chains (
    tenant_id  uuid PRIMARY KEY,
    -- The last place that was found to hold, and its hash then.
    seq        bigint NOT NULL,
    hash       bytea NOT NULL,
    -- The first place that does not. It is looked at again each time, and until it holds,
    -- nothing more of the chain is signed.
    flawed_seq bigint
);

-- Chains that are not as long as what is signed or was found to hold of them, or that do not hold;
-- and up to which place to look: what is sealed meanwhile is left for the next time.
CREATE FUNCTION tenancy.chains_to_check() RETURNS TABLE (tenant_id uuid, upto bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(h.tenant_id, c.tenant_id), coalesce(h.seq, 0)
    FROM tenancy.audit_heads h
    FULL JOIN tenancy.checked_chains c ON c.tenant_id = h.tenant_id
    WHERE coalesce(h.seq, 0) <> greatest(h.signed_seq, c.seq) OR c.flawed_seq IS NOT NULL
    ORDER BY 1
$$;

-- Looks at the next piece of a chain, up to a place: at most so many links, and none more once the
-- values behind them make so many bytes. Answers the last place that holds, and the first that
-- does not. Whoever looks at the same chain at the same time waits, and goes on behind it.
CREATE FUNCTION tenancy.check_piece(tenant uuid, upto bigint, most int, most_bytes bigint)
RETURNS TABLE (seq bigint, flawed_seq bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    head  tenancy.audit_heads;
    place tenancy.checked_chains;
    -- Fetched one by one: of what lies behind the last one nothing is read.
    links CURSOR (after bigint) FOR
        SELECT s.seq, s.event_id, s.commitment, s.hash,
            coalesce(octet_length(e.changes::text), 0) AS bytes,
            CASE
                WHEN e.id IS NOT NULL THEN tenancy.event_state(e, s.changes_salt, s.address_salt,
                    s.changes_digest, s.address_digest, s.commitment) <> 'changed'
                ELSE head.erased_at IS NOT NULL AND s.changes_salt IS NULL AND s.address_salt IS NULL
            END AS holds
        FROM tenancy.audit_seals s
        LEFT JOIN tenancy.audit_events e ON e.tenant_id = s.tenant_id AND e.id = s.event_id
        WHERE s.tenant_id = tenant AND s.seq > after ORDER BY s.seq;
    link  record;
    bytes bigint := 0;
BEGIN
    INSERT INTO tenancy.checked_chains (tenant_id, seq, hash)
    VALUES (tenant, 0, sha256(convert_to('rowhouse audit chain 1', 'UTF8') || uuid_send(tenant)))
    ON CONFLICT DO NOTHING;
    SELECT * INTO place FROM tenancy.checked_chains c WHERE c.tenant_id = tenant FOR UPDATE;
    SELECT * INTO head FROM tenancy.audit_heads h WHERE h.tenant_id = tenant;
    -- The administrator signs without a look.
    IF head.signed_seq > place.seq THEN
        place.seq := head.signed_seq;
        place.hash := coalesce((SELECT s.hash FROM tenancy.audit_seals s
            WHERE s.tenant_id = tenant AND s.seq = head.signed_seq), '');
    END IF;
    place.flawed_seq := NULL;
    -- What was looked at before is still there.
    IF place.seq > coalesce(head.seq, 0) THEN
        place.flawed_seq := coalesce(head.seq, 0) + 1;
    ELSIF place.seq > 0 AND NOT EXISTS (SELECT FROM tenancy.audit_seals s
        WHERE s.tenant_id = tenant AND s.seq = place.seq AND s.hash = place.hash)
    THEN
        place.flawed_seq := place.seq;
    END IF;
    OPEN links (place.seq);
    FOR piece IN 1 .. least(most, upto - place.seq) LOOP
        EXIT WHEN place.flawed_seq IS NOT NULL OR bytes >= most_bytes;
        FETCH links INTO link;
        IF NOT FOUND THEN
            place.flawed_seq := place.seq + 1;
        ELSIF link.holds AND link.seq = place.seq + 1 AND link.hash = sha256(
            place.hash || int8send(link.seq) || uuid_send(link.event_id) || link.commitment)
        THEN
            place.seq := link.seq;
            place.hash := link.hash;
            bytes := bytes + link.bytes;
        ELSE
            place.flawed_seq := link.seq;
        END IF;
    END LOOP;
    CLOSE links;
    IF place.seq = head.seq AND place.hash <> head.hash AND place.flawed_seq IS NULL THEN
        place.flawed_seq := place.seq;
    END IF;
    UPDATE tenancy.checked_chains c
    SET seq = place.seq, hash = place.hash, flawed_seq = place.flawed_seq WHERE c.tenant_id = tenant;
    seq := place.seq;
    flawed_seq := place.flawed_seq;
    RETURN NEXT;
END
$$;

-- What servers sign: chains as far as they were found to hold, with the hash that was found. Of one
-- that does not hold nothing, although it may have begun to.
CREATE FUNCTION tenancy.chains_to_sign() RETURNS TABLE (tenant_id uuid, seq bigint, hash bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.tenant_id, c.seq, c.hash
    FROM tenancy.checked_chains c JOIN tenancy.audit_heads h ON h.tenant_id = c.tenant_id
    WHERE c.flawed_seq IS NULL AND c.seq > h.signed_seq ORDER BY 1
$$;

-- How far the examination of each whole chain has come that servers make now and then.
CREATE TABLE tenancy.chain_checks (
    tenant_id  uuid PRIMARY KEY,
    -- The last place that was examined; 0 where none is under way.
    seq        bigint NOT NULL DEFAULT 0,
    -- When the last one ended.
    checked_at timestamptz
);

-- Examines at most so many links of one chain, from its beginning on: of one that is begun, else
-- of the one that was examined longest ago, if that is longer than so many hours. No row: none
-- is due. Whoever examines another one at the same time waits for nobody.
CREATE FUNCTION tenancy.check_chain(hours int, most int)
RETURNS TABLE (tenant_id uuid, links bigint, flaw bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    turn tenancy.chain_checks;
    head tenancy.audit_heads;
    last bytea;
BEGIN
    INSERT INTO tenancy.chain_checks (tenant_id)
    SELECT h.tenant_id FROM tenancy.audit_heads h
    WHERE NOT EXISTS (SELECT FROM tenancy.chain_checks c WHERE c.tenant_id = h.tenant_id)
    ON CONFLICT DO NOTHING;
    SELECT * INTO turn FROM tenancy.chain_checks c
    WHERE c.seq > 0 OR c.checked_at IS NULL OR c.checked_at < now() - make_interval(hours => check_chain.hours)
    ORDER BY c.seq = 0, c.checked_at NULLS FIRST LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    -- What is sealed behind this end meanwhile is left for the next time.
    SELECT * INTO head FROM tenancy.audit_heads h WHERE h.tenant_id = turn.tenant_id;
    SELECT count(*), min(link.seq) FILTER (WHERE link.is_broken), (array_agg(link.hash ORDER BY link.seq DESC))[1]
    INTO links, flaw, last
    FROM (
        SELECT c.seq, c.hash, c.state IN ('changed', 'missing') OR c.seq <> turn.seq + row_number() OVER chain
            OR c.hash <> sha256(coalesce(lag(c.hash) OVER chain,
                    (SELECT s.hash FROM tenancy.audit_seals s WHERE s.tenant_id = turn.tenant_id AND s.seq = turn.seq),
                    sha256(convert_to('rowhouse audit chain 1', 'UTF8') || uuid_send(turn.tenant_id)))
                || int8send(c.seq) || uuid_send(c.event_id) || c.commitment) AS is_broken
        FROM tenancy.audit_chain(turn.tenant_id, turn.seq, most) c
        WHERE c.seq <= head.seq
        WINDOW chain AS (ORDER BY c.seq)
    ) link;
    IF flaw IS NULL AND links < least(most, head.seq - turn.seq) THEN
        flaw := turn.seq + links + 1;
    ELSIF flaw IS NULL AND turn.seq + links = head.seq AND links > 0 AND last <> head.hash THEN
        flaw := head.seq;
    END IF;
    tenant_id := turn.tenant_id;
    UPDATE tenancy.chain_checks c
    SET seq = CASE WHEN is_over.is_over THEN 0 ELSE turn.seq + links END,
        checked_at = CASE WHEN is_over.is_over THEN now() ELSE c.checked_at END
    FROM (SELECT flaw IS NOT NULL OR turn.seq + links >= head.seq AS is_over) is_over
    WHERE c.tenant_id = turn.tenant_id;
    RETURN NEXT;
END
$$;

GRANT EXECUTE ON FUNCTION tenancy.seq_of(uuid), tenancy.blame(text, text) TO rowhouse_app;
GRANT EXECUTE ON FUNCTION tenancy.chains_to_check(), tenancy.check_piece(uuid, bigint, int, bigint),
    tenancy.chains_to_sign(), tenancy.check_chain(int, int) TO rowhouse_auth;

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_owner;

-- Refusals of whoever reached beyond what is theirs in this tenant, or at its
-- door. Nothing of another tenant: what was reached for there is below. No foreign
-- key: whoever locked their tenant's row would hold up what is written of others.
CREATE TABLE denials (
    tenant_id   uuid NOT NULL,
    -- A UUID version 7: of the time at which it was refused.
    id          uuid NOT NULL,
    at          timestamptz NOT NULL,
    actor_kind  text NOT NULL CHECK (actor_kind IN ('user', 'key', 'stranger')),
    actor_id    uuid,
    route       text CHECK (octet_length(route) <= 256),
    reason      text NOT NULL CHECK (octet_length(reason) <= 64),
    status      smallint NOT NULL,
    object_type text CHECK (octet_length(object_type) <= 64),
    object_id   uuid,
    request_id  text NOT NULL CHECK (octet_length(request_id) <= 64),
    address     inet,
    PRIMARY KEY (tenant_id, id)
);

-- Refusals that are no single tenant's matter: of whoever came without one, or
-- reached from one to another. The operator's.
CREATE TABLE platform_denials (
    id          uuid PRIMARY KEY,
    at          timestamptz NOT NULL,
    -- Of the caller's token; it may be erased since.
    tenant_id   uuid,
    -- The tenant that was reached for, as the request named it.
    selected    text CHECK (octet_length(selected) <= 256),
    actor_kind  text NOT NULL CHECK (actor_kind IN ('user', 'key', 'stranger')),
    actor_id    uuid,
    route       text CHECK (octet_length(route) <= 256),
    reason      text NOT NULL CHECK (octet_length(reason) <= 64),
    status      smallint NOT NULL,
    object_type text CHECK (octet_length(object_type) <= 64),
    object_id   uuid,
    request_id  text NOT NULL CHECK (octet_length(request_id) <= 64),
    address     inet
);

-- Who has read what is sensitive; which routes are says the table of routes.
CREATE TABLE reads (
    tenant_id   uuid NOT NULL,
    id          uuid NOT NULL,
    at          timestamptz NOT NULL,
    actor_kind  text NOT NULL CHECK (actor_kind IN ('user', 'key')),
    actor_id    uuid NOT NULL,
    route       text NOT NULL CHECK (octet_length(route) <= 256),
    object_type text CHECK (octet_length(object_type) <= 64),
    object_id   uuid,
    request_id  text NOT NULL CHECK (octet_length(request_id) <= 64),
    address     inet,
    PRIMARY KEY (tenant_id, id)
);

GRANT SELECT, INSERT, DELETE ON denials, platform_denials, reads TO rowhouse_directory;
-- Read by doors, which ask for an admin. They are a trail themselves: no events.
SELECT tenancy.protect('denials', write_role => 'admin', door => 'rowhouse_directory', commands => '{}', audit => false);
SELECT tenancy.protect('reads', write_role => 'admin', door => 'rowhouse_directory', commands => '{}', audit => false);

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_directory;

-- Writing, without a context. Twice the same entry counts once, so that what
-- may have been written can be written again; an entry of a tenant that is
-- gone is the operator's alone. Entries without a tenant name it by slug, or not
-- at all.
CREATE FUNCTION directory.deny(entries jsonb) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH entry AS MATERIALIZED (
        SELECT e.*, coalesce(named.id, known.id) AS found
        FROM jsonb_to_recordset(entries) AS e (
            id uuid, at timestamptz, tenant_id uuid, slug text, selected text, reaches_across boolean,
            actor_kind text, actor_id uuid, route text, reason text, status smallint,
            object_type text, object_id uuid, request_id text, address inet)
        LEFT JOIN public.tenants known ON known.slug = e.slug
        LEFT JOIN public.tenants named ON named.id = e.tenant_id
    ), own AS (
        INSERT INTO public.denials (tenant_id, id, at, actor_kind, actor_id, route, reason, status,
            object_type, object_id, request_id, address)
        SELECT e.found, e.id, e.at, e.actor_kind, e.actor_id, e.route, e.reason, e.status,
            e.object_type, e.object_id, e.request_id, e.address
        FROM entry e WHERE e.found IS NOT NULL
        ON CONFLICT DO NOTHING
    )
    INSERT INTO public.platform_denials (id, at, tenant_id, selected, actor_kind, actor_id, route, reason, status,
        object_type, object_id, request_id, address)
    SELECT e.id, e.at, e.tenant_id, e.selected, e.actor_kind, e.actor_id, e.route, e.reason, e.status,
        e.object_type, e.object_id, e.request_id, e.address
    FROM entry e WHERE e.found IS NULL OR e.reaches_across
    ON CONFLICT DO NOTHING
$$;

-- As deny, of what was read.
CREATE FUNCTION directory.note_reads(entries jsonb) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO public.reads (tenant_id, id, at, actor_kind, actor_id, route, object_type, object_id, request_id,
        address)
    SELECT t.id, e.id, e.at, e.actor_kind, e.actor_id, e.route, e.object_type, e.object_id, e.request_id, e.address
    FROM jsonb_to_recordset(entries) AS e (
        id uuid, at timestamptz, tenant_id uuid, actor_kind text, actor_id uuid, route text,
        object_type text, object_id uuid, request_id text, address inet)
    JOIN public.tenants t ON t.id = e.tenant_id
    ON CONFLICT DO NOTHING
$$;

-- Forgets what is older than these ids, of whatever tenant. Returns how many.
CREATE FUNCTION directory.forget_trail(denials_before uuid, reads_before uuid, most int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    forgotten bigint;
    more      bigint;
BEGIN
    -- From one tenant to the next by the key: one that was just erased may have left some.
    DELETE FROM public.denials WHERE (tenant_id, id) IN (
        WITH RECURSIVE t AS (
            (SELECT i.tenant_id AS id FROM public.denials i ORDER BY i.tenant_id LIMIT 1)
            UNION ALL
            SELECT (SELECT i.tenant_id FROM public.denials i WHERE i.tenant_id > t.id ORDER BY i.tenant_id LIMIT 1)
            FROM t WHERE t.id IS NOT NULL
        )
        SELECT d.tenant_id, d.id FROM t CROSS JOIN LATERAL (
            SELECT * FROM public.denials i WHERE i.tenant_id = t.id AND i.id < denials_before ORDER BY i.id LIMIT most
        ) d LIMIT most);
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    DELETE FROM public.platform_denials WHERE id IN (
        SELECT p.id FROM public.platform_denials p WHERE p.id < denials_before ORDER BY p.id LIMIT most);
    GET DIAGNOSTICS more = ROW_COUNT;
    forgotten := greatest(forgotten, more);
    DELETE FROM public.reads WHERE (tenant_id, id) IN (
        WITH RECURSIVE t AS (
            (SELECT i.tenant_id AS id FROM public.reads i ORDER BY i.tenant_id LIMIT 1)
            UNION ALL
            SELECT (SELECT i.tenant_id FROM public.reads i WHERE i.tenant_id > t.id ORDER BY i.tenant_id LIMIT 1)
            FROM t WHERE t.id IS NOT NULL
        )
        SELECT r.tenant_id, r.id FROM t CROSS JOIN LATERAL (
            SELECT * FROM public.reads i WHERE i.tenant_id = t.id AND i.id < reads_before ORDER BY i.id LIMIT most
        ) r LIMIT most);
    GET DIAGNOSTICS more = ROW_COUNT;
    RETURN greatest(forgotten, more);
END
$$;

-- Reading, inside a context: at most so many of the current tenant's, newest first,
-- with ids from lowest and before the highest. TN008 for whoever is no admin.
CREATE FUNCTION directory.denials(lowest uuid, highest uuid, reason text, most int) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT tenancy.allows('admin') THEN
        PERFORM tenancy.refuse('TN008', 'an admin may see what was denied');
    END IF;
    RETURN (SELECT coalesce(jsonb_agg(to_jsonb(d) ORDER BY d.id DESC), '[]') FROM (
        SELECT i.id, i.at, i.actor_kind, i.actor_id, i.route, i.reason, i.status, i.object_type, i.object_id,
            i.request_id, i.address
        FROM public.denials i
        WHERE i.tenant_id = (SELECT tenancy.current_tenant()) AND i.id >= lowest AND i.id < highest
            AND (denials.reason IS NULL OR i.reason = denials.reason)
        ORDER BY i.id DESC LIMIT most
    ) d);
END
$$;

CREATE FUNCTION directory.reads(lowest uuid, highest uuid, actor uuid, most int) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT tenancy.allows('admin') THEN
        PERFORM tenancy.refuse('TN008', 'an admin may see who has read what');
    END IF;
    RETURN (SELECT coalesce(jsonb_agg(to_jsonb(r) ORDER BY r.id DESC), '[]') FROM (
        SELECT i.id, i.at, i.actor_kind, i.actor_id, i.route, i.object_type, i.object_id, i.request_id, i.address
        FROM public.reads i
        WHERE i.tenant_id = (SELECT tenancy.current_tenant()) AND i.id >= lowest AND i.id < highest
            AND (reads.actor IS NULL OR i.actor_id = reads.actor)
        ORDER BY i.id DESC LIMIT most
    ) r);
END
$$;

-- The operator's, newest first.
CREATE FUNCTION directory.platform_denials(before uuid, most int) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(jsonb_agg(to_jsonb(p) ORDER BY p.id DESC), '[]') FROM (
        SELECT * FROM public.platform_denials i
        WHERE i.id < coalesce(before, 'ffffffff-ffff-ffff-ffff-ffffffffffff') ORDER BY i.id DESC LIMIT most
    ) p
$$;

-- What was written of a tenant goes with it.
CREATE FUNCTION directory.forget_tenant() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM public.denials WHERE tenant_id = OLD.id;
    DELETE FROM public.reads WHERE tenant_id = OLD.id;
    RETURN NULL;
END
$$;
GRANT EXECUTE ON FUNCTION directory.forget_tenant() TO rowhouse_owner;

GRANT EXECUTE ON FUNCTION directory.deny(jsonb), directory.note_reads(jsonb),
    directory.forget_trail(uuid, uuid, int) TO rowhouse_auth;
GRANT EXECUTE ON FUNCTION directory.denials(uuid, uuid, text, int), directory.reads(uuid, uuid, uuid, int)
    TO rowhouse_app;
GRANT EXECUTE ON FUNCTION directory.platform_denials(uuid, int) TO rowhouse_ops;

SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_owner;

CREATE TRIGGER tenants_forget_trail AFTER DELETE ON tenants
    FOR EACH ROW EXECUTE FUNCTION directory.forget_tenant();

SET LOCAL ROLE NONE;

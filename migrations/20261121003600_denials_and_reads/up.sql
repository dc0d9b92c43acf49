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

-- Chains that have grown since they were signed, and where that part of them does
-- not hold: what servers look at before they sign. All of a chain is examined by
-- the administrator's command.
CREATE FUNCTION tenancy.broken_chains() RETURNS TABLE (tenant_id uuid, seq bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT h.tenant_id, min(flaw.seq)
    FROM tenancy.audit_heads h
    CROSS JOIN LATERAL (
        SELECT link.seq FROM (
            SELECT c.*, h.signed_seq + row_number() OVER (ORDER BY c.seq) AS place,
                lag(c.hash) OVER (ORDER BY c.seq) AS prior
            FROM tenancy.audit_chain(h.tenant_id, h.signed_seq, 2147483647) c
        ) link
        WHERE link.state IN ('changed', 'missing') OR link.seq <> link.place
            OR link.hash <> sha256(coalesce(link.prior,
                    (SELECT s.hash FROM tenancy.audit_seals s
                     WHERE s.tenant_id = h.tenant_id AND s.seq = h.signed_seq),
                    sha256(convert_to('rowhouse audit chain 1', 'UTF8') || uuid_send(h.tenant_id)))
                || int8send(link.seq) || uuid_send(link.event_id) || link.commitment)
        UNION ALL
        SELECT h.seq WHERE NOT EXISTS (
            SELECT FROM tenancy.audit_seals s WHERE s.tenant_id = h.tenant_id AND s.seq = h.seq AND s.hash = h.hash)
    ) flaw
    WHERE h.seq > h.signed_seq
    GROUP BY h.tenant_id
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
GRANT EXECUTE ON FUNCTION tenancy.broken_chains(), tenancy.check_chain(int, int) TO rowhouse_auth;

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

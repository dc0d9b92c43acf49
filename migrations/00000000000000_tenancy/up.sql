-- The tenancy kernel: who is asking, and what a tenant table is.
--
-- Everything here belongs to rowhouse_tenancy, the only role that may write
-- the guarded slot. The roles and the schema exist already: bootstrap makes
-- them, because a role is no part of one database's history.

SET LOCAL ROLE rowhouse_tenancy;

-- Keys -----------------------------------------------------------------------

-- The keys under which servers sign their requests, kept as the two padded
-- blocks of HMAC (RFC 2104), so that a check costs two built-in sha256().
CREATE TABLE tenancy.seal_key (
    kid       text PRIMARY KEY CHECK (kid ~ '^[a-z0-9]{1,32}$'),
    ipad      bytea NOT NULL CHECK (octet_length(ipad) = 64),
    opad      bytea NOT NULL CHECK (octet_length(opad) = 64),
    -- The kinds of actor that this key may speak for.
    kinds     text[] NOT NULL DEFAULT '{user,key,job}',
    -- Whether a seal holds for one backend only. Off behind a pooler.
    bind_pid  boolean NOT NULL DEFAULT true,
    -- After this moment the key opens nothing any more. NULL: until removed.
    not_after timestamptz,
    -- Who made it known, and who set its end, as PostgreSQL knows them.
    since      timestamptz NOT NULL DEFAULT now(),
    made_by    text NOT NULL DEFAULT session_user,
    retired_by text
);

-- Errors ---------------------------------------------------------------------

-- Raises one of the TN errors. Diesel shows no SQLSTATE, but it shows the
-- constraint's name: hence the code stands in both.
CREATE FUNCTION tenancy.refuse(code text, message text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = code, CONSTRAINT = code, MESSAGE = message;
END
$$;

-- What current_* answer outside a context: never NULL, never silently empty.
CREATE FUNCTION tenancy.no_context() RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'TN001', CONSTRAINT = 'TN001',
        MESSAGE = 'no tenant context',
        HINT = 'Rows of a tenant are reached through TenantDb::run, which enters a context.';
END
$$;

-- The slot -------------------------------------------------------------------

-- The context lives in backtrace_functions, a core parameter that only a
-- superuser and rowhouse_tenancy can SET (GRANT SET ON PARAMETER), and which
-- is harmless with a value of letters, digits and '_': it names C functions
-- whose errors would be logged with a backtrace. Layout, joined by '_':
--   tenant (32 hex) kind actor session role version request-and-address (hex)
CREATE FUNCTION tenancy.slot() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN current_setting('backtrace_functions') = ''
            THEN tenancy.no_context()
            ELSE current_setting('backtrace_functions') END;

-- What guards the context here; the end of this file says what 'managed' is.
CREATE FUNCTION tenancy.level() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 'full';

-- Whether this transaction is in a context: for triggers that also serve doors
-- and owners, who have none.
CREATE FUNCTION tenancy.has_context() RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN current_setting('backtrace_functions') <> '';

-- The same for tenancy.enter, which must not raise where there is none.
CREATE FUNCTION tenancy.is_entered() RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN current_setting('backtrace_functions') <> '';

-- Writes the context until the transaction ends. Nobody else may call it.
CREATE FUNCTION tenancy.fill_slot(context text) RETURNS text
LANGUAGE sql
RETURN set_config('backtrace_functions', context, true);

-- The tenant whose rows this transaction sees; TN001 outside a context.
CREATE FUNCTION tenancy.current_tenant() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN current_setting('backtrace_functions') = ''
            THEN tenancy.no_context()
            ELSE substr(current_setting('backtrace_functions'), 1, 32) END::uuid;

-- From here on PARALLEL RESTRICTED for the sake of level managed, where a
-- parallel worker cannot tell the context. Only writes and functions ask for it.

-- 'user', 'key', 'job' or 'operator'.
CREATE FUNCTION tenancy.current_kind() RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN split_part(tenancy.slot(), '_', 2);

-- Who acts. For a user: the account's id, without hyphens.
CREATE FUNCTION tenancy.current_actor() RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN split_part(tenancy.slot(), '_', 3);

-- The session through which a user acts; NULL for the other kinds.
CREATE FUNCTION tenancy.current_session() RETURNS uuid
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN nullif(split_part(tenancy.slot(), '_', 4), '')::uuid;

CREATE FUNCTION tenancy.current_role_name() RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN split_part(tenancy.slot(), '_', 5);

CREATE FUNCTION tenancy.current_role_version() RETURNS int
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN split_part(tenancy.slot(), '_', 6)::int;

-- The id of the request that carries this transaction; '' when it has none.
CREATE FUNCTION tenancy.current_request_id() RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN split_part(convert_from(decode(split_part(tenancy.slot(), '_', 7), 'hex'), 'UTF8'), '|', 1);

-- Where the request came from; NULL when nobody knows.
CREATE FUNCTION tenancy.current_address() RETURNS inet
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN nullif(split_part(convert_from(decode(split_part(tenancy.slot(), '_', 7), 'hex'), 'UTF8'), '|', 2), '')::inet;

-- Roles ----------------------------------------------------------------------

-- The order of the base roles; 0 for a word that is none.
CREATE FUNCTION tenancy.role_rank(role text) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE role WHEN 'owner' THEN 4 WHEN 'admin' THEN 3 WHEN 'member' THEN 2 WHEN 'viewer' THEN 1 ELSE 0 END;

-- Whether the current role is at least this one.
CREATE FUNCTION tenancy.allows(needed text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN tenancy.role_rank(tenancy.current_role_name()) >= tenancy.role_rank(needed);

-- The door into a context ----------------------------------------------------

-- Whether this actor may work in this tenant. Raises TN003, TN004, TN005 or
-- TN007 when not. As shipped it allows all whom the seal names: a service
-- with sessions and memberships of its own replaces it.
CREATE FUNCTION tenancy.authorize(kind text, tenant uuid, actor text, session uuid, role text, version int)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN;
END
$$;

-- Opens a context: checks the seal, asks authorize, fills the slot until the
-- transaction ends. Works only in the message that began the transaction.
--   v1|kid|tenant|kind|actor|session|role|version|pid|iat|request|address|mac
-- mac is HMAC-SHA256 in hex over all that stands before its separator.
CREATE FUNCTION tenancy.enter(seal text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part text[] := string_to_array(seal, '|');
    key  tenancy.seal_key;
BEGIN
    IF now() <> statement_timestamp() OR tenancy.is_entered() THEN
        PERFORM tenancy.refuse('TN006', 'a context opens only with its own transaction');
    END IF;
    SELECT * INTO key FROM tenancy.seal_key WHERE kid = part[2];
    IF (FOUND
        AND cardinality(part) = 13
        AND part[1] = 'v1'
        AND part[13] = encode(sha256(key.opad || sha256(key.ipad || convert_to(left(seal, -65), 'UTF8'))), 'hex')
        AND part[4] = ANY (key.kinds)
        AND (NOT key.bind_pid OR part[9] = pg_backend_pid()::text)
        AND part[10]::bigint BETWEEN extract(epoch FROM now())::bigint - 10 AND extract(epoch FROM now())::bigint + 10
        AND (key.not_after IS NULL OR key.not_after > now())) IS NOT TRUE
    THEN
        PERFORM tenancy.refuse('TN002', 'the seal is not valid');
    END IF;
    PERFORM tenancy.authorize(part[4], part[3]::uuid, part[5], nullif(part[6], '')::uuid, part[7], part[8]::int);
    PERFORM tenancy.fill_slot(concat_ws('_',
        replace(part[3], '-', ''), part[4], replace(part[5], '-', ''), replace(part[6], '-', ''), part[7], part[8],
        encode(convert_to(part[11] || '|' || part[12], 'UTF8'), 'hex')));
END
$$;

-- Why enter would refuse a seal; NULL where it would not. Opens nothing, asks
-- authorize nothing and raises nothing: for servers that ask whether they are
-- ready. What enter demands of a seal stands here once more.
CREATE FUNCTION tenancy.seal_flaw(seal text) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN (cardinality(part) = 13 AND part[1] = 'v1') IS NOT TRUE THEN 'form'
        WHEN key.kid IS NULL THEN 'unknown'
        WHEN (part[13] = encode(sha256(key.opad || sha256(key.ipad || convert_to(left(seal, -65), 'UTF8'))), 'hex'))
            IS NOT TRUE THEN 'secret'
        WHEN key.not_after <= now() THEN 'retired'
        WHEN (part[4] = ANY (key.kinds)) IS NOT TRUE THEN 'kind'
        WHEN key.bind_pid AND part[9] <> pg_backend_pid()::text THEN 'backend'
        WHEN part[10]::bigint NOT BETWEEN extract(epoch FROM now())::bigint - 10 AND extract(epoch FROM now())::bigint + 10
            THEN 'clock'
    END
    FROM string_to_array(seal, '|') AS part LEFT JOIN tenancy.seal_key AS key ON key.kid = part[2]
$$;

-- Raises TN006 when something that outlives a transaction was left on this
-- connection: a prepared statement made by SQL, a cursor WITH HOLD, a LISTEN,
-- a temporary schema.
CREATE FUNCTION tenancy.assert_clean() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF pg_my_temp_schema() <> 0
        OR EXISTS (SELECT FROM pg_prepared_statements WHERE from_sql)
        OR EXISTS (SELECT FROM pg_cursors WHERE is_holdable)
        OR EXISTS (SELECT FROM pg_listening_channels())
    THEN
        PERFORM tenancy.refuse('TN006', 'something was left behind on this connection');
    END IF;
END
$$;

-- Tenant tables --------------------------------------------------------------

-- Speaks up where a policy would only hide rows: a role that may not write
-- gets TN008, also when its statement would have matched nothing. Writes
-- without a context are left to the policies, a door to its own function.
CREATE FUNCTION tenancy.guard_write() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF tenancy.has_context()
        AND current_user <> TG_ARGV[1]
        AND NOT tenancy.allows(TG_ARGV[0])
    THEN
        PERFORM tenancy.refuse('TN008',
            format('role %s may not write to %s', tenancy.current_role_name(), TG_TABLE_NAME));
    END IF;
    RETURN NULL;
END
$$;

-- Keeps what ANALYZE finds in a table out of the planner's statistics, which
-- EXPLAIN shows of all tenants at once, and forgets what it found before.
CREATE FUNCTION tenancy.blind_statistics(target regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted text;
BEGIN
    SELECT string_agg(format('%I.%I', n.nspname, e.stxname), ', ') INTO wanted
    FROM pg_statistic_ext e JOIN pg_namespace n ON n.oid = e.stxnamespace WHERE e.stxrelid = target;
    IF wanted IS NOT NULL THEN
        RAISE EXCEPTION 'protect: % has extended statistics, which tell of all tenants: drop %', target, wanted;
    END IF;
    -- A column that is given the type that it has forgets its statistics, and
    -- indexes on it theirs; no row is written. Never analyzed, it has none.
    SELECT string_agg(concat(
        CASE WHEN c.reltuples <> -1 THEN format('ALTER COLUMN %I TYPE %s%s, ', a.attname,
            format_type(a.atttypid, a.atttypmod),
            (SELECT format(' COLLATE %I.%I', n.nspname, l.collname) FROM pg_collation l
                JOIN pg_namespace n ON n.oid = l.collnamespace WHERE l.oid = a.attcollation)) END,
        format('ALTER COLUMN %I SET STATISTICS 0', a.attname)), ', ' ORDER BY a.attnum) INTO wanted
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE a.attrelid = target AND a.attnum > 0 AND NOT a.attisdropped;
    EXECUTE format('ALTER TABLE %s %s', target, wanted);
    FOR wanted IN
        SELECT format('ALTER INDEX %s ALTER COLUMN %s SET STATISTICS 0', i.indexrelid::regclass, a.attnum)
        FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indexrelid
        WHERE i.indrelid = target AND i.indkey[a.attnum - 1] = 0
    LOOP
        EXECUTE wanted;
    END LOOP;
END
$$;

-- Makes a table a tenant table. Idempotent: after ADD COLUMN, call it again.
--   write_role      least role that may write
--   door            a role whose functions serve without a context; it is
--                   exempt from the guard, and has a policy of its own
--   tenant_column   the column that names the tenant
--   commands        what the application may do
--   update_columns  the columns that it may change; NULL: all but tenant_column
--   app_role        the role that TenantDb logs in as
--   blind_statistics  whether the planner is to know nothing of its values:
--                   no EXPLAIN tells of neighbours, but plans get worse
--   audit           whether each change leaves an event, see 0001_audit
--   redact          columns whose values no event shows
--   unaudited       columns whose change alone leaves no event
CREATE FUNCTION tenancy.protect(
    target         regclass,
    write_role     text DEFAULT 'member',
    door           name DEFAULT NULL,
    tenant_column  name DEFAULT 'tenant_id',
    commands       text[] DEFAULT '{select,insert,update,delete}',
    update_columns name[] DEFAULT NULL,
    app_role       name DEFAULT 'rowhouse_app',
    blind_statistics boolean DEFAULT false,
    audit          boolean DEFAULT true,
    redact         name[] DEFAULT '{}',
    unaudited      name[] DEFAULT '{}'
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- A row that was locked is checked anew, and then PostgreSQL evaluates
    -- every sub-SELECT, those of the branches not taken too: for the door,
    -- which has no context, they must not raise.
    served  text := CASE WHEN door IS NULL THEN '%s' ELSE format('CASE WHEN current_user <> %L THEN %%s END', door) END;
    ours    text := format('%I = (SELECT %s)', tenant_column, format(served, 'tenancy.current_tenant()'));
    writes  text := format('%s AND (SELECT %s)', ours, format(served, format('tenancy.allows(%L)', write_role)));
    guard   text := ours;
    policy  name;
    command text;
BEGIN
    IF tenancy.role_rank(write_role) = 0 THEN
        RAISE EXCEPTION 'protect: % is no role; use viewer, member, admin or owner', write_role;
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = target AND attname = tenant_column AND NOT attisdropped
            AND attnotnull AND atttypid = 'uuid'::regtype
    ) THEN
        RAISE EXCEPTION 'protect: % needs a column "%" of type uuid, NOT NULL', target, tenant_column;
    END IF;
    IF door IS NOT NULL THEN
        guard := format('CASE WHEN current_user = %L THEN true ELSE %s END', door, ours);
    END IF;

    FOR policy IN SELECT polname FROM pg_policy WHERE polrelid = target AND polname LIKE 'tenancy\_%' LOOP
        EXECUTE format('DROP POLICY %I ON %s', policy, target);
    END LOOP;
    IF blind_statistics THEN
        PERFORM tenancy.blind_statistics(target);
    END IF;
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
    EXECUTE format('REVOKE ALL ON %s FROM PUBLIC, %I', target, app_role);
    EXECUTE format('CREATE POLICY tenancy_guard ON %s AS RESTRICTIVE FOR ALL TO PUBLIC USING (%s) WITH CHECK (%s)',
        target, guard, guard);
    IF door IS NOT NULL THEN
        EXECUTE format('CREATE POLICY tenancy_door ON %s FOR ALL TO %I USING (true) WITH CHECK (true)', target, door);
    END IF;

    FOREACH command IN ARRAY commands LOOP
        CASE command
            WHEN 'select' THEN
                EXECUTE format('CREATE POLICY tenancy_select ON %s FOR SELECT TO PUBLIC USING (%s)', target, ours);
            WHEN 'insert' THEN
                EXECUTE format('CREATE POLICY tenancy_insert ON %s FOR INSERT TO PUBLIC WITH CHECK (%s)', target, writes);
            WHEN 'update' THEN
                EXECUTE format('CREATE POLICY tenancy_update ON %s FOR UPDATE TO PUBLIC USING (%s) WITH CHECK (%s)',
                    target, writes, writes);
            WHEN 'delete' THEN
                EXECUTE format('CREATE POLICY tenancy_delete ON %s FOR DELETE TO PUBLIC USING (%s)', target, writes);
            ELSE
                RAISE EXCEPTION 'protect: % is no command; use select, insert, update, delete', command;
        END CASE;
        IF command = 'update' THEN
            EXECUTE format('GRANT UPDATE (%s) ON %s TO %I', (
                SELECT string_agg(format('%I', attname), ', ' ORDER BY attnum)
                FROM pg_attribute
                WHERE attrelid = target AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
                    AND attname <> tenant_column
                    AND (update_columns IS NULL OR attname = ANY (update_columns))
            ), target, app_role);
        ELSE
            EXECUTE format('GRANT %s ON %s TO %I', command, target, app_role);
        END IF;
    END LOOP;

    -- Where it may write nothing at all, its rights say so already.
    IF commands && '{insert,update,delete}' THEN
        EXECUTE format('CREATE OR REPLACE TRIGGER tenancy_guard_write BEFORE INSERT OR UPDATE OR DELETE ON %s
            FOR EACH STATEMENT EXECUTE FUNCTION tenancy.guard_write(%L, %L)', target, write_role, coalesce(door, ''));
    ELSIF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = target AND tgname = 'tenancy_guard_write') THEN
        EXECUTE format('DROP TRIGGER tenancy_guard_write ON %s', target);
    END IF;
    PERFORM tenancy.audit(target, tenant_column, audit, redact, unaudited);
END
$$;

-- Who may call what. PUBLIC may nothing: bootstrap took that away.
GRANT USAGE ON SCHEMA tenancy TO rowhouse_owner, rowhouse_app;
GRANT EXECUTE ON FUNCTION tenancy.enter(text), tenancy.seal_flaw(text), tenancy.assert_clean() TO rowhouse_app;
GRANT EXECUTE ON FUNCTION
    tenancy.refuse(text, text), tenancy.no_context(), tenancy.slot(), tenancy.level(), tenancy.has_context(),
    tenancy.current_tenant(), tenancy.current_kind(), tenancy.current_actor(), tenancy.current_session(),
    tenancy.current_role_name(), tenancy.current_role_version(), tenancy.current_request_id(),
    tenancy.current_address(), tenancy.role_rank(text), tenancy.allows(text), tenancy.guard_write()
    TO rowhouse_owner, rowhouse_app;
GRANT EXECUTE ON FUNCTION tenancy.protect(regclass, text, name, name, text[], name[], name, boolean, boolean, name[], name[]),
    tenancy.blind_statistics(regclass) TO rowhouse_owner;

-- Level managed --------------------------------------------------------------

-- Where no superuser could grant the slot, the context lies in tenancy.context,
-- a setting that everybody may SET. So it is a token: the same fields, and a MAC
-- over them, the backend and the moment at which the transaction began. Only
-- tenancy.enter makes one, and one that another session or an earlier
-- transaction had is refused.
DO $level$
BEGIN
    IF has_parameter_privilege('rowhouse_tenancy', 'backtrace_functions', 'SET') THEN
        RETURN;
    END IF;
    EXECUTE $managed$
-- The key of the tokens, one row, kept as the two padded blocks of HMAC. It is
-- made here and leaves the database in a backup only.
CREATE TABLE tenancy.context_key (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    ipad     bytea NOT NULL CHECK (octet_length(ipad) = 64),
    opad     bytea NOT NULL CHECK (octet_length(opad) = 64)
);

-- Makes the key anew, as after a backup got into wrong hands. Transactions that
-- are open at that moment fail with TN002.
CREATE FUNCTION tenancy.renew_context_key() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- Each id brings 122 bits of the server's strong randomness.
    key  bytea := sha256(convert_to(concat(gen_random_uuid(), gen_random_uuid(), gen_random_uuid()), 'UTF8'));
    pad  bytea := key || decode(repeat('00', 32), 'hex');
    ipad bytea := pad;
    opad bytea := pad;
BEGIN
    FOR i IN 0..63 LOOP
        ipad := set_byte(ipad, i, get_byte(pad, i) # 54);
        opad := set_byte(opad, i, get_byte(pad, i) # 92);
    END LOOP;
    INSERT INTO tenancy.context_key AS k (ipad, opad) VALUES (ipad, opad)
    ON CONFLICT (only_one) DO UPDATE SET ipad = EXCLUDED.ipad, opad = EXCLUDED.opad;
END
$$;

-- HMAC-SHA256 over the backend, the beginning of its transaction in
-- microseconds, and a context. A parallel worker is another backend: hence
-- whatever calls this is PARALLEL RESTRICTED.
CREATE FUNCTION tenancy.context_mac(ipad bytea, opad bytea, context text) RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN encode(sha256(opad || sha256(ipad || convert_to(
    concat_ws('|', pg_backend_pid(), extract(epoch FROM now()), context), 'UTF8'))), 'hex');

CREATE OR REPLACE FUNCTION tenancy.level() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 'managed';

-- The context, once its MAC holds. What is compared are digests, so that the
-- time it takes says nothing about the MAC that would be right.
CREATE OR REPLACE FUNCTION tenancy.slot() RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    token   text := coalesce(current_setting('tenancy.context', true), '');
    context text := left(token, -65);
    key     tenancy.context_key;
BEGIN
    IF token = '' THEN
        RETURN tenancy.no_context();
    END IF;
    SELECT * INTO key FROM tenancy.context_key;
    IF (sha256(convert_to(token, 'UTF8')) = sha256(convert_to(
        context || '_' || tenancy.context_mac(key.ipad, key.opad, context), 'UTF8'))) IS NOT TRUE
    THEN
        PERFORM tenancy.refuse('TN002', 'the tenant context is not of this transaction');
    END IF;
    RETURN context;
END
$$;

CREATE OR REPLACE FUNCTION tenancy.current_tenant() RETURNS uuid
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN substr(tenancy.slot(), 1, 32)::uuid;

-- A setting can be emptied and filled again inside of one statement. So no
-- context is no excuse for a session of the application, which has no other
-- business than in a context; and the session's role cannot be changed.
CREATE OR REPLACE FUNCTION tenancy.has_context() RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF coalesce(current_setting('tenancy.context', true), '') <> ''
        OR has_function_privilege(session_user, 'tenancy.enter(text)', 'EXECUTE')
            AND NOT pg_has_role(session_user, 'rowhouse_tenancy', 'MEMBER')
    THEN
        RETURN tenancy.slot() <> '';
    END IF;
    RETURN false;
END
$$;

-- What somebody left in the setting is no context, and keeps nobody out.
CREATE OR REPLACE FUNCTION tenancy.is_entered() RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF coalesce(current_setting('tenancy.context', true), '') = '' THEN
        RETURN false;
    END IF;
    RETURN tenancy.slot() <> '';
EXCEPTION WHEN SQLSTATE 'TN002' THEN
    RETURN false;
END
$$;

CREATE OR REPLACE FUNCTION tenancy.fill_slot(context text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    key tenancy.context_key;
BEGIN
    SELECT * INTO STRICT key FROM tenancy.context_key;
    RETURN set_config('tenancy.context',
        context || '_' || tenancy.context_mac(key.ipad, key.opad, context), true);
END
$$;
$managed$;
    PERFORM tenancy.renew_context_key();
END
$level$;

SET LOCAL ROLE NONE;

DO $$
BEGIN
    RAISE NOTICE 'tenancy.authorize allows every actor whom a valid seal names; replace it to check sessions and memberships';
END
$$;

#!/usr/bin/env bash
# What a sealed context costs over a plain setting, per transaction, and where it goes: CPU time of
# the backend, as Linux counts it, and the rate. Each case runs in turn, several rounds, so that
# whatever else the machine does meets them all; told are the median of the rounds and their range.
#   tests/bench/overhead.sh MIGRATE [ROUNDS [TRANSACTIONS]]
# MIGRATE is the binary rowhouse-migrate. Runs a cluster of its own, in a folder that is removed, for
# a minute or two. Prints the tables of docs/overhead.md.
set -euo pipefail
migrate=$(realpath "$1") rounds=${2:-9} transactions=${3:-8000}
. "$(dirname "$(realpath "$0")")/cluster.sh" -c fsync=off

# Two thousand tenants with twenty projects each, and a second table with the same rows under a policy
# that reads a plain setting.
tenant=00000000-0000-4000-8000-000000000001
project=10000000-0000-4000-8000-000000000001
account=20000000-0000-4000-8000-000000000001
session=40000000-0000-4000-8000-000000000001
"$bin/psql" -qX -v ON_ERROR_STOP=1 <<SQL
SET session_replication_role = replica;
INSERT INTO tenants (id, slug, subdomain, name)
    SELECT format('00000000-0000-4000-8000-%s', lpad(t::text, 12, '0'))::uuid, 'tenant-' || t, 'tenant-' || t, 'T'
    FROM generate_series(1, 2000) t;
INSERT INTO projects (tenant_id, id, name, owner_id)
    SELECT format('00000000-0000-4000-8000-%s', lpad(t::text, 12, '0'))::uuid,
        format('10000000-0000-4000-8000-%s', lpad(n::text, 12, '0'))::uuid, 'P' || n, gen_random_uuid()
    FROM generate_series(1, 2000) t, generate_series(1, 20) n;
INSERT INTO tenancy.tenant (id, status) SELECT id, status FROM tenants ON CONFLICT DO NOTHING;
INSERT INTO tenancy.member (tenant, account, member, role, version, live)
    SELECT id, '$account', gen_random_uuid(), 'owner', 0, true FROM tenants;
INSERT INTO tenancy.session (id, account, tenant, live) SELECT gen_random_uuid(), '$account', id, true FROM tenants;
INSERT INTO tenancy.session (id, account, tenant, live) VALUES ('$session', '$account', '$tenant', true);
RESET session_replication_role;
CREATE TABLE plain (LIKE projects INCLUDING ALL);
INSERT INTO plain (tenant_id, id, name, owner_id) SELECT tenant_id, id, name, owner_id FROM projects;
ALTER TABLE plain ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON plain USING (tenant_id = (SELECT current_setting('app.tenant')::uuid));
GRANT SELECT ON plain TO rowhouse_app;
CREATE FUNCTION slot_only(value text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
    'BEGIN PERFORM set_config(''backtrace_functions'', value, true); END';
ALTER FUNCTION slot_only(text) OWNER TO rowhouse_tenancy;
GRANT EXECUTE ON FUNCTION slot_only(text) TO rowhouse_app;
-- A key of 32 times 'k', whose seals hold for any backend: pgbench knows no pid.
INSERT INTO tenancy.seal_key (kid, ipad, opad, bind_pid)
    VALUES ('bench', decode(repeat('5d', 32) || repeat('36', 32), 'hex'), decode(repeat('37', 32) || repeat('5c', 32), 'hex'), false);
SQL
"$bin/psql" -qX -v ON_ERROR_STOP=1 -c 'VACUUM ANALYZE'
# The same without a question about sessions and members.
"$bin/createdb" --template rowhouse allowing
"$bin/psql" -qX -v ON_ERROR_STOP=1 allowing <<SQL
CREATE OR REPLACE FUNCTION tenancy.authorize(kind text, tenant uuid, actor text, session uuid, role text, version int)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN; END';
SQL
for database in rowhouse allowing; do
    "$bin/psql" -qX -c "ALTER ROLE rowhouse_app IN DATABASE $database SET plan_cache_mode = force_generic_plan"
done

# A seal is good for ten seconds: made anew for each run.
seal() {
    local text
    text="v1|bench|$tenant|user|$account|$session|owner|0|0|$(date +%s)|bench|127.0.0.1"
    printf '%s|%s' "$text" "$(printf %s "$text" | openssl dgst -sha256 -hmac "$(printf 'k%.0s' {1..32})" -r | cut -d' ' -f1)"
}
slot="${tenant//-/}_user_${account//-/}_${session//-/}_owner_0_62656e63687c3132372e302e302e31"
read_of() { echo "SELECT name FROM $1 WHERE tenant_id = '$tenant' AND id = '$project';"; }
resets='RESET ROLE \; RESET ALL \; '
cases=(begin setting resets slot mac enter)
declare -A told=(
    [begin]='`BEGIN`, a read of a table without policies, `COMMIT`'
    [setting]='+ a plain setting and the policy that reads it'
    [resets]='+ `RESET ROLE; RESET ALL`'
    [slot]='the guarded slot instead, filled by a definer function, and the policies of `protect`'
    [mac]='+ the seal: parsed, its key looked up, MAC, age'
    [enter]='+ `authorize`: session, tenant, member: all of `enter`'
)
script() {
    local set="SELECT set_config('app.tenant', '$tenant', true);"
    case $1 in
    begin) printf '%s\n' 'BEGIN;' "$(read_of bare)" 'COMMIT;' ;;
    setting) printf '%s\n' "BEGIN \\; $set" "$(read_of plain)" 'COMMIT;' ;;
    resets) printf '%s\n' "$resets BEGIN \\; $set" "$(read_of plain)" 'COMMIT;' ;;
    slot) printf '%s\n' "$resets BEGIN \\; SELECT slot_only('$slot');" "$(read_of projects)" 'COMMIT;' ;;
    mac | enter) printf '%s\n' "$resets BEGIN \\; SELECT tenancy.enter('$(seal)');" "$(read_of projects)" 'COMMIT;' ;;
    esac
}
for database in rowhouse allowing; do
    "$bin/psql" -qX "$database" -c 'CREATE TABLE bare (LIKE projects INCLUDING ALL)' \
        -c 'INSERT INTO bare (tenant_id, id, name, owner_id) SELECT tenant_id, id, name, owner_id FROM projects' \
        -c 'GRANT SELECT ON bare TO rowhouse_app' -c 'VACUUM ANALYZE bare'
done

for _ in $(seq "$rounds"); do
    for case in "${cases[@]}"; do
        database=rowhouse
        if [ "$case" = mac ]; then database=allowing; fi
        script "$case" >"$home/script"
        figures=$(PGUSER=rowhouse_app run -t "$transactions" -f "$home/script" "$database")
        echo "$case $figures" >>"$home/results"
    done
done

echo "| transaction | CPU of the backend, us | range | per second | range |"
echo "|---|---|---|---|---|"
for case in "${cases[@]}"; do
    cpu=$(awk -v c="$case" -v n="$transactions" '$1 == c { print $2 / n }' "$home/results" | median 1)
    rate=$(awk -v c="$case" '$1 == c { print $3 }' "$home/results" | median 1)
    echo "| ${told[$case]} | $cpu | $rate |"
done

# The pieces alone, thousands of times inside one statement or loop: warm, without what a first call in
# a transaction costs.
echo
echo "| piece, warm | us | range |"
echo "|---|---|---|"
piece() {
    for _ in $(seq "$rounds"); do
        "$bin/psql" -qXAt rowhouse <<SQL
SET client_min_messages = warning;
SET plan_cache_mode = force_generic_plan;
CREATE OR REPLACE FUNCTION pg_temp.piece() RETURNS float LANGUAGE plpgsql AS \$\$
DECLARE
    began timestamptz; part text[]; key tenancy.seal_key; seal text := '$(seal)'; bare float; ok boolean;
BEGIN
    part := string_to_array(seal, '|');
    SELECT * INTO key FROM tenancy.seal_key WHERE kid = part[2];
    began := clock_timestamp();
    FOR i IN 1..20000 LOOP END LOOP;
    bare := extract(epoch FROM clock_timestamp() - began);
    began := clock_timestamp();
    FOR i IN 1..20000 LOOP $2 END LOOP;
    RETURN (extract(epoch FROM clock_timestamp() - began) - bare) * 1000000 / 20000;
END \$\$;
SELECT pg_temp.piece();
SQL
    done | median 1 | sed "s/^/| $1 | /; s/\$/ |/"
}
piece 'the seal taken apart' "part := string_to_array(seal, '|');"
piece 'its key looked up' 'SELECT * INTO key FROM tenancy.seal_key WHERE kid = part[2];'
piece 'MAC' "ok := part[13] = encode(sha256(key.opad || sha256(key.ipad || convert_to(left(seal, -65), 'UTF8'))), 'hex');"
piece '`authorize`' "PERFORM tenancy.authorize('user', '$tenant', '$account', '$session', 'owner', 0);"
piece 'the slot filled' "PERFORM set_config('backtrace_functions', '$slot', true);"

#!/usr/bin/env bash
# What an event costs a write: the same UPDATE of one row in a transaction of its own, with the
# trigger of the audit trail and without, in turn, several rounds. Told are the CPU time of the
# backend, as Linux counts it, and pgbench's rate of one client; median and range.
#   tests/bench/audit.sh MIGRATE [ROUNDS [TRANSACTIONS]]
# MIGRATE is the binary rowhouse-migrate. Runs a cluster of its own, in a folder that is removed.
# Prints the table of docs/audit.md.
set -euo pipefail
migrate=$(realpath "$1") rounds=${2:-9} transactions=${3:-4000}
bin=${ROWHOUSE_PG_BINDIR:-$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)}
home=$(mktemp -d)
chmod 755 "$home"
mkdir "$home/cluster"
as_postgres=()
if [ "$(id -u)" = 0 ]; then
    chown postgres "$home/cluster"
    as_postgres=(setpriv --reuid=postgres --regid=postgres --clear-groups)
fi
cd /
"${as_postgres[@]}" "$bin/initdb" -D "$home/cluster/data" -U postgres --auth=trust --no-locale --encoding=UTF8 >/dev/null
"${as_postgres[@]}" "$bin/pg_ctl" -D "$home/cluster/data" -w -l "$home/cluster/log" \
    -o "-k $home/cluster -c listen_addresses='' -c fsync=${FSYNC:-off} -c autovacuum=off" start >/dev/null
trap '"${as_postgres[@]}" "$bin/pg_ctl" -D "$home/cluster/data" -m immediate stop >/dev/null; rm -rf "$home"' EXIT
export PGHOST=$home/cluster PGUSER=postgres PGDATABASE=rowhouse
"$bin/createdb" rowhouse
cd "$home"
ROWHOUSE_HOME=$home/rowhouse DATABASE_URL="postgresql://postgres@/rowhouse?host=$PGHOST" "$migrate" up >/dev/null

tenant=018f0000-0000-7000-8000-00000000000a
row=018f0000-0000-7000-8000-0000000000f1
"$bin/psql" -q <<SQL
INSERT INTO tenants (id, slug, subdomain, name) VALUES ('$tenant', 'acme', 'acme', 'Acme');
INSERT INTO accounts (id, email, full_name) VALUES ('$row', 'a@acme.example', 'A');
INSERT INTO memberships (tenant_id, id, account_id, email, full_name, role)
    VALUES ('$tenant', '$row', '$row', 'a@acme.example', 'A', 'owner');
INSERT INTO projects (tenant_id, id, name, owner_id) VALUES ('$tenant', '$row', 'Atlas', '$row');
SQL
# The slot as tenancy.enter leaves it, which costs the same with and without.
slot="${tenant//-/}_user_${row//-/}_${row//-/}_owner_0_$(printf 'request|203.0.113.9' | od -An -tx1 | tr -d ' \n')"
cat >change.sql <<SQL
BEGIN;
SELECT set_config('backtrace_functions', '$slot', true);
SET LOCAL ROLE rowhouse_app;
UPDATE projects SET name = 'Atlas ' || random(), version = version + 1, updated_at = now()
    WHERE tenant_id = '$tenant' AND id = '$row';
COMMIT;
SQL
# One client's connection says at its end how much CPU time it took, in hundredths of a second.
round() { # label
    "$bin/psql" -qc "VACUUM projects"
    local before after rate
    before=$(cpu)
    rate=$("$bin/pgbench" -n -M prepared -c 1 -t "$transactions" -f change.sql 2>/dev/null | sed -n 's/^tps = \([0-9.]*\).*/\1/p')
    # It counts once the backend is gone.
    until after=$(cpu) && [ "$after" != "$before" ]; do :; done
    echo "$1 $(awk -v b="$before" -v a="$after" -v n="$transactions" 'BEGIN {print (a - b) * 10000 / n}') $rate" >>figures
}
# Of all backends that have ended: their parent has the sum.
cpu() {
    awk '{sub(/.*\) /, ""); print $14 + $15}' "/proc/$(head -1 "$home/cluster/data/postmaster.pid")/stat"
}
for _ in $(seq "$rounds"); do
    "$bin/psql" -qc "ALTER TABLE projects DISABLE TRIGGER tenancy_audit"
    round without
    "$bin/psql" -qc "ALTER TABLE projects ENABLE ALWAYS TRIGGER tenancy_audit"
    round with
done
echo "| the change | CPU of the backend, us | range | per second | range |"
echo "|---|---|---|---|---|"
for label in without with; do
    told=""
    for column in 2 3; do
        told+=$(awk -v l="$label" -v c="$column" '$1 == l {print $c}' figures | sort -n |
            awk '{v[NR] = $1} END {printf " %.0f | %.0f-%.0f |", v[int((NR + 1) / 2)], v[1], v[NR]}')
    done
    echo "| $label its event |$told"
done

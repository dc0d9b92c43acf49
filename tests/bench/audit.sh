#!/usr/bin/env bash
# What an event costs a write: the same UPDATE of one row in a transaction of its own, with the
# trigger of the audit trail and without, in turn, several rounds. Told are the CPU time of the
# backend, as Linux counts it, and pgbench's rate of one client; median and range.
#   tests/bench/audit.sh MIGRATE [ROUNDS [TRANSACTIONS]]
# MIGRATE is the binary rowhouse-migrate. Runs a cluster of its own, in a folder that is removed.
# Prints the table of docs/audit.md.
set -euo pipefail
migrate=$(realpath "$1") rounds=${2:-9} transactions=${3:-4000}
. "$(dirname "$(realpath "$0")")/cluster.sh" -c fsync="${FSYNC:-off}"

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
round() { # label
    "$bin/psql" -qc "VACUUM projects"
    local figures
    figures=$(run -M prepared -t "$transactions" -f change.sql)
    echo "$1 $figures" >>figures
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
    cpu=$(awk -v l="$label" -v n="$transactions" '$1 == l { print $2 / n }' figures | median 0)
    rate=$(awk -v l="$label" '$1 == l { print $3 }' figures | median 0)
    echo "| $label its event | $cpu | $rate |"
done

#!/usr/bin/env bash
# Cold start to the first answered request, and resident memory, of the release build, five times
# each: on an empty home folder (initdb, migrations, demo tenants) and on one that is there.
# Usage: tests/bench/figures.sh [path to rowhouse-server]
set -euo pipefail
. "$(dirname "$(realpath "$0")")/server.sh"

once() { # home -> "milliseconds kilobytes"
  local begun=$EPOCHREALTIME ended
  start ROWHOUSE_HOME="$1"
  ended=$EPOCHREALTIME
  echo "$(((${ended/./} - ${begun/./}) / 1000)) $(awk '/VmRSS/ {print $2}' /proc/$pid/status)"
  stop
}

summary() { # name, then lines on standard input
  sort -n | awk -v name="$1" '{ms[NR] = $1; kb[NR] = $2}
    END {printf "%-34s %5d ms (%d to %d), %d MiB resident\n", name, ms[int((NR + 1) / 2)], ms[1], ms[NR], kb[NR] / 1024}'
}

for number in 1 2 3 4 5; do once "$folder/home-$number"; done | summary "start on an empty home folder"
for _ in 1 2 3 4 5; do once "$folder/home-1"; done | summary "start on a home that is there"

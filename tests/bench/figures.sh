#!/usr/bin/env bash
# Cold start to the first answered request, and resident memory, of the release build, five times
# each: on an empty home folder (initdb, migrations, demo tenants) and on one that is there.
# Usage: tests/bench/figures.sh [path to rowhouse-server]
set -euo pipefail
server=${1:-target/release/rowhouse-server}
folder=$(mktemp -d /tmp/rowhouse-figures-XXXXXX)
chmod 711 "$folder"
trap 'rm -rf "$folder"' EXIT
port=18123

once() { # home -> "milliseconds kilobytes"
  local begun=$EPOCHREALTIME pid
  ROWHOUSE_HOME=$1 PORT=$port RUST_LOG=error "$server" >/dev/null &
  pid=$!
  until curl -fs -o /dev/null "http://127.0.0.1:$port/health/ready"; do
    kill -0 $pid || exit 1
  done
  local ended=$EPOCHREALTIME
  echo "$(((${ended/./} - ${begun/./}) / 1000)) $(awk '/VmRSS/ {print $2}' /proc/$pid/status)"
  kill $pid
  wait $pid
}

summary() { # name, then lines on standard input
  sort -n | awk -v name="$1" '{ms[NR] = $1; kb[NR] = $2}
    END {printf "%-34s %5d ms (%d to %d), %d MiB resident\n", name, ms[int((NR + 1) / 2)], ms[1], ms[NR], kb[NR] / 1024}'
}

for number in 1 2 3 4 5; do once "$folder/home-$number"; done | summary "start on an empty home folder"
for _ in 1 2 3 4 5; do once "$folder/home-1"; done | summary "start on a home that is there"

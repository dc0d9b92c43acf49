#!/usr/bin/env bash
# What rate limits cost, and what a company notices of a neighbour that asks far too often, on the
# release build: CPU of the server's process a request without limits, in process and through Redis;
# then how long the neighbour waits. Needs wrk, curl and redis-server. Figures: docs/rate-limits.md.
# Usage: tests/bench/rate-limits.sh [path to rowhouse-server]
set -euo pipefail
. "$(dirname "$(realpath "$0")")/server.sh"
for program in wrk curl redis-server "$server"; do
  command -v "$program" >/dev/null || { echo "$program is missing" >&2; exit 2; }
done
redis-server --port 0 --unixsocket "$folder/redis.sock" --save '' --dir "$folder" >/dev/null &
redis=$!
trap 'stop; kill "$redis"; wait "$redis" || true; rm -rf "$folder"' EXIT
path=/api/v1/projects

token() { # login of a demo company
  curl -fsS "$url/api/v1/auth/login" -H 'content-type: application/json' \
    -d "{\"email\":\"owner@$1.example\",\"password\":\"demo-rowhouse-2026\"}" |
    sed -E 's/.*"access_token":"([^"]*)".*/\1/'
}

cpu() { # of the server so far, in microseconds
  awk -v hz="$(getconf CLK_TCK)" '{print ($14 + $15) * 1000000 / hz}' /proc/$pid/stat
}

tiers() { # per minute, burst
  for tier in FREE BASIC PREMIUM ENTERPRISE; do
    echo "ROWHOUSE__TIERS__${tier}__RATE_LIMIT_PER_MINUTE=$1 ROWHOUSE__TIERS__${tier}__RATE_LIMIT_BURST=$2"
  done
}

cost() { # name, settings
  local name=$1 before requests
  shift
  start ROWHOUSE_HOME="$folder/home" "$@"
  local bearer
  bearer=$(token aliki-farms)
  wrk -t1 -c8 -d2 -H "authorization: Bearer $bearer" "$url$path" >/dev/null
  before=$(cpu)
  requests=$(wrk -t1 -c8 -d10 -H "authorization: Bearer $bearer" "$url$path" |
    awk '/requests in/ {print $1} /Non-2xx/ {print "not all were served: " $0 > "/dev/stderr"}')
  awk -v name="$name" -v cpu="$(($(cpu | cut -d. -f1) - ${before%.*}))" -v n="$requests" \
    'BEGIN {printf "%-34s %7.1f us of CPU a request, %6.0f requests/s\n", name, cpu / n, n / 10}'
  stop
}

neighbour() { # name, connections of the loud company, settings
  local name=$1 loud=$2 quiet hammer= bearer
  shift 2
  start ROWHOUSE_HOME="$folder/home" "$@"
  quiet=$(token aliki-farms) bearer=$(token dunder-mifflin)
  if [ "$loud" != 0 ]; then
    wrk -t1 -c"$loud" -d15 -H "authorization: Bearer $bearer" "$url$path" >/dev/null &
    hammer=$!
    sleep 1
  fi
  for _ in $(seq 60); do
    curl -fsS -o /dev/null -w '%{time_total}\n' -H "authorization: Bearer $quiet" "$url$path"
    sleep 0.2
  done | sort -n | awk -v name="$name" '{ms[NR] = $1 * 1000}
    END {printf "%-34s %6.2f ms median, %6.2f ms p95\n", name, ms[int((NR + 1) / 2)], ms[int(NR * 0.95)]}'
  if [ -n "$hammer" ]; then wait "$hammer"; fi
  stop
}

mapfile -t many < <(tiers 60000000 1000000 | tr ' ' '\n')
mapfile -t usual < <(tiers 300 100 | tr ' ' '\n')
cost "no limits" ROWHOUSE__RATE_LIMIT__ENABLED=false
cost "in process" "${many[@]}"
cost "through Redis" "${many[@]}" REDIS_URL="redis+unix://$folder/redis.sock"
neighbour "neighbour alone" 0 "${usual[@]}"
neighbour "beside a loud one, with limits" 32 "${usual[@]}"
neighbour "beside a loud one, without" 32 ROWHOUSE__RATE_LIMIT__ENABLED=false

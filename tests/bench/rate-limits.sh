#!/usr/bin/env bash
# What rate limits cost, and what a company notices of a neighbour that asks far too often.
#   tests/bench/rate-limits.sh [SERVER [ROUNDS [SECONDS]]]
# SERVER is the binary rowhouse-server, of the release build unless it is said. All servers run at once,
# on one database, and are asked in turn, several rounds, so that whatever else the machine does meets
# them all; told are the median of the rounds and their range. Needs wrk, curl and redis-server. Prints
# the tables of docs/rate-limits.md.
set -euo pipefail
server=$(realpath "${1:-target/release/rowhouse-server}") rounds=${2:-9} seconds=${3:-3}
for program in wrk curl redis-server "$server"; do
    command -v "$program" >/dev/null || { echo "$program is missing" >&2; exit 2; }
done
folder=$(mktemp -d /tmp/rowhouse-limits-XXXXXX)
chmod 711 "$folder"
cd "$folder"
redis-server --port 0 --unixsocket "$folder/redis.sock" --save '' --dir "$folder" >/dev/null &
redis=$!
declare -A pid url
started=()
stop() {
    # The first one started PostgreSQL, and ends it.
    for ((i = ${#started[@]} - 1; i >= 0; i--)); do
        kill "${pid[${started[i]}]}" && wait "${pid[${started[i]}]}" || true
    done
    kill "$redis" && wait "$redis" || true
    rm -rf "$folder"
}
trap stop EXIT
path=/api/v1/projects

tiers() { # per minute, burst; as many calls a month as anybody likes
    for tier in FREE BASIC PREMIUM ENTERPRISE; do
        printf '%s\n' "ROWHOUSE__TIERS__${tier}__RATE_LIMIT_PER_MINUTE=$1" \
            "ROWHOUSE__TIERS__${tier}__RATE_LIMIT_BURST=$2" "ROWHOUSE__PLANS__${tier}__MAX_API_CALLS=0"
    done
}

start() { # name, settings as NAME=value
    local name=$1 log=$folder/$1.log
    shift
    env ROWHOUSE_HOME="$folder/home" PORT=0 RUST_LOG=info ROWHOUSE__LOG__FORMAT=text "$@" "$server" \
        >/dev/null 2>"$log" &
    pid[$name]=$! started+=("$name")
    until grep -q 'listening' "$log"; do
        kill -0 "${pid[$name]}" || { cat "$log" >&2; exit 2; }
        sleep 0.1
    done
    url[$name]=http://$(sed -nE 's/.*listening.*address=([^ ]+).*/\1/p' "$log" | head -1)
}

token() { # login of a demo company: good for all servers, which share a home and so a key
    curl -fsS "${url[none]}/api/v1/auth/login" -H 'content-type: application/json' \
        -d "{\"email\":\"owner@$1.example\",\"password\":\"demo-rowhouse-2026\"}" |
        sed -E 's/.*"access_token":"([^"]*)".*/\1/'
}

ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"; }
per_second=$(getconf CLK_TCK)

mapfile -t many < <(tiers 60000000 1000000)
mapfile -t usual < <(tiers 300 100)
# As a deployment logs: not a line a request.
quietly=RUST_LOG=warn,rowhouse_server=info
start none "${many[@]}" "$quietly" ROWHOUSE__RATE_LIMIT__ENABLED=false
start local "${many[@]}" "$quietly"
start redis "${many[@]}" "$quietly" REDIS_URL="redis+unix://$folder/redis.sock"
start usual "${usual[@]}" "$quietly"
bearer="authorization: Bearer $(token aliki-farms)"
loud="authorization: Bearer $(token dunder-mifflin)"

ask() { # server, seconds: how many were served; that all were is part of the measurement
    wrk -t1 -c8 -d"$2" -H "$bearer" "${url[$1]}$path" |
        awk '/requests in/ { n = $1 } /Non-2xx|Socket errors/ { print "not all were served:" $0 > "/dev/stderr"; exit 2 } END { print n }'
}

declare -A told=([none]='without limits' [local]='in process' [redis]='through Redis')
cases=(none local redis)
for case in "${cases[@]}"; do ask "$case" 2 >/dev/null; done
for _ in $(seq "$rounds"); do
    for case in "${cases[@]}"; do
        before=$(ticks "${pid[$case]}") before_redis=$(ticks "$redis")
        requests=$(ask "$case" "$seconds")
        after=$(ticks "${pid[$case]}") after_redis=$(ticks "$redis")
        awk -v c="$case" -v n="$requests" -v own=$((after - before)) -v redis=$((after_redis - before_redis)) \
            -v tick="$per_second" -v s="$seconds" \
            'BEGIN { print c, own * 1e6 / tick / n, redis * 1e6 / tick / n, n / s }' >>results
    done
done

median() { sort -n | awk '{ v[NR] = $1 } END { printf "%.1f | %.1f-%.1f", v[int((NR + 1) / 2)], v[1], v[NR] }'; }
column() { awk -v c="$1" -v column="$2" '$1 == c { print $column }' results | median; }
echo "| limits | CPU of the server a request, us | range | CPU of Redis, us | range | requests/s | range |"
echo "|---|---|---|---|---|---|---|"
for case in "${cases[@]}"; do
    echo "| ${told[$case]} | $(column "$case" 2) | $(column "$case" 3) | $(column "$case" 4) |"
done

# Twenty requests of a quiet company, one at a time, beside 32 connections of a loud one.
declare -A where=([alone]=usual [limited]=usual [unlimited]=none)
told=([alone]='alone' [limited]='beside a loud one, with limits' [unlimited]='beside a loud one, without')
cases=(alone limited unlimited)
for _ in $(seq "$rounds"); do
    for case in "${cases[@]}"; do
        at=${url[${where[$case]}]}$path hammer=
        if [ "$case" != alone ]; then
            wrk -t1 -c32 -d5 -H "$loud" "$at" >/dev/null &
            hammer=$!
            sleep 0.5
        fi
        for _ in $(seq 20); do
            curl -fsS -o /dev/null -w '%{time_total}\n' -H "$bearer" "$at"
            sleep 0.1
        done | sort -n | awk -v c="$case" '{ v[NR] = $1 * 1000 } END { print c, v[10], v[19] }' >>waits
        if [ -n "$hammer" ]; then wait "$hammer"; fi
    done
done
echo
echo "| a quiet company | median, ms | range | 95th percentile, ms | range |"
echo "|---|---|---|---|---|"
mv waits results
for case in "${cases[@]}"; do
    echo "| ${told[$case]} | $(column "$case" 2) | $(column "$case" 3) |"
done

# A cluster of its own, in a folder that is removed at the end, migrated by the binary $migrate. To be
# sourced: it steps into the folder, $home, and leaves $bin, where PostgreSQL's programs are. Arguments
# are more options of the server.
bin=${ROWHOUSE_PG_BINDIR:-$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)}
home=$(mktemp -d)
chmod 755 "$home"
mkdir "$home/cluster"
as_postgres=()
if [ "$(id -u)" = 0 ]; then
    chown postgres "$home/cluster"
    as_postgres=(setpriv --reuid=postgres --regid=postgres --clear-groups)
fi
cd "$home"
"${as_postgres[@]}" "$bin/initdb" -D "$home/cluster/data" -U postgres --auth=trust --no-locale --encoding=UTF8 >/dev/null
"${as_postgres[@]}" "$bin/pg_ctl" -D "$home/cluster/data" -w -l "$home/cluster/log" \
    -o "-k $home/cluster -c listen_addresses='' -c autovacuum=off $*" start >/dev/null
trap '"${as_postgres[@]}" "$bin/pg_ctl" -D "$home/cluster/data" -m immediate stop >/dev/null; rm -rf "$home"' EXIT
export PGHOST=$home/cluster PGUSER=postgres PGDATABASE=rowhouse
"$bin/createdb" rowhouse
ROWHOUSE_HOME=$home/rowhouse DATABASE_URL="postgresql://postgres@/rowhouse?host=$PGHOST" "$migrate" up >/dev/null

postmaster=$(head -1 "$home/cluster/data/postmaster.pid")

children() { cat "/proc/$postmaster/task/$postmaster/children"; }

# What the postmaster's children used, once they have ended: a run has one, its backend.
ticks() { awk '{ sub(/.*\) /, ""); print $14 + $15 }' "/proc/$postmaster/stat"; }

# The CPU time in microseconds that one backend takes for a run of pgbench, and its rate.
run() { # arguments of pgbench
    local before children rate
    before=$(ticks) children=$(children)
    rate=$(timeout 60 "$bin/pgbench" -n -c 1 "$@" 2>"$home/errors" |
        awk '/^tps/ { print $3 } /failed transactions: [1-9]/ { exit 1 }') || rate=
    if [ -z "$rate" ]; then
        cat "$home/errors" >&2
        return 2
    fi
    # A backend ends a moment after its client.
    for _ in $(seq 500); do
        if [ "$(children)" = "$children" ]; then break; fi
        sleep 0.01
    done
    echo "$((($(ticks) - before) * 1000000 / $(getconf CLK_TCK))) $rate"
}

# The median of the numbers on standard input, and their range, as two cells of a table.
median() { # digits behind the point
    sort -n | awk -v f="%.$1f" '{ v[NR] = $1 } END { printf f " | " f "-" f "\n", v[int((NR + 1) / 2)], v[1], v[NR] }'
}

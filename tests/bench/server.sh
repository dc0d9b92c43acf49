# A server with a home folder and a port of its own. To be sourced: its argument is the path to
# rowhouse-server, the release build's where there is none. The folder, $folder, is removed at the end.
server=${1:-target/release/rowhouse-server}
folder=$(mktemp -d /tmp/rowhouse-bench-XXXXXX)
chmod 711 "$folder"
port=18123 url=http://127.0.0.1:18123
pid=
trap 'stop; rm -rf "$folder"' EXIT

start() { # settings, as NAME=value; returns with the first answered request
    env PORT=$port RUST_LOG=error "$@" "$server" >/dev/null &
    pid=$!
    until curl -fs -o /dev/null "$url/health/ready"; do kill -0 "$pid" || exit 1; done
}

stop() {
    if [ -n "$pid" ]; then
        kill "$pid"
        wait "$pid" || true
        pid=
    fi
}

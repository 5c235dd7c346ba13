# shellcheck shell=bash
# A PostgreSQL of one's own: a temporary folder, a port of its own on 127.0.0.1, nothing of the system touched. It
# refuses to run as root, so root runs it as the user nobody, who must be able to reach DIR. Source it, then:
#
#   start_postgres DIR PORT  makes it in DIR (once), starts it and waits; afterwards postgres_url DIR prints its address
#   kill_postgres DIR        stops it at once, as a crash would; start_postgres DIR PORT brings it back with its data
#   stop_postgres DIR        stops it; the folder stays

# The newest installed version's programs; Debian keeps them off the PATH.
_postgres_bin() {
    local candidate
    for candidate in "${POSTGRES_BIN:-}" $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV); do
        if [ -n "$candidate" ] && [ -x "$candidate/initdb" ] && [ -x "$candidate/pg_ctl" ]; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    echo "PostgreSQL is not installed (apt-get install postgresql), or set POSTGRES_BIN to its folder" >&2
    return 1
}

# _as_postgres DIR COMMAND...
_as_postgres() {
    local dir=$1
    shift
    if [ "$(id -u)" -eq 0 ]; then
        (cd "$dir" && HOME=$dir exec setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups "$@")
    else
        (cd "$dir" && "$@")
    fi
}

# start_postgres DIR PORT
start_postgres() {
    local dir port=$2 bin
    bin=$(_postgres_bin) || return 1
    mkdir -p "$1" && dir=$(cd "$1" && pwd) || return 1
    if [ ! -f "$dir/data/PG_VERSION" ]; then
        if [ "$(id -u)" -eq 0 ]; then chown nobody "$dir" || return 1; fi
        _as_postgres "$dir" "$bin/initdb" --pgdata="$dir/data" --username=smista --auth=trust --encoding=UTF8 \
            --no-locale --no-sync >"$dir.log" 2>&1 || {
            echo "PostgreSQL could not be initialised:" >&2
            cat "$dir.log" >&2
            return 1
        }
        # Durable writes would only slow the tests down: their crashes are of the process, not of the machine.
        cat >>"$dir/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = ''
fsync = off
max_connections = 200
CONF
    fi
    # No descriptor of the caller goes along: a pipe held open by the server would keep its reader waiting.
    _as_postgres "$dir" "$bin/pg_ctl" start --pgdata="$dir/data" --wait --timeout=60 --silent \
        --log="$dir/server.log" </dev/null >/dev/null 2>&1 || {
        echo "PostgreSQL did not start; the end of its log:" >&2
        tail -n 20 "$dir/server.log" >&2
        return 1
    }
}

# postgres_url DIR
postgres_url() {
    printf 'postgres://smista@127.0.0.1:%s/postgres\n' "$(sed -n 's/^port = //p' "$1/data/postgresql.conf" | tail -n 1)"
}

_stop_postgres() {
    local dir=$1 mode=$2 bin
    [ -f "$dir/data/postmaster.pid" ] || return 0
    bin=$(_postgres_bin) && _as_postgres "$dir" "$bin/pg_ctl" stop --pgdata="$dir/data" --mode="$mode" --silent >/dev/null 2>&1
    return 0
}

# kill_postgres DIR
kill_postgres() { _stop_postgres "$1" immediate; }

# stop_postgres DIR
stop_postgres() { _stop_postgres "$1" fast; }

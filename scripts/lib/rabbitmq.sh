# shellcheck shell=bash
# A RabbitMQ of one's own: a temporary folder, ports of its own on 127.0.0.1, nothing of the system touched. Works as
# root and as an ordinary user on Debian and Ubuntu. Source it, then:
#
#   start_rabbitmq DIR PORT    starts it and waits; afterwards rabbitmq_url DIR prints its address
#   rabbitmqctl_in DIR ARG...  rabbitmqctl of that broker
#   kill_rabbitmq DIR          kill -9, for fault tests; start_rabbitmq DIR PORT brings it back with its data
#   stop_rabbitmq DIR          stops it and its epmd; the folder stays
#
# DIR/env holds the environment the broker runs in, ports included (SMISTA_RABBITMQ_PORT, ..._MANAGEMENT_PORT and, for the
# plugin rabbitmq_prometheus, ..._METRICS_PORT). RABBITMQ_MORE_PLUGINS names plugins beside the usual ones.

# The programs as the package ships them: the wrapper on the PATH insists on root or the rabbitmq user.
_rabbitmq_bin() {
    local candidate
    for candidate in "${RABBITMQ_BIN:-}" /usr/lib/rabbitmq/bin /usr/local/lib/rabbitmq/bin /opt/rabbitmq/sbin; do
        if [ -n "$candidate" ] && [ -x "$candidate/rabbitmq-server" ]; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    echo "rabbitmq-server is not installed (apt-get install rabbitmq-server), or set RABBITMQ_BIN to its folder" >&2
    return 1
}

_port_is_free() {
    ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# Prints a port nobody listens on, outside the range that outgoing connections draw theirs from.
free_port() {
    local port
    for _ in $(seq 50); do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        if _port_is_free "$port"; then
            printf '%s\n' "$port"
            return 0
        fi
    done
    echo "no free port found between 20000 and 32000" >&2
    return 1
}

_write_rabbitmq_env() {
    local dir=$1 port=$2 dist epmd management metrics
    dist=$(free_port) && epmd=$(free_port) && management=$(free_port) && metrics=$(free_port) || return 1
    cat >"$dir/rabbitmq.conf" <<CONF
listeners.tcp.1 = 127.0.0.1:$port
loopback_users = none
management.tcp.ip = 127.0.0.1
management.tcp.port = $management
prometheus.tcp.ip = 127.0.0.1
prometheus.tcp.port = $metrics
disk_free_limit.absolute = 50MB
raft.wal_max_size_bytes = 67108864
log.console = false
CONF
    echo "[rabbitmq_management,rabbitmq_consistent_hash_exchange${RABBITMQ_MORE_PLUGINS:+,$RABBITMQ_MORE_PLUGINS}]." \
        >"$dir/enabled_plugins"
    : >"$dir/rabbitmq-env.conf"
    cat >"$dir/env" <<ENV
export HOME='$dir'
export RABBITMQ_NODENAME='smista-$port@localhost'
export RABBITMQ_MNESIA_BASE='$dir/mnesia'
export RABBITMQ_LOG_BASE='$dir/log'
export RABBITMQ_PID_FILE='$dir/pid'
export RABBITMQ_CONFIG_FILE='$dir/rabbitmq.conf'
export RABBITMQ_CONF_ENV_FILE='$dir/rabbitmq-env.conf'
export RABBITMQ_ENABLED_PLUGINS_FILE='$dir/enabled_plugins'
export RABBITMQ_NODE_PORT='$port'
export RABBITMQ_DIST_PORT='$dist'
export ERL_EPMD_PORT='$epmd'
export ERL_EPMD_ADDRESS='127.0.0.1'
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}'
export SMISTA_RABBITMQ_PORT='$port'
export SMISTA_RABBITMQ_MANAGEMENT_PORT='$management'
export SMISTA_RABBITMQ_METRICS_PORT='$metrics'
ENV
    mkdir -p "$dir/mnesia" "$dir/log"
}

# start_rabbitmq DIR PORT
start_rabbitmq() {
    local dir port=$2 bin
    bin=$(_rabbitmq_bin) || return 1
    mkdir -p "$1" && dir=$(cd "$1" && pwd) || return 1
    [ -f "$dir/env" ] || _write_rabbitmq_env "$dir" "$port" || return 1
    # No descriptor of the caller goes along: a pipe held open by the broker would keep its reader waiting.
    (
        # shellcheck disable=SC1091
        . "$dir/env"
        cd "$dir" || exit 1
        exec setsid "$bin/rabbitmq-server" </dev/null >"$dir/log/console" 2>&1
    ) </dev/null >/dev/null 2>&1 &
    local _try
    for _try in $(seq 240); do
        if [ -s "$dir/pid" ] && kill -0 "$(cat "$dir/pid")" 2>/dev/null && ! _port_is_free "$port" &&
            rabbitmqctl_in "$dir" await_startup --timeout 60 >/dev/null 2>&1; then
            return 0
        fi
        sleep 0.25
    done
    echo "RabbitMQ did not start; the end of its log:" >&2
    tail -n 20 "$dir/log/console" "$dir"/log/*.log >&2
    stop_rabbitmq "$dir"
    return 1
}

# rabbitmqctl_in DIR ARG...
rabbitmqctl_in() {
    local dir=$1 bin
    shift
    bin=$(_rabbitmq_bin) || return 1
    (
        # shellcheck disable=SC1091
        . "$dir/env"
        "$bin/rabbitmqctl" "$@"
    )
}

# rabbitmq_url DIR
rabbitmq_url() {
    (
        # shellcheck disable=SC1091
        . "$1/env"
        printf 'amqp://guest:guest@127.0.0.1:%s/%%2f\n' "$SMISTA_RABBITMQ_PORT"
    )
}

# kill_rabbitmq DIR
kill_rabbitmq() {
    local pid
    [ -s "$1/pid" ] || return 0
    pid=$(cat "$1/pid")
    rm -f "$1/pid"
    kill -KILL "$pid" 2>/dev/null
    for _ in $(seq 40); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.1
    done
}

# stop_rabbitmq DIR
stop_rabbitmq() {
    local dir=$1 pid
    [ -f "$dir/env" ] || return 0
    if [ -s "$dir/pid" ]; then
        pid=$(cat "$dir/pid")
        kill -TERM "$pid" 2>/dev/null
        for _ in $(seq 100); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        kill_rabbitmq "$dir"
    fi
    (
        # shellcheck disable=SC1091
        . "$dir/env"
        # A node that just went may still be registered for a moment.
        for _ in 1 2 3 4 5; do
            epmd -kill >/dev/null 2>&1 && break
            sleep 0.3
        done
    )
    return 0
}

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# redis on both sides: the same data at the end, by redis' own digest of all keys and values.

# Commands of the benchmark do not depend on their order: fixed values, increments, equal elements.
REDIS_TESTS=set,incr,lpush

redis_server() {
	work_serve "$1" redis-server --port "$PORT" --bind "$W_ANY" --save "" \
		--appendonly no --enable-debug-command yes --protected-mode no --dir "$LAB_DIR"
}

# redis_ask HOST COMMAND...: over the loopback device, which is not copied and not kept in.
redis_ask() {
	in_ns "$1" redis-cli -h "$W_LO" -p "$PORT" "${@:2}"
}

# redis_requests HOST: how many commands of the benchmark it has carried out.
redis_requests() {
	redis_ask "$1" info commandstats | tr -d '\r' |
		awk -F'[:=,]' '$1 ~ /_(set|incr|lpush)$/ { n += $3 } END { print n + 0 }'
}

redis_caught_up() {
	W_TARGET=$(redis_requests target)
	[ "$W_TARGET" -ge "$W_ONLINE" ]
}

# redis_run REQUESTS CONNECTIONS [OPTIONS]
redis_run() {
	redis_server online
	redis_server target
	work_copy
	W_LEAST=$(($1 * 3))
	[ "$PACE" = full ] || set -- "$1" 1 "${@:3}"
	lab_spawn client "$LAB_DIR/redis.txt" redis-benchmark -h "$W_ONLINE_IP" -p "$PORT" -q \
		-t $REDIS_TESTS -r 100000 -n "$1" -c "$2" "${@:3}"
	lab_wait "$LAST_PID" || work_wrong "clients: $(tail -n 1 "$LAB_DIR/redis.txt")"
	W_ONLINE=$(redis_requests online)
	wait_for 10 redis_caught_up || true
	work_same DBSIZE "$(redis_ask target dbsize)" "$(redis_ask online dbsize)"
	work_same digest "$(redis_ask target debug digest)" "$(redis_ask online debug digest)"
	[ "$(redis_ask target dbsize)" -ge 100 ] || work_wrong "too few keys to compare"
}

work_redis() {
	redis_run "$(pick 20000 300000)" 50
}

work_redis_pipelined() {
	redis_run "$(pick 100000 2000000)" 50 -P 16
}

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What a tap does to the online server's clients: latency and throughput, the variants in turns:
#
#	none	no tap
#	dead	its daemon was killed (clsact, where the program stays)
#	idle	attached to a service without traffic
#	copies	copying, the target drops what it gets: the online host's own part
#	target	copying to a target that serves: here on the same processors, which no user has
#
#	tests/bench/latency.sh		BENCH_ROUNDS (3), BENCH_SECONDS (2),
#					BENCH_RATES (1000:16 5000:3 full:0: name and pause, ms)
set -euo pipefail
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"
# shellcheck source=tests/bench/bench.sh
. "$(dirname "$0")/bench.sh"

VARIANTS=(none dead idle copies target)
IDLE_PORT=9999

tap_up() {
	lab_daemon online
	attach || lab_die "attach ${ATTACH[*]} failed"
}

# target_drops -I|-D: begin or end to drop what comes to the service there.
target_drops() {
	in_ns target iptables -w "$1" INPUT -p tcp --dport "$PORT" -j DROP
}

up_none() {
	:
}

up_dead() {
	ATTACH=(--hook clsact --feedback none --force)
	tap_up
	kill -KILL "${DAEMON_PID[online]}"
	lab_wait "${DAEMON_PID[online]}" || true
}

up_idle() {
	ATTACH=(--port "$IDLE_PORT" --feedback none --force)
	tap_up
}

up_copies() {
	target_drops -I
	ATTACH=(--feedback none --force)
	tap_up
}

up_target() {
	ATTACH=()
	lab_daemon target
	intercept || lab_die "intercept failed"
	tap_up
	wait_for 5 copying || lab_die "copying does not begin: $(ctl online status)"
}

down() {
	case $1 in
	none) return ;;
	dead) lab_daemon online ;; # which clears what the killed one left
	copies) target_drops -D ;;
	esac
	daemon_stop online || true
	[ "$1" != target ] || daemon_stop target || true
}

# us VALUE: what wrk prints (12.34us, 1.20ms, 1.1s) in microseconds.
us() {
	awk -v v="$1" 'BEGIN { f = v ~ /us$/ ? 1 : v ~ /ms$/ ? 1e3 : 1e6; printf "%.0f", v * f }'
}

turn() {
	local log=$LAB_DIR/wrk-0.log
	requests_reset
	"up_$1"
	load "$BENCH_SECONDS" 16 /index.html -s "$WRK" --latency || lab_die "clients had errors"
	bench_note "$RATE-$1" p50 "$(us "$(awk '$1 == "50%" { print $2 }' "$log")")"
	bench_note "$RATE-$1" p99 "$(us "$(awk '$1 == "99%" { print $2 }' "$log")")"
	bench_note "$RATE-$1" rate "$(awk '/^Requests\/sec/ { printf "%.0f", $2 }' "$log")"
	down "$1"
}

show() {
	local variant row
	for variant in "${VARIANTS[@]}"; do
		row=$RATE-$variant
		bench_times "$row" "$RATE-none" p50
		bench_times "$row" "$RATE-none" p99
		printf '%-7s %9s %9s %7s %9s %7s   %s\n' "$variant" "$(bench_median "$row" rate)" \
			"$(bench_median "$row" p50)" \
			"$(bench_median "$row" p50-times)" \
			"$(bench_median "$row" p99)" \
			"$(bench_median "$row" p99-times)" \
			"$(bench_spread "$row" p99)"
	done
}

lab_up
lab_nginx online
lab_nginx target
echo "clients of the online server, latency in microseconds: medians of $BENCH_ROUNDS"
printf '%-7s %9s %9s %7s %9s %7s   %s\n' "" requests/s p50 "to none" p99 "to none" "spread of p99"
for RATE in ${BENCH_RATES:-1000:16 5000:3 full:0}; do
	WRK=$(bench_pace "${RATE#*:}")
	bench_turns turn "${VARIANTS[@]}"
	show
done

bench_figure "clients' 99th percentile at 5,000/s, copying to a target that drops, to none" 1.05 \
	"$(bench_median 5000:3-copies p99-times)"

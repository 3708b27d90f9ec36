#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What keeping a response inside costs the target host, with each engine, in turns:
#
#	direct	the client asks the target itself, nothing is intercepted: what the service costs
#	tc	copies, engine tc
#	nfqueue	copies, engine nfqueue
#
# `busy` has all of it, see hosts.sh; `server` and `daemon` are the processes, and part of it. The
# kernel hands a response to the queue in the server's time, and gives its ACK to the socket in the
# daemon's.
#	tests/bench/target_cpu.sh	BENCH_ROUNDS (3), BENCH_SECONDS (2)
set -euo pipefail
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"
# shellcheck source=tests/bench/bench.sh
. "$(dirname "$0")/bench.sh"
# shellcheck source=tests/bench/hosts.sh
. "$(dirname "$0")/hosts.sh"

VARIANTS=(direct tc nfqueue)

up() {
	[ "$1" != direct ] || return 0
	ENGINE=$1
	intercept || lab_die "intercept failed"
	attach || lab_die "attach failed"
	wait_for 5 copying || lab_die "copying does not begin: $(ctl online status)"
}

down() {
	[ "$1" != direct ] || return 0
	ask online detach eth0
	ask target release eth0
}

turn() {
	local row=$RATE-$1 server daemon address=$ONLINE_IP
	[ "$1" != direct ] || address=$TARGET_IP
	requests_reset
	up "$1"
	server=$(hosts_ns "$TARGET_SERVER") daemon=$(hosts_ns "${DAEMON_PID[target]}")
	hosts_load "$BENCH_SECONDS" "$address" "$PORT" "$WRK"
	server=$(($(hosts_ns "$TARGET_SERVER") - server))
	daemon=$(($(hosts_ns "${DAEMON_PID[target]}") - daemon))
	wait_for 3 requests_are target "$LOAD_REQUESTS" || true
	hosts_note "$row" $CPU_TARGET $((server + daemon)) "$(requests target)"
	bench_note "$row" server "$(bench_ratio "$server" "$((LOAD_REQUESTS * 1000))")"
	bench_note "$row" daemon "$(bench_ratio "$daemon" "$((LOAD_REQUESTS * 1000))")"
	down "$1"
}

show() {
	local variant row
	hosts_above "$RATE" direct "${VARIANTS[@]}"
	for variant in "${VARIANTS[@]}"; do
		row=$RATE-$variant
		printf '%-8s %9s %9s %8s %8s %8s %9s %10s %9s   %s\n' "$variant" \
			"$(bench_median "$row" rate)" "$(bench_median "$row" busy)" \
			"$(bench_median "$row" server)" "$(bench_median "$row" daemon)" \
			"$(bench_median "$row" busy-above)" "$(bench_median "$row" threads-above)" \
			"$(bench_ratio "$(bench_median "$row" busy-above)" \
				"$(bench_median "$RATE-nfqueue" busy-above)")" \
			"$(bench_median "$row" arrived)" "$(bench_spread "$row" busy-above)"
	done
}

lab_up
hosts_up
hosts_begin $CPU_ONLINE
lab_nginx online
lab_daemon online
hosts_begin $CPU_TARGET
lab_nginx target
TARGET_SERVER=$LAST_PID
lab_daemon target
hosts_begin $CPU_ONLINE
echo "target host, microseconds of processor time a response: medians of $BENCH_ROUNDS, load average $(cut -d' ' -f1 /proc/loadavg)"
printf '%-8s %9s %9s %8s %8s %8s %9s %10s %9s   %s\n' "" requests/s busy server daemon "inside" \
	threads "to nfqueue" "arrived %" "spread of inside"
for RATE in 1000:16 5000:3 full:0; do
	WRK=$(bench_pace "${RATE#*:}")
	bench_turns turn "${VARIANTS[@]}"
	show
done

for what in busy threads; do
	bench_figure "target host, a response at 5,000/s, engine nfqueue, us ($what)" 6 \
		"$(bench_median 5000:3-nfqueue $what-above)"
	bench_figure "the same, engine tc to engine nfqueue" 0.5 "$(
		bench_ratio "$(bench_median 5000:3-tc $what-above)" \
			"$(bench_median 5000:3-nfqueue $what-above)"
	)"
done

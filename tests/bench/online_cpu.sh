#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What copying costs the online host: processor time a request, of the programs (as the kernel counts
# it: tap's time has clone, copy and sending in it) and of the daemon. Compared are
#
#	bare	a program that clones each packet to the service to a device that drops it
#	off	attach --recovery off: each request reaches the target, or is lost on the way
#	on	attach: the journal, the ledger and receipts beside it
#
# Not in the figures: the kernel's work for the feedback link's packets, a few for each thousand
# requests.
#	tests/bench/online_cpu.sh	BENCH_ROUNDS (3), BENCH_SECONDS (2)
set -euo pipefail
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"
# shellcheck source=tests/bench/bench.sh
. "$(dirname "$0")/bench.sh"

BARE=$TCPC_BUILD/tests/bench/bare.bpf.o
STATS=kernel.bpf_stats_enabled
BARE_DEVICE=4242 # as in bare.bpf.c

# shellcheck disable=SC2317 # called by lab.sh
on_lab_exit() {
	[ -z "${STATS_BEFORE:-}" ] || sysctl -qw "$STATS=$STATS_BEFORE"
}

bare_up() {
	in_ns online tc qdisc add dev eth0 clsact
	in_ns online tc filter add dev eth0 ingress bpf direct-action \
		object-pinned "$LAB_DIR/bpf/bare"
}

bare_down() {
	in_ns online tc qdisc del dev eth0 clsact
}

# programs_ns: run time of what is attached now, in nanoseconds. copy runs within tap.
programs_ns() {
	local id
	if [ "$VARIANT" = bare ]; then
		bpftool --json prog show pinned "$LAB_DIR/bpf/bare" | jq '.run_time_ns // 0'
		return
	fi
	for id in $(held_by "${DAEMON_PID[online]}" prog_id | awk '{ print $2 }' | sort -u); do
		bpftool --json prog show id "$id" | jq 'select(.name == "tap") | .run_time_ns // 0'
	done | awk '{ ns += $1 } END { printf "%.0f", ns }'
}

variant_up() {
	if [ "$VARIANT" = bare ]; then
		bare_up
		return
	fi
	ATTACH=(--recovery "$VARIANT")
	attach || lab_die "attach --recovery $VARIANT failed"
	wait_for 5 copying || lab_die "copying does not begin: $(ctl online status)"
}

variant_down() {
	if [ "$VARIANT" = bare ]; then bare_down; else ask online detach eth0; fi
}

# turn VARIANT: one run of the load that WRK says; figures go to the rows of "$RATE-VARIANT".
turn() {
	local programs daemon row
	VARIANT=$1 row=$RATE-$1
	requests_reset
	variant_up
	programs=$(programs_ns) daemon=$(process_ns "${DAEMON_PID[online]}")
	load "$BENCH_SECONDS" 16 /index.html -s "$WRK" || lab_die "the load failed"
	requests_settle
	programs=$(($(programs_ns) - programs))
	daemon=$(($(process_ns "${DAEMON_PID[online]}") - daemon))
	variant_down
	[ "$VARIANT" != bare ] || daemon=0
	bench_note "$row" rate "$((N_ONLINE / BENCH_SECONDS))"
	bench_note "$row" programs "$(bench_ratio "$programs" "$((N_ONLINE * 1000))")"
	bench_note "$row" daemon "$(bench_ratio "$daemon" "$((N_ONLINE * 1000))")"
	bench_note "$row" sum "$(bench_ratio "$((programs + daemon))" "$((N_ONLINE * 1000))")"
}

show() {
	local variant row floor
	floor=$(bench_median "$RATE-bare" sum)
	for variant in bare off on; do
		row=$RATE-$variant
		printf '%-6s %8s %12s %12s %12s %10s   %s\n' "$variant" "$(bench_median "$row" rate)" \
			"$(bench_median "$row" programs)" "$(bench_median "$row" daemon)" \
			"$(bench_median "$row" sum)" \
			"$(bench_ratio "$(bench_median "$row" sum)" "$floor")" \
			"$(bench_spread "$row" sum)"
	done
}

[ -e "$BARE" ] || lab_die "there is no $BARE: run make bench"
lab_up
lab_nginx online
lab_nginx target
STATS_BEFORE=$(sysctl -n "$STATS")
sysctl -qw "$STATS=1" || lab_lacks "$STATS"
bpftool prog load "$BARE" "$LAB_DIR/bpf/bare" type classifier
ip -n "$LAB_ID-online" link add bare0 index "$BARE_DEVICE" type ifb || lab_lacks "ifb devices"
ip -n "$LAB_ID-online" link set bare0 up
daemons_up
intercept || lab_die "intercept failed"
echo "online host, microseconds of processor time a small request: medians of $BENCH_ROUNDS"
printf '%-6s %8s %12s %12s %12s %10s   %s\n' "" requests/s programs daemon both "to bare" spread
for RATE in 1000:16 5000:3 full:0; do
	WRK=$(bench_pace "${RATE#*:}")
	bench_turns turn bare off on
	show
done

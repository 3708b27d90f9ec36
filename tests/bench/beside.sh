#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Traffic that the tap does not match: throughput of iperf3 to another port of the online host, with
# and without a tap, in turns. Once as it comes (packets up to 64 KB here), once in single packets.
#
#	tests/bench/beside.sh		BENCH_ROUNDS (3), BENCH_SECONDS (2)
set -euo pipefail
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"
# shellcheck source=tests/bench/bench.sh
. "$(dirname "$0")/bench.sh"

IPERF_PORT=5201

turn() {
	if [ "$1" = tap ]; then
		ATTACH=(--feedback none --force)
		attach || lab_die "attach failed"
	fi
	in_ns client iperf3 --client "$ONLINE_IP" --port "$IPERF_PORT" --time "$BENCH_SECONDS" --json \
		>"$LAB_DIR/iperf.json" || lab_die "iperf3: $(jq -r .error "$LAB_DIR/iperf.json")"
	bench_note "$SIZE-$1" mbits \
		"$(jq '.end.sum_received.bits_per_second / 1e6 | round' "$LAB_DIR/iperf.json")"
	[ "$1" != tap ] || ask online detach eth0
}

command -v iperf3 >/dev/null || lab_lacks iperf3
lab_up
lab_spawn online "$LAB_DIR/iperf.log" iperf3 --server --port "$IPERF_PORT"
wait_for 5 lab_listening online "$IPERF_PORT" || lab_die "$(tail -n 1 "$LAB_DIR/iperf.log")"
lab_daemon online
echo "traffic beside the tap, Mbit/s: medians of $BENCH_ROUNDS"
printf '%-8s %10s %10s %9s   %s\n' "" "no tap" tap "to no tap" "spread of both"
for SIZE in large single; do
	[ "$SIZE" = large ] ||
		in_ns client ethtool -K eth0 tso off gso off >/dev/null || lab_lacks "ethtool -K"
	bench_turns turn none tap
	bench_times "$SIZE-tap" "$SIZE-none" mbits
	printf '%-8s %10s %10s %9s   %s %s\n' "$SIZE" "$(bench_median $SIZE-none mbits)" \
		"$(bench_median $SIZE-tap mbits)" \
		"$(bench_median $SIZE-tap mbits-times)" \
		"$(bench_spread $SIZE-none mbits)" "$(bench_spread $SIZE-tap mbits)"
done

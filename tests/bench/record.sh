#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Recording and replaying, in figures: what a recording costs the online host, how exactly it is played
# again, and how much memory a large file takes.
#
#	none	copying, not recorded
#	record	the same, recorded: the daemon and the process that writes
#
# Then the last recording at 1x, 10x and top speed; then a capture of uploads, all of which is sent.
#
#	tests/bench/record.sh	BENCH_ROUNDS (3), BENCH_SECONDS (2), BENCH_REPLAY_MB (1024)
set -euo pipefail
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"
# shellcheck source=tests/bench/bench.sh
. "$(dirname "$0")/bench.sh"

BENCH_REPLAY_MB=${BENCH_REPLAY_MB:-1024}
VARIANTS=(none record)
REQUEST_BYTES=60000
TO=$(lab_host_port "$TARGET_IP" "$PORT")

# process_ns PID: processor time of all its threads.
process_ns() {
	awk '{ ns += $1 } END { printf "%.0f", ns }' /proc/"$1"/task/*/schedstat
}

# peak_kb PID: the most memory it ever had.
peak_kb() {
	awk '/^VmHWM/ { print $2 }' /proc/"$1"/status
}

turn() {
	local daemon writer=0 pid='' row=$RATE-$1
	requests_reset
	if [ "$1" = record ]; then
		ask online record eth0 -w "$LAB_DIR/bench.pcapng" --force --limit-mb 4096
		pid=$(pgrep -f "record eth0 -w $LAB_DIR/bench.pcapng")
	fi
	daemon=$(process_ns "${DAEMON_PID[online]}")
	load "$BENCH_SECONDS" 16 /index.html -s "$WRK" || lab_die "clients had errors"
	requests_settle
	daemon=$(($(process_ns "${DAEMON_PID[online]}") - daemon))
	if [ -n "$pid" ]; then
		writer=$(process_ns "$pid")
		ask online record eth0 --stop
		MISSING=$(ctl_json online '.result.online[0].record | .behind + .missed' status)
		RECORDED=$N_ONLINE
	fi
	bench_note "$row" rate "$((N_ONLINE / BENCH_SECONDS))"
	bench_note "$row" daemon "$(bench_ratio "$daemon" "$((N_ONLINE * 1000))")"
	bench_note "$row" writer "$(bench_ratio "$writer" "$((N_ONLINE * 1000))")"
	bench_note "$row" missing "${MISSING:-0}"
}

# costs RATE PACE: both variants in turns.
costs() {
	RATE=$1 WRK=$(bench_pace "$2") MISSING=0
	bench_turns turn "${VARIANTS[@]}"
	for variant in "${VARIANTS[@]}"; do
		printf '%-10s %-8s %10s %16s %16s %10s\n' "$RATE" "$variant" \
			"$(bench_median "$RATE-$variant" rate)" \
			"$(bench_median "$RATE-$variant" daemon)" \
			"$(bench_median "$RATE-$variant" writer)" \
			"$(bench_median "$RATE-$variant" missing)"
	done
}

# played TEXT COUNT FILE OPTIONS...: one line of what came of it.
played() {
	local text=$1 want=$2 result
	shift 2
	: >"$LAB_DIR/nginx-target/access.log"
	result=$(ctl online --json replay "$@" --to "$TO") || true
	wait_for 5 requests_are target "$want" || true
	printf '%-10s %10s %10s %10s  %s\n' "$text" "$want" "$(requests target)" \
		"$(jq .result.duration_ms <<<"$result")" \
		"$(jq -r '.result.late_us // {} | "\(.p50) \(.p99) \(.max)"' <<<"$result")"
}

lab_up
lab_nginx online
lab_nginx target
copy_up
echo "# a request: microseconds of the processor, medians of $BENCH_ROUNDS runs"
printf '%-10s %-8s %10s %16s %16s %10s\n' load variant requests/s daemon writer missing
costs full 0
costs paced 10

echo "# played again: requests, those at the target, milliseconds, microseconds late (50 %, 99 %, all)"
ask online detach eth0
# So that the programs stay loaded between two replays.
ask online attach eth0 --to "$(lab_host_port "$TARGET_IP" 9)"
for _ in 1 2 3; do
	played 1x "$RECORDED" "$LAB_DIR/bench.pcapng"
done
played 10x "$RECORDED" "$LAB_DIR/bench.pcapng" --speed 10
played top "$RECORDED" "$LAB_DIR/bench.pcapng" --top-speed

echo "# $BENCH_REPLAY_MB MB of uploads at top speed"
"$(dirname "$0")/../e2e/captures.py" uploads "$LAB_DIR/uploads.pcap" $((BENCH_REPLAY_MB << 20)) \
	"$REQUEST_BYTES" >"$LAB_DIR/uploads.count"
count=$(cat "$LAB_DIR/uploads.count")
: >"$LAB_DIR/nginx-target/access.log"
lab_spawn online "$LAB_DIR/uploads.log" python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[1:])
print("peak", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' \
	"$TCPC_BUILD/tcpcopyctl" --run-dir "$(run_dir online)" --json replay \
	"$LAB_DIR/uploads.pcap" --to "$TO" --top-speed
lab_wait "$LAST_PID" || true
wait_for 5 requests_are target "$count" || true
printf 'requests %s, at the target %s, in %s ms\n' "$count" "$(requests target)" \
	"$(sed -n 1p "$LAB_DIR/uploads.log" | jq .result.duration_ms)"
printf 'memory at its peak, KB: reader %s, online daemon %s (with %s MB of journal), target daemon %s\n' \
	"$(awk '/^peak/ { print $2 }' "$LAB_DIR/uploads.log")" \
	"$(peak_kb "${DAEMON_PID[online]}")" 64 "$(peak_kb "${DAEMON_PID[target]}")"
copy_down

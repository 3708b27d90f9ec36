#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The main job, shown on real servers: demo.sh BUILD. Fails if a request is missing at the target
# or a packet of the target reaches a client. Below a minute; cleans up, after Ctrl-C too.
set -euo pipefail

TCPC_BUILD=${1:-build}
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

FRIEND=$LAB_NET.101 # the client that is put into the allow-list
BAD=0
STATS=kernel.bpf_stats_enabled
STATS_BEFORE=
declare -A CPU_BEFORE

say() {
	printf '\n%s\n' "$*"
}

# shell HOST COMMAND...: show a command as a user would type it, and run it.
shell() {
	local host=$1
	shift
	printf '    %s#  tcpcopyctl %s\n' "$host" "$*"
	ctl "$host" "$@" >/dev/null
}

# row TEXT ONLINE TARGET: one line of the table.
row() {
	printf '    %-44s %12s %12s\n' "$1" "$2" "$3"
}

bad() {
	BAD=1
	printf '    !!  %s\n' "$*"
}

# cpu_us HOST: processor time of the daemon there so far.
cpu_us() {
	local stat
	read -r stat <"/proc/${DAEMON_PID[$1]}/stat"
	# utime and stime are fields 14 and 15; the name in field 2 may contain blanks.
	awk -v hz="$(getconf CLK_TCK)" '{ print ($12 + $13) * 1000000 / hz }' <<<"${stat##*) }"
}

per_request() {
	awk -v us="$1" -v n="$2" 'BEGIN { printf "%.2f", n ? us / n : 0 }'
}

# programs HOST: run time of the daemon's BPF programs, "NAME RUNS NANOSECONDS" each.
programs() {
	local id
	held_by "${DAEMON_PID[$1]}" prog_id | awk '{ print $2 }' | sort -un | while read -r id; do
		bpftool -j prog show id "$id" |
			jq -r 'select(.run_cnt) | "\(.name) \(.run_cnt) \(.run_time_ns)"'
	done
}

# The kernel counts run times only on request, for the whole machine.
on_lab_exit() {
	[ -z "$STATS_BEFORE" ] || sysctl -qw "$STATS=$STATS_BEFORE"
}

count_run_time() {
	local value
	value=$(sysctl -n "$STATS" 2>/dev/null) || return 0
	STATS_BEFORE=$value
	sysctl -qw "$STATS=1"
}

begin() {
	say "A client, an online server and a target server (nginx), each in a network namespace of" \
		"its own; the daemons share a key."
	lab_up
	lab_nginx online
	lab_nginx target
	(umask 077 && "$TCPC_BUILD/tcpcopyctl" key >"$LAB_DIR/key")
	LAB_AUTH=(--key "$LAB_DIR/key")
	daemons_up
	leak_start
	shell target intercept eth0 --port "$PORT"
	shell online attach eth0 --to "$(lab_host_port "$TARGET_IP" "$PORT")"
	wait_for 5 copying || lab_die "copying does not begin: $(ctl online status)"
}

copy() {
	local host rate
	count_run_time
	for host in online target; do
		CPU_BEFORE[$host]=$(cpu_us "$host")
	done
	say "16 clients send requests to the online server for 5 seconds, as fast as it answers."
	load 5 16 / || bad "the clients saw errors: $(tail -n 5 "$LAB_DIR/wrk-0.log")"
	requests_settle
	capture_stop leak-client
	rate=$(awk '/^Requests\/sec/ { printf "%d", $2 }' "$LAB_DIR/wrk-0.log")
	row "" online target
	row "requests answered" "$N_ONLINE" "$N_TARGET"
	row "requests a second, seen by the clients" "$rate" ""
	row "packets from the target that reached a client" "" "$CAPTURED"
	[ "$N_ONLINE" = "$N_TARGET" ] || bad "requests at the target differ"
	[ "$CAPTURED" = 0 ] || bad "packets leaked to the client"
	capture_stop leak-target
	row "packets for clients that left the target host" "" "$CAPTURED"
	[ "$CAPTURED" = 0 ] || bad "packets left the target host"
}

cost() {
	local host name runs ns
	say "What copying cost, in microseconds of CPU for each request:"
	row "" online target
	row "daemon" \
		"$(per_request $(($(cpu_us online) - CPU_BEFORE[online])) "$N_ONLINE")" \
		"$(per_request $(($(cpu_us target) - CPU_BEFORE[target])) "$N_TARGET")"
	for host in online target; do
		while read -r name runs ns; do
			set -- "BPF program $name, $runs runs" \
				"$(per_request "$((ns / 1000))" "$N_ONLINE")"
			if [ "$host" = online ]; then row "$1" "$2" ""; else row "$1" "" "$2"; fi
		done < <(programs "$host")
	done
	on_lab_exit
	STATS_BEFORE=
}

# expect TEXT GOT WANT
expect() {
	printf '    %-60s %s\n' "$1" "$2"
	[ "$2" = "$3" ] || bad "expected $3"
}

allow() {
	say "The allow-list, changed while it runs. A client asks the target directly:"
	expect "before (000: no answer)" \
		"$(fetch "$TARGET_IP" / --interface "$FRIEND" --max-time 0.5)" 000
	shell target allow add "$FRIEND/32"
	expect "in the allow-list" "$(fetch "$TARGET_IP" / --interface "$FRIEND")" 200
	shell target allow del "$FRIEND/32"
	expect "and taken out again" \
		"$(fetch "$TARGET_IP" / --interface "$FRIEND" --max-time 0.5)" 000
}

maps() {
	say "Every counter is a BPF map; those of the online host that are not zero:"
	printf '    online#  bpftool map dump pinned .../online/stats\n'
	bpftool -j map dump pinned "$(pins online)/online/stats" | jq -r '
		[.. | objects | .formatted? // empty] | if length == 0 then halt_error(1) else . end |
		[.. | objects | to_entries[] | select(.value | type == "number")] |
		group_by(.key)[] | {key: .[0].key, sum: (map(.value) | add)} |
		select(.sum > 0 and .key != "cpu" and .key != "key") | "        \(.key): \(.sum)"' ||
		bad "bpftool cannot print the map"
}

finish() {
	say "Both daemons are asked to stop."
	daemon_stop online || bad "the online daemon ended with an error"
	daemon_stop target || bad "the target's daemon ended with an error"
	[ -z "$(left_over online; left_over target)" ] ||
		bad "left behind: $(left_over online; left_over target)"
	if [ "$BAD" = 0 ]; then
		say "All of it was copied, nothing leaked, nothing is left behind."
	else
		say "The demo failed, see the lines with !! above."
		lab_show_logs
	fi
}

note() {
	printf '    %s\n' "$*"
}

begin
copy
cost
allow
maps
finish
exit "$BAD"

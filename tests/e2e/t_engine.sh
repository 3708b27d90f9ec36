#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Engine tc, and changing the engine while copies flow: nothing is lost, nothing leaks, and what a
# killed daemon leaves is found.
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

counter() {
	ctl_json target ".result.$1" stats
}

# engine ENGINE [OPTIONS]: ask for it.
engine() {
	local name=$1
	shift
	ask target intercept eth0 --port "$PORT" --engine "$name" "$@"
}

engine_now() {
	ctl_json target '.result.target[0].engine' status
}

# absorbs: how many absorb programs hang on the interface: a pinned TCX link each, or a filter.
absorbs() {
	{
		find "$(pins target)/target" -name 'absorb-*' 2>/dev/null
		in_ns target tc filter show dev eth0 egress | grep absorb
	} | wc -l
}

# takes ENGINE TEXT: under this engine responses go its way and no other.
takes() {
	local queued absorbed
	queued=$(counter target.queued) absorbed=$(counter target.absorbed)
	requests_reset
	try "$2: load" load 1 8 /
	requests_settle
	is "$2: requests at the target = online" "$N_TARGET" "$N_ONLINE"
	queued=$(($(counter target.queued) - queued))
	absorbed=$(($(counter target.absorbed) - absorbed))
	if [ "$1" = tc ]; then
		compare "$2: responses absorbed" "$absorbed" ">=" "$N_TARGET"
		is "$2: responses in the queue" "$queued" 0
	else
		compare "$2: responses in the queue" "$queued" ">=" "$N_TARGET"
		is "$2: responses absorbed" "$absorbed" 0
	fi
}

# Six changes under load, keep-alive and new connections side by side.
switching() {
	local i
	requests_reset
	# Not as fast as it goes: a target that falls behind would be another test.
	load_start 4 2 /
	load_start 4 1 / -s "$(close_script)"
	for i in tc nfqueue tc nfqueue tc nfqueue; do
		wait_for 3 requests_are target $(($(requests target) + 200)) ||
			not_ok "switching: copies flow"
		try "switching: to $i" engine "$i"
		[ "$(engine_now)" = "$i" ] || not_ok "switching: status says $(engine_now), not $i"
	done
	try "switching: no error for the clients" load_end
	requests_settle
	compare "switching: requests online" "$N_ONLINE" ">=" 2000
	is "switching: requests at the target = online" "$N_TARGET" "$N_ONLINE"
	is "switching: absorb afterwards" "$(absorbs)" 1
}

# What cannot be changed in passing is refused, and changes nothing.
refused() {
	local before after
	before=$(kernel_state target)
	is "refused: other ports" "$(status_of target intercept eth0 --port 9090 --engine tc)" 1
	is "refused: other options" \
		"$(status_of target intercept eth0 --port "$PORT" --engine tc --order relaxed)" 1
	is "refused: the engine that it has" \
		"$(status_of target intercept eth0 --port "$PORT" --engine nfqueue)" 1
	after=$(kernel_state target)
	is "refused: kernel state before and after" "$after" "$before"
}

status_of() {
	local host=$1 status=0
	shift
	ctl "$host" "$@" >/dev/null 2>&1 || status=$?
	echo "$status"
}

# The absorb program of a killed daemon keeps every response inside, and goes with the next start.
killed() {
	engine tc
	requests_reset
	leak_start
	load_start 2 8 /
	wait_for 3 requests_are target 200 || not_ok "killed: copies flow"
	daemon_kill target
	try "killed: no error for the clients" load_end
	is "killed: absorb stays" "$(absorbs)" 1
	lab_daemon target
	wait_for 5 no_absorb || true
	is "killed: absorb after the next start" "$(absorbs)" 0
	is "killed: rules after the next start" "$(our_rules target)" ""
	leak_end "killed"
}

no_absorb() {
	[ "$(absorbs)" = 0 ]
}

# An idle daemon sleeps: no timer ticks for receipts that do not come (they would be 2,000).
idle() {
	local pid=${DAEMON_PID[target]} before after
	before=$(awk '/^voluntary/ { print $2 }' "/proc/$pid/status")
	wait_for 2 false || true
	after=$(awk '/^voluntary/ { print $2 }' "/proc/$pid/status")
	compare "idle: the daemon's wake-ups in 2 s" $((after - before)) "<" 400
}

lab_up
lab_nginx online
lab_nginx target
copy_up
takes nfqueue "engine nfqueue"
refused
engine tc
takes tc "engine tc"
is "engine tc: status" "$(engine_now)" tc
idle
engine nfqueue
leak_start
switching
takes nfqueue "engine nfqueue again"
leak_end "switching"
killed
intercept
engine tc
wait_for 5 copying || not_ok "copying after the restart"
takes tc "engine tc after the restart"
[ "$TAP_FAILED" -eq 0 ] || show_counters
copy_down
is "left over after a clean stop" "$(left_over target)" ""
tap_done

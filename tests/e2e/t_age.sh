#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What vanished clients leave at the target is cleaned up: their connections after --idle, and what
# the kernel programs remember of connections that have ended. Those who live are left alone.
# mostly waits
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

HERE=$(dirname "$0")
IDLE=3
CLIENTS=200  # of each kind that goes
LIVING=5
DIRECT_IP=$LAB_NET.101 # in the allow-list

# clients NAME SERVER SOURCE VANISH CLOSE LIVE: in the background; LAST_PID.
clients() {
	local name=$1 server=$2
	shift 2
	lab_spawn client "$LAB_DIR/$name.txt" "$HERE/idle.py" "$server" "$PORT" "$@"
	wait_for 10 grep -q ready "$LAB_DIR/$name.txt" ||
		lab_die "idle.py: $(cat "$LAB_DIR/$name.txt")"
}

# established HOST CLIENT
established() {
	in_ns "$1" ss -Htn state established "sport = :$PORT" dst "$2" | wc -l
}

established_is() {
	[ "$(established "$1" "$2")" = "$3" ]
}

exchanges() {
	bpftool -j map dump pinned "$(pins target)/target/exchanges" | jq length
}

exchanges_at_most() {
	[ "$(exchanges)" -le "$1" ]
}

aged() {
	ctl_json target ".result.age.$1" stats
}

# What the online host has heard of connections ended here: all, and those of a slow target.
heard_shed() {
	ctl_json online '.result.link | "\(.shed) \(.shed_slow)"' stats
}

heard_shed_is() {
	[ "$(heard_shed)" = "$1" ]
}

begin() {
	daemons_up
	ask target intercept eth0 --port "$PORT" --engine "$ENGINE" --idle "$IDLE"
	ask target allow add "$DIRECT_IP"
	attach
	wait_for 5 copying || lab_die "copying does not begin: $(ctl online status)"
}

# Clients of the target itself, as silent as can be, are not ours to end.
direct_clients() {
	ulimit -n 4096
	lab_spawn client "$LAB_DIR/direct.txt" "$HERE/many.py" "$TARGET_IP" "$PORT" 5 "$DIRECT_IP"
	wait_for 10 grep -q '^open' "$LAB_DIR/direct.txt" ||
		lab_die "direct clients: $(cat "$LAB_DIR/direct.txt")"
}

vanished() {
	clients copied "$ONLINE_IP" "$CLIENT_IP" "$CLIENTS" "$CLIENTS" "$LIVING"
	local live=$LAST_PID all=$((CLIENTS + LIVING))
	is "vanished clients: connections online" "$(established online "$CLIENT_IP")" "$all"
	compare "vanished clients: connections at the target so far" \
		"$(established target "$CLIENT_IP")" ">=" "$CLIENTS"
	compare "vanished clients: exchanges so far" "$(exchanges)" ">=" "$all"
	try "vanished clients: only the living are left at the target" \
		wait_for 20 established_is target "$CLIENT_IP" "$LIVING"
	try "vanished clients: only their exchanges are left" wait_for 20 exchanges_at_most "$LIVING"
	is "vanished clients: connections ended" "$(aged connections)" "$CLIENTS"
	try "vanished clients: the online host hears of each" wait_for 5 heard_shed_is "$CLIENTS 0"
	compare "vanished clients: exchanges forgotten" "$(aged exchanges)" ">=" "$((CLIENTS - 5))"
	is "vanished clients: connections online, still" "$(established online "$CLIENT_IP")" "$all"
	is "clients of the target itself: their connections" "$(established target "$DIRECT_IP")" 5
	is "failures" "$(aged failed)" 0
	lab_stop "$live" TERM || true
	is "living clients that were not served" "$(grep -c broken "$LAB_DIR/copied.txt" || true)" 0
	requests_settle
	is "requests at the target = online" "$N_TARGET" "$N_ONLINE"
	try "all gone: no connection of theirs" wait_for 20 established_is target "$CLIENT_IP" 0
	try "all gone: no exchange of theirs" wait_for 20 exchanges_at_most 0
}

lab_up
lab_nginx online
lab_nginx target
begin
direct_clients
requests_reset
LEAK_EXCEPT="host $DIRECT_IP" leak_start
vanished
[ "$TAP_FAILED" -eq 0 ] || show_counters
copy_down
leak_end "all of it"
tap_done

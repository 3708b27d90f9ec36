#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Invariants 1 and 3: a daemon that is killed stops copying within a second and harms nobody, the
# next start clears what it left, and the tap never changes a packet of production.
# mostly waits, 35 s
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

HERE=$(dirname "$0")

# What stays with a dead daemon: a link goes, a filter stays (and must do nothing).
link_goes() {
	compare "$1: links the daemon held" "$(wc -w <<<"$LINK_IDS")" ">=" 1
}

filter_stays() {
	compare "$1: filters that outlive the daemon" \
		"$(in_ns online tc filter show dev eth0 ingress | grep -c bpf || true)" ">=" 1
}

no_links_left() {
	local id
	for id in $LINK_IDS; do
		! bpftool link show id "$id" >/dev/null 2>&1 || return 1
	done
}

# killed TEXT FUNCTION: kill -9 of the online daemon under load, and what becomes of everything.
killed() {
	local text=$1 at last
	requests_reset
	copy_up
	copies_start
	load_start 3 4 /
	wait_for 3 requests_are target 100 || not_ok "$text: copies flow"
	LINK_IDS=$(held_by "${DAEMON_PID[online]}" link_id | awk '{ print $2 }' | xargs)
	is "$text: the copy device is there before" "$(our_devices online)" tcpcopy0
	at=$(now_us)
	daemon_kill online
	try "$text: no error for the clients" load_end
	capture_stop copies
	last=$(capture_last copies)
	compare "$text: packets copied" "$CAPTURED" ">=" 200
	compare "$text: seconds from the kill to the end of the load" \
		"$(since "$at" "$(now_us)")" ">=" 1.2
	compare "$text: seconds from the kill to the last copy" \
		"$(since "$at" "$last")" "<" 1
	try "$text: the daemon's links are gone from the kernel ($LINK_IDS)" \
		wait_for 3 no_links_left
	"$2" "$text"
	cleared "$text"
}

# since WHEN THEN: seconds between two times of now_us.
since() {
	awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f", (b - a) / 1e6 }'
}

# A daemon that lives but does not run any more gives no heartbeat, while all its programs are in
# force. Copying ends, and comes back with it.
stuck() {
	local at last
	requests_reset
	copy_up
	copies_start
	load_start 3 4 /
	wait_for 3 requests_are target 100 || not_ok "stuck daemon: copies flow"
	at=$(now_us)
	kill -STOP "${DAEMON_PID[online]}"
	try "stuck daemon: no error for the clients" load_end
	capture_stop copies
	last=$(capture_last copies)
	compare "stuck daemon: packets copied" "$CAPTURED" ">=" 200
	compare "stuck daemon: seconds from then to the last copy" "$(since "$at" "$last")" "<" 1
	kill -CONT "${DAEMON_PID[online]}"
	try "stuck daemon: copying when it runs again" wait_for 5 copying
	compare "stuck daemon: packets skipped for want of a heartbeat" \
		"$(ctl_json online .result.online.no_heartbeat stats)" ">" 0
	requests_reset
	try "stuck daemon: load after that" load 1 4 /
	requests_settle
	is "stuck daemon: requests at the target after that = online" "$N_TARGET" "$N_ONLINE"
	copy_down
}

# cleared TEXT: a new daemon finds what the dead one left, and removes it.
cleared() {
	local text=$1
	lab_daemon online
	is "$text: devices after the next start" "$(our_devices online)" ""
	is "$text: filters after the next start" "$(in_ns online tc filter show dev eth0 ingress)" ""
	is "$text: pinned programs after the next start" \
		"$(find "$(pins online)" -type f -name '*prog*' 2>/dev/null)" ""
	try "$text: attach again" attach
	try "$text: copying again" wait_for 5 copying
	requests_reset
	try "$text: load after that" load 1 4 /
	requests_settle
	is "$text: requests at the target after that = online" "$N_TARGET" "$N_ONLINE"
	copy_down
	is "$text: left over after a clean stop" "$(left_over online)" ""
}

# frames FILE: what the online host receives when the client sends the fixed set of frames.
frames() {
	lab_spawn online "$1" "$HERE/frames.py" receive eth0
	wait_for 5 grep -q ready "$1" || lab_die "frames.py does not start: $(cat "$1")"
	in_ns client "$HERE/frames.py" send eth0 "$CLIENT_IP" "$CLIENT_MAC" "$ONLINE_IP" \
		"$ONLINE_MAC" "$PORT" >"$1.sent"
	lab_wait "$LAST_PID" || not_ok "frames.py: $(tail -n 1 "$1")"
}

# Every kind of frame, well-formed or not, after the tap has seen it.
unchanged() {
	local before=$LAB_DIR/frames-before with=$LAB_DIR/frames-with
	frames "$before"
	copy_up
	copies_start
	frames "$with"
	capture_stop copies
	copy_down
	compare "frames received without the tap" "$(wc -l <"$before")" ">=" 30
	is "frames that differ with the tap" "$(diff "$before" "$with" | grep -c '^[<>]' || true)" 0
	is "frames received that are not what was sent" \
		"$(grep -v 'ready\|vlan' "$with" | grep -vcxFf "$with.sent" || true)" 0
	compare "of these, copied to the target" "$CAPTURED" ">=" 8
}

# Large segments too (the tap sees up to 64 KB at once): 20 MB through a TCP connection.
stream_unchanged() {
	local sum
	head -c 20000000 /dev/urandom >"$LAB_DIR/body"
	daemons_up
	intercept
	copies_start
	lab_spawn online "$LAB_DIR/sink.txt" "$HERE/frames.py" sink "$ONLINE_IP" 8081
	wait_for 5 lab_listening online 8081 || lab_die "sink: $(cat "$LAB_DIR/sink.txt")"
	ask online attach eth0 --to "$(lab_host_port "$TARGET_IP" "$PORT")" --port 8081
	wait_for 5 copying || not_ok "copying of port 8081"
	in_ns client "$HERE/frames.py" pour "$LAB_DIR/body" "$ONLINE_IP" 8081
	lab_wait "$LAST_PID" || not_ok "sink: $(cat "$LAB_DIR/sink.txt")"
	capture_stop copies
	sum=$(sha256sum <"$LAB_DIR/body")
	is "20 MB poured into a copied service arrive unchanged" \
		"$(cat "$LAB_DIR/sink.txt")" "20000000 ${sum%% *}"
	compare "of these, packets copied to the target" "$CAPTURED" ">=" 3
	copy_down
}

lab_up
lab_nginx online
lab_nginx target
killed "tc link" link_goes
ATTACH=(--hook clsact)
killed "clsact filter" filter_stays
ATTACH=()
stuck
unchanged
stream_unchanged
tap_done

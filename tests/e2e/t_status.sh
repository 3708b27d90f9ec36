#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# No copies flow until the target has said that it intercepts, and `status` says why they do not:
# nobody there, another port, another key, another version, somebody else's server.
# mostly waits
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

reason() {
	ctl_json online '.result.online[0].reason // empty' status
}

reason_matches() {
	reason | grep -Eiq "$1"
}

# nothing_copied TEXT REGEX: not copying, for a reason that matches; and nothing goes out for
# requests that the online host answers.
nothing_copied() {
	local text=$1
	try "$text: the reason appears" wait_for 5 reason_matches "$2"
	is "$text: status.copying" "$(ctl_json online '.result.online[0].copying' status)" false
	note "reason: $(reason)"
	copies_start
	is "$text: the online host answers" "$(fetch "$ONLINE_IP" /)" 200
	capture_stop copies
	is "$text: copies seen" "$CAPTURED" 0
}

# refused TEXT REGEX: attach fails with exit status 1 and leaves nothing.
refused() {
	local text=$1 before status=0
	before=$(kernel_state online)
	attach 2>"$LAB_DIR/stderr" || status=$?
	is "$text: exit status of attach" "$status" 1
	is "$text: lines on stderr" "$(wc -l <"$LAB_DIR/stderr")" 1
	try "$text: the error names the cause: $(cat "$LAB_DIR/stderr")" \
		grep -Eiq "$2" "$LAB_DIR/stderr"
	is "$text: attachments" "$(ctl_json online '.result.online | length' status)" 0
	is "$text: changes in the kernel" \
		"$(diff <(echo "$before") <(kernel_state online) | grep -c '^[<>]' || true)" 0
}

no_interceptor() {
	lab_daemon online
	try "nobody listens: attach succeeds" attach
	nothing_copied "nobody listens" "refused|no daemon|nobody|not reach"
	lab_daemon target
	nothing_copied "daemon without intercept" "."
	try "another port: intercept" ask target intercept eth0 --port 9090
	nothing_copied "another port is intercepted" "intercept"
	try "another port: release" ask target release eth0
	intercept
	try "the right port: copying begins" wait_for 5 copying
	copies_start
	is "the right port: the online host answers" "$(fetch "$ONLINE_IP" /m/right)" 200
	try "the right port: the request is copied" wait_for 5 seen target /m/right
	capture_stop copies
	compare "control: copies seen" "$CAPTURED" ">=" 2
	try "release" ask target release eth0
	nothing_copied "after release" "."
	copy_down
}

make_key() {
	(umask 077 && od -An -tx1 -N32 /dev/urandom | tr -d ' \n' >"$1")
}

wrong_key() {
	make_key "$LAB_DIR/key-a"
	make_key "$LAB_DIR/key-b"
	LAB_AUTH=(--key "$LAB_DIR/key-a")
	lab_daemon target
	intercept
	LAB_AUTH=(--key "$LAB_DIR/key-b")
	lab_daemon online
	refused "another key" "key"
	daemon_stop online || true
	LAB_AUTH=(--insecure)
	lab_daemon online
	refused "no key against a key" "key|insecure"
	daemon_stop online || true
	LAB_AUTH=(--key "$LAB_DIR/key-a")
	lab_daemon online
	try "the same key: attach" attach
	try "the same key: copying" wait_for 5 copying
	copy_down
	LAB_AUTH=(--insecure)
}

other_version() {
	peer target version "$FEEDBACK_PORT" 999
	lab_daemon online
	refused "another protocol version" "version"
	lab_stop "$PEER_PID" || true
	peer target alien "$FEEDBACK_PORT"
	try "a web server on the feedback port: attach" attach
	nothing_copied "a web server on the feedback port" "protocol"
	lab_stop "$PEER_PID" || true
	daemon_stop online || true
}

# One byte from anyone to the feedback port must not block it for the others.
silent_peer() {
	lab_daemon target
	intercept
	lab_spawn client "$LAB_DIR/silent.log" bash -c \
		"exec 3<>/dev/tcp/$TARGET_IP/$FEEDBACK_PORT; printf T >&3; echo ready; read -r -u 3"
	wait_for 5 grep -q ready "$LAB_DIR/silent.log" || not_ok "the silent peer connects"
	lab_daemon online
	try "beside a peer that says one byte: attach" attach
	try "beside a peer that says one byte: copying" wait_for 5 copying
	copy_down
}

lab_up
lab_nginx online
lab_nginx target
no_interceptor
wrong_key
other_version
silent_peer
tap_done

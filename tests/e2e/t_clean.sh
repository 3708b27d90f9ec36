#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A daemon that is asked to stop leaves nothing behind, in the middle of its work too; SIGHUP reads
# the configuration again.
# mostly waits
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

# A control for left_over(): it must see a working daemon's things.
something_there() {
	local host
	for host in online target; do
		compare "control: things of the daemon in $host while it works" \
			"$(left_over "$host" | wc -l)" ">=" 5
	done
	compare "control: iptables rules at the target" "$(our_rules target | wc -l)" "==" 2
}

# signalled SIGNAL: both daemons stop with it under load, each with status 0 and nothing left.
signalled() {
	local signal=$1 host status
	requests_reset
	copy_up
	load_start 2 8 /
	wait_for 3 requests_are target 100 || not_ok "$signal: copies flow"
	something_there
	for host in target online; do
		status=0
		daemon_stop "$host" "$signal" || status=$?
		is "$signal: exit status of the daemon in $host" "$status" 0
		is "$signal: left over in $host" "$(left_over "$host")" ""
	done
	try "$signal: no error for the clients" load_end
}

allows() {
	ctl_json target '.result | tostring' allow list | grep -qF "$1"
}

allows_no_more() {
	! allows "$1"
}

# The configuration is the same commands, one a line.
config_reload() {
	local config=$LAB_DIR/target.conf
	printf '# comment\nintercept eth0 --port %s\n\nallow add %s\n' \
		"$PORT" "$LAB_NET.101/32" >"$config"
	lab_daemon target --config "$config"
	lab_daemon online
	attach
	try "--config: intercept is in force" wait_for 5 copying
	try "--config: allow add is in force" allows "$LAB_NET.101"
	is "--config: an allowed client reaches the target" \
		"$(fetch "$TARGET_IP" / --interface "$LAB_NET.101")" 200

	printf 'intercept eth0 --port %s\nallow add %s\n' "$PORT" "$LAB_NET.102/32" >"$config"
	kill -HUP "${DAEMON_PID[target]}"
	try "SIGHUP: what is new is in force" wait_for 5 allows "$LAB_NET.102"
	try "SIGHUP: what is no longer there is undone" wait_for 5 allows_no_more "$LAB_NET.101"
	try "SIGHUP: the daemon lives" alive "${DAEMON_PID[target]}"
	is "SIGHUP: the newly allowed client reaches the target" \
		"$(fetch "$TARGET_IP" / --interface "$LAB_NET.102")" 200
	try "SIGHUP: copying" wait_for 5 copying

	printf 'intercept eth0 --port %s\nallow add 198.18.18.0/33\n' "$PORT" >"$config"
	kill -HUP "${DAEMON_PID[target]}"
	try "SIGHUP with an error: the log names the file and the line" \
		wait_for 5 grep -Eq 'target\.conf.*2' "$LAB_DIR/daemon-target.log"
	try "SIGHUP with an error: the daemon lives" alive "${DAEMON_PID[target]}"
	try "SIGHUP with an error: what was in force stays" allows "$LAB_NET.102"
	try "SIGHUP with an error: copying" wait_for 5 copying
	copy_down
	is "after all: left over in target" "$(left_over target)" ""
	is "after all: left over in online" "$(left_over online)" ""
}

lab_up
lab_nginx online
lab_nginx target
signalled TERM
signalled INT
config_reload
tap_done

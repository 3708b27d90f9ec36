#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Invariant 2: nothing of a copy reaches a client, whoever starts first and whoever dies when.
# Everything here happens under load, and the clients must not notice any of it.
# engines: nfqueue tc
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

# under_load TEXT FUNCTION: run it while wrk loads the online host, and count what leaks until the
# load has ended, some time later, and both daemons are gone. One connection a request, so that some
# begin at every moment; and keep-alive connections that were there before.
under_load() {
	local text=$1
	requests_reset
	leak_start
	load_start 40 8 / -s "$(close_script)"
	load_start 40 8 /
	"$2" "$text"
	try "$text: the load goes on" load_goes_on
	try "$text: no error for the clients" load_stop
	copy_down
	leak_end "$text"
}

# copies_flow TEXT: at least 100 requests have arrived from now on, so that there is something that
# could leak; and keep-alive connections begin that are copied from their start.
copies_flow() {
	local before
	before=$(requests target)
	wait_for 10 requests_are target $((before + 100)) ||
		not_ok "$1: copies flow (only $(($(requests target) - before)))"
	load_start 40 4 /
}

target_first() {
	lab_daemon target
	intercept
	lab_daemon online
	attach
	copies_flow "$1"
}

online_first() {
	lab_daemon online
	attach
	lab_daemon target
	intercept
	copies_flow "$1"
}

attach_before_intercept() {
	daemons_up
	attach
	intercept
	copies_flow "$1"
}

target_killed() {
	copy_up
	copies_flow "$1"
	daemon_kill target
}

target_killed_restarted() {
	target_killed "$1"
	lab_daemon target
	intercept
	copies_flow "$1"
}

online_killed() {
	copy_up
	copies_flow "$1"
	daemon_kill online
}

link_is_lost() {
	ctl_json online '.result.online[0].reason' status | grep -q .  && not_copying
}

link_cut() {
	local rule=(OUTPUT -p tcp --dport "$FEEDBACK_PORT" -j DROP)
	copy_up
	copies_flow "$1"
	in_ns online "$LAB_IPTABLES" -w -I "${rule[@]}"
	try "$1: copying ends" wait_for 2 link_is_lost
	in_ns online "$LAB_IPTABLES" -w -D "${rule[@]}"
	try "$1: copying comes back by itself" wait_for 5 copying
}

target_stopped() {
	copy_up
	copies_flow "$1"
	try "$1: exit status 0" daemon_stop target
}

online_stopped() {
	copy_up
	copies_flow "$1"
	try "$1: exit status 0" daemon_stop online
}

released() {
	copy_up
	copies_flow "$1"
	try "$1: release succeeds" ask target release eth0
	try "$1: copying ends" wait_for 2 not_copying
	try "$1: intercept again" intercept
	copies_flow "$1"
	try "$1: detach succeeds" ask online detach eth0
}

lab_up
lab_nginx online
lab_nginx target

# The control: a detector that sees nothing would pass everything below.
leak_start
is "control: without us the target answers the client" "$(fetch "$TARGET_IP" /)" 200
capture_stop leak-target
compare "control: packets seen at the target's port" "$CAPTURED" ">=" 3
capture_stop leak-client
compare "control: packets seen at the client" "$CAPTURED" ">=" 3

under_load "target's daemon first" target_first
under_load "online daemon first" online_first
under_load "attach before intercept" attach_before_intercept
under_load "kill -9 of the target's daemon" target_killed
under_load "kill -9 of the target's daemon, started again" target_killed_restarted
under_load "kill -9 of the online daemon" online_killed
under_load "feedback link cut" link_cut
under_load "clean stop of the target's daemon" target_stopped
under_load "clean stop of the online daemon" online_stopped
under_load "release and detach" released
tap_done

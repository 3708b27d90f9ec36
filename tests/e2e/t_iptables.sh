#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Both kinds of iptables; and the rules of a daemon that was killed are found again and removed.
# mostly waits
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

rules() {
	our_rules target "$1" | wc -l
}

no_rules() {
	[ "$(rules "$1")" -eq 0 ]
}

# variant NAME OTHER: all of it with iptables-NAME, while a stranger's rule stands beside ours.
variant() {
	local tool=iptables-$1 stranger=(OUTPUT -p tcp --sport 9999 -j ACCEPT)
	if ! in_ns target "$tool" -w -L -n >/dev/null 2>&1; then
		skip "$tool does not work here"
		return 0
	fi
	in_ns target "$tool" -w -A "${stranger[@]}"
	DAEMON_ENV=("TCPCOPY_IPTABLES=$tool")
	leak_start
	copy_up
	is "$tool: our rules" "$(rules "$tool")" 2
	is "$tool: our rules in the other kind" "$(rules "iptables-$2")" 0
	requests_reset
	try "$tool: load" load 1 8 /
	requests_settle
	is "$tool: requests at the target = online" "$N_TARGET" "$N_ONLINE"

	daemon_kill target
	is "$tool: our rules outlive kill -9, so that nothing leaks" "$(rules "$tool")" 2
	lab_daemon target
	try "$tool: the next start removes them" wait_for 5 no_rules "$tool"
	intercept
	is "$tool: our rules after intercept" "$(rules "$tool")" 2
	try "$tool: copying again" wait_for 5 copying
	copy_down
	is "$tool: our rules after a clean stop" "$(rules "$tool")" 0
	leak_end "$tool"
	try "$tool: the stranger's rule is still there" \
		in_ns target "$tool" -w -C "${stranger[@]}"
	in_ns target "$tool" -w -D "${stranger[@]}"
	DAEMON_ENV=()
}

lab_up
lab_nginx online
lab_nginx target
variant nft legacy
variant legacy nft
tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The systemd unit gives the daemon what it keeps anyway, and little else; the daemon tells its
# manager what the unit says it tells.
# mostly waits
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

UNIT=$(dirname "$0")/../../scripts/systemd/tcpcopyd.service
EXPOSURE=25 # tenths. What is left: uid 0, the host's network, NET_ADMIN, NET_RAW, BPF, /dev/net/tun

trap 'tap_on_exit $?' EXIT

unit() {
	is "capabilities in the unit" "$(sed -n 's/^CapabilityBoundingSet=//p' "$UNIT")" \
		"CAP_BPF CAP_NET_ADMIN CAP_NET_RAW CAP_PERFMON"
	is "the unit's type" "$(sed -n 's/^Type=//p' "$UNIT")" notify
	compare "the unit's watchdog, seconds" "$(sed -n 's/^WatchdogSec=//p' "$UNIT")" ">=" 10
}

exposure() {
	local said status=0
	if ! command -v systemd-analyze >/dev/null ||
		! systemd-analyze security --help 2>/dev/null | grep -q -- --offline; then
		skip "this needs systemd-analyze security --offline (systemd 250)"
		return
	fi
	said=$(systemd-analyze security --offline=true --no-pager --threshold="$EXPOSURE" "$UNIT" 2>&1) ||
		status=$?
	is "exposure is at most $EXPOSURE tenths: $(tail -n 1 <<<"$said" | tr -dc ' -~'): exit status" \
		"$status" 0
	is "lines that systemd does not know" "$(grep -ci 'unknown' <<<"$said" || true)" 0
}

# heard REGEX: the manager was told that, and when the last reload began is no matter.
heard() {
	grep -Eqx -- "$1" "$LAB_DIR/manager.log"
}

pulses() {
	[ "$(grep -cx WATCHDOG=1 "$LAB_DIR/manager.log")" -ge "$1" ]
}

manager() {
	local conf=$LAB_DIR/tcpcopyd.conf
	lab_spawn target "$LAB_DIR/manager.log" "$LAB_HERE/../e2e/manager.py" "$LAB_DIR/notify"
	wait_for 5 heard ready || lab_die "manager.py: $(cat "$LAB_DIR/manager.log")"
	DAEMON_ENV=(NOTIFY_SOCKET="$LAB_DIR/notify" WATCHDOG_USEC=200000)
	# A daemon that cannot do what it was told never says that it is ready.
	echo 'intercept nosuch0 --port 8080' >"$conf"
	lab_daemon_start target --config "$conf"
	try "a command that fails: the daemon ends" wait_for 10 gone "${DAEMON_PID[target]}"
	try "and was never ready" eval '! heard "READY=1.*"'
	daemon_stop target || true
	echo 'intercept eth0 --port 8080' >"$conf"
	lab_daemon target --config "$conf"
	try "ready" wait_for 10 heard 'READY=1 STATUS=ready'
	compare "and the command of the configuration is in force: rules" \
		"$(our_rules target | wc -l)" ">=" 1
	try "a pulse" wait_for 10 pulses 3
	echo 'allow add 198.18.99.0/24' >>"$conf"
	kill -HUP "${DAEMON_PID[target]}"
	try "reloading, with the time" wait_for 10 heard 'RELOADING=1 MONOTONIC_USEC=[0-9]+'
	try "and ready again" wait_for 10 heard 'READY=1 STATUS=configuration reloaded, 0 commands failed'
	echo 'nonsense' >>"$conf"
	kill -HUP "${DAEMON_PID[target]}"
	try "refused, but ready" wait_for 10 heard 'READY=1 STATUS=configuration refused.*'
	daemon_stop target || not_ok "the daemon stops"
	try "stopping" heard STOPPING=1
}

unit
exposure
if [ "$(id -u)" = 0 ]; then
	lab_up
	manager
else
	skip "what the daemon says needs root"
fi
tap_done

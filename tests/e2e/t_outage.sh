#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A way that reorders and repeats, and one that is gone for a while: cut, the target's daemon or
# host gone, the feedback link alone. Each request has an id. What the target misses afterwards the
# online host knows, to the request; what was copied meanwhile was kept, and is not missing.
# Guards invariant 2: nothing leaves while the target has not said that it intercepts.
# engines: nfqueue tc
# mostly waits, 80 s
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"
# shellcheck source=tests/harness/router.sh
. "$(dirname "$0")/../harness/router.sh"
# shellcheck source=tests/harness/ids.sh
. "$(dirname "$0")/../harness/ids.sh"

RATE=1000
OUTAGE=3 # seconds
# What a target has that dies may have been told by none: of two turns of reading receipts (8 ms
# each), and one request of each of the 8 connections.
UNTOLD=$((RATE * 16 / 1000 + 8))

# settled TEXT MOST_MISSING [MOST_UNKNOWN]: the load ends; the ids of both servers against the ledger.
# Of what was under way the ledger may count some as lost that the target had, but did not tell.
settled() {
	ids_end "$1"
	is "$1: ids at the target that come twice, or are none of online" "$WRONG" 0
	compare "$1: ids missing of $(ids_count online)" "$MISSING" "<=" "$2"
	compare "$1: exchanges lost, and requests skipped" "$((LOST + SKIPPED))" ">=" "$MISSING"
	compare "$1: of these at the target" "$((LOST + SKIPPED - MISSING))" "<=" "${3:-0}"
	is "$1: exchanges copied, and requests skipped" "$((COPIED + SKIPPED))" "$(ids_count online)"
}

# over TEXT MOST_MISSING KIND CONNECTIONS REQUESTS RATE: a load over the way as it is.
over() {
	local text=$1 most=$2
	shift 2
	ids_begin "$@"
	settled "$text" "$most"
}

# during KIND CONNECTIONS SECONDS: a load, up to the moment when it is well under way.
during() {
	ids_begin "$1" "$2" $((RATE * $3)) $RATE
	wait_for 10 ids_reach target 300 || not_ok "$1: the load does not get going"
	wait_for 5 copying || not_ok "$1: not copying before the outage"
	COPIES=$(counter copied)
}

# stays_away SECONDS: the outage; no copy leaves in the second half of it.
stays_away() {
	wait_for 2 not_copying || not_ok "copying does not pause"
	COPIES=$(counter copied)
	sleep "$1"
	is "copies that left while the target could not be reached" "$(counter copied)" "$COPIES"
}

# again TEXT: copying goes on by itself.
again() {
	wait_for 10 copying || not_ok "$1: copying does not go on"
}

# direct TEXT: what comes later leaves the direct way, and arrives.
direct() {
	COPIES=$(counter copied)
	over "$1: afterwards" 0 keep 4 200 400
	compare "$1: copies that left the direct way afterwards" $(($(counter copied) - COPIES)) ">=" 200
}

lab_up
router_up
ids_serve online "$ONLINE_IP"
ids_serve target "$TARGET_IP"
copy_up

router_reorders 5
over "5 % reordered, keep-alive" 0 keep 8 1500 500
over "5 % reordered, 32 KB posts" 0 post 4 100 0
over "5 % reordered, one connection a request" 0 close 8 600 300
router_reorders 0
compare "packets that the router put behind others" "$(router_shuffled late)" ">=" 50
router_duplicates 5
over "5 % repeated, keep-alive" 0 keep 8 1500 500
over "5 % repeated, one connection a request" 0 close 8 600 300
router_loses 1
router_reorders 2
over "1 % lost, 2 % reordered, 5 % repeated" 0 keep 8 1500 500
over "1 % lost, 2 % reordered, 5 % repeated, 32 KB posts" 0 post 4 100 0
router_orderly
router_loses 0
compare "packets that the router sent twice" "$(router_shuffled twice)" ">=" 50

# A way that is cut, and there again before the clients are done.
for kind in keep close; do
	during $kind 8 7
	router_cut
	stays_away $OUTAGE
	router_loses 0
	again "$kind: cut"
	settled "$kind: the way cut for $OUTAGE s" 0
	direct "$kind: cut"
done

during keep 8 5
router_cuts_link
stays_away 1
router_loses 0
again "feedback link cut"
settled "the feedback link alone cut" 0
direct "feedback link cut"

# Stopped on purpose: the target says so, and nothing is kept for it.
during keep 8 4
daemon_stop target || not_ok "tcpcopyd at the target does not stop"
wait_for 2 not_copying || not_ok "copying does not end"
lab_daemon target
intercept
again "daemon stopped"
settled "the target's daemon stopped and started" 4000
compare "requests skipped meanwhile" "$SKIPPED" ">=" 100
compare "requests lost when it was stopped" "$LOST" "<=" $UNTOLD

# What had left when the target died is lost, since nobody knows whether the target had it; what
# came later, from 0.7 s on, is kept.
during keep 8 6
daemon_kill target
stays_away 1
lab_daemon target
intercept
again "daemon killed"
settled "the target's daemon killed and started" $RATE $UNTOLD
direct "daemon killed"

# A host that starts again has neither sockets nor rules nor programs.
during keep 8 7
# Like one with a static address, which is there again at once.
[ "$LAB_FAMILY" = 4 ] || in_ns target sysctl -qw net.ipv6.conf.eth0.keep_addr_on_down=1
ip -n "$LAB_ID-target" link set eth0 down
daemon_kill target
lab_stop "${IDS_PID[target]}" KILL || true
in_ns target ss -K -t state all "sport = :$PORT" >/dev/null
in_ns target "$LAB_IPTABLES" -w -F OUTPUT
in_ns target tc qdisc del dev eth0 clsact 2>/dev/null || true
rm -rf "$(pins target)"
stays_away 1
ip -n "$LAB_ID-target" link set eth0 up
ip -n "$LAB_ID-target" -"$LAB_FAMILY" route add default via "$(far_addr 1)"
ids_serve target "$TARGET_IP"
lab_daemon target
intercept
again "host started again"
settled "the target host started again" $((RATE * 3 / 2)) $UNTOLD
direct "host started again"

adds_up "after outages"
is "copies that could not be kept" "$(counter keep_failed)" 0
[ "$TAP_FAILED" -eq 0 ] || show_counters
tap_done

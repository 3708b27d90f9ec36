#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What is lost on the way is sent again: a router that loses copies, and packets of the feedback
# link. Each request has an id; every id that the online host has read is read at the target, just
# once, and the ledger's sums are the truth. Without recovery they are not, which is the control.
# engines: nfqueue tc
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"
# shellcheck source=tests/harness/router.sh
. "$(dirname "$0")/../harness/router.sh"
# shellcheck source=tests/harness/ids.sh
. "$(dirname "$0")/../harness/ids.sh"

SETTLE=20 # seconds; eight timeouts in a row take 18

# delivered TEXT MOST_LOST KIND CONNECTIONS REQUESTS RATE: a load. Every id of the online host is at
# the target, once, but for MOST_LOST at most that the ledger knows of.
delivered() {
	local text=$1 most=$2 lost copied missing
	shift 2
	lost=$(ledger .total.exchanges.lost)
	copied=$(ledger .total.exchanges.copied)
	ids_load "$@"
	wait_for $SETTLE ids_complete || true
	wait_for $SETTLE nothing_under_way || not_ok "$text: something stays under way"
	ids_compare
	missing=$(wc -l <"$LAB_DIR/missing")
	is "$text: ids at the target that come twice, or are none of online" "$(ids_wrong)" 0
	compare "$text: ids missing of $(ids_count online)" "$missing" "<=" "$most"
	[ "$missing" -le "$most" ] ||
		note "lost because of $(ledger .total.exchanges.reasons | tr -d ' \n')"
	is "$text: exchanges lost, as the ledger says" \
		"$(($(ledger .total.exchanges.lost) - lost))" "$missing"
	is "$text: exchanges copied, as the ledger says" \
		"$(($(ledger .total.exchanges.copied) - copied))" "$(ids_count online)"
}

lab_up
router_up
ids_serve online "$ONLINE_IP"
ids_serve target "$TARGET_IP"
copy_up
router_loses 1
delivered "1 % lost, keep-alive, paced" 0 keep 8 600 300
delivered "1 % lost, keep-alive, full speed" 0 keep 8 2000 0
delivered "1 % lost, one connection a request" 0 close 8 400 200
delivered "1 % lost, 32 KB posts" 0 post 4 150 0
adds_up "1 % lost"
router_loses 5
delivered "5 % lost, keep-alive, full speed" 0 keep 8 1000 0
delivered "5 % lost, one connection a request" 0 close 8 300 150
delivered "5 % lost, 32 KB posts" 0 post 4 100 0
adds_up "5 % lost"
# SYN and first request lost together: what comes behind them must not open the connection.
router_loses 15
delivered "15 % lost, 200 new connections" 0 keep 200 1200 0
compare "packets that came for a connection whose SYN was still to come" \
	"$(ctl_json target '.result.target.no_connection' stats)" ">=" 1
adds_up "15 % lost"
compare "copies that the router dropped" "$(router_lost)" ">=" 30
compare "packets sent again" "$(ledger .ledger.resent)" ">=" "$(router_lost)"
is "copies that the journal had no room for" \
	"$(ctl_json online '.result.online.journal_full' stats)" 0
# A FIN, which is no byte of the account, may still be on its way.
try "the journal is empty in the end" wait_for $SETTLE no_records
[ "$TAP_FAILED" -eq 0 ] || show_counters

# The control: the same way without recovery.
ask online detach eth0
ATTACH=(--recovery off)
attach || lab_die "attach failed"
wait_for 5 copying || lab_die "copying does not begin: $(ctl online status)"
ids_load keep 8 1000 0
wait_for 2 ids_complete || true
compare "--recovery off, 5 % lost: ids at the target, of 1000" "$(ids_count target)" "<" 1000
is "--recovery off: what ledger says" "$(ctl online ledger 2>&1 || true)" \
	"tcpcopyctl: there is no ledger: recovery is off; detach, and attach without --recovery off"
tap_done

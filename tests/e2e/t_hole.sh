#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Causality behind a hole: a request is lost on the way, and its client goes on, since it has had its
# answer online. The target must not see the next one, nor the connection's end, before it has had
# the lost one and answered it.
# engines: nfqueue tc
# mostly waits
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"
# shellcheck source=tests/harness/router.sh
. "$(dirname "$0")/../harness/router.sh"

SLOW=$(dirname "$0")/slow.py
ANSWER=300 # bytes

# server HOST DELAY_MS ANSWER_BYTES: what it sees stands in HOST.txt.
server() {
	lab_spawn "$1" "$LAB_DIR/$1.txt" "$SLOW" serve "$PORT" "$2" "$3"
	wait_for 5 lab_listening "$1" "$PORT" || lab_die "slow.py: $(cat "$LAB_DIR/$1.txt")"
}

# saw WORD: how often the target's server said that.
saw() {
	grep -cx -- "$1" "$LAB_DIR/target.txt" || true
}

hold_stat() {
	ctl_json target ".result.hold.$1" stats
}

nothing_held() {
	[ "$(hold_stat connections)" = 0 ]
}

# ledger FILTER: one value of it.
ledger() {
	ctl_json online ".result$1" ledger
}

nothing_under_way() {
	[ "$(ledger '.total | [.bytes, .exchanges] | map(.in_flight + .held) | add')" = 0 ]
}

saw_rest() {
	[ "$(saw request)" -ge "$1" ]
}

# in_order TEXT MOST_LOST CONNECTIONS REQUESTS BYTES HOW: what slow.py's clients ask, and what the
# target sees: all, but for MOST_LOST at most that the ledger calls lost.
in_order() {
	local text=$1 most=$2 want=$(($3 * $4)) word began lost
	shift 2
	: >"$LAB_DIR/target.txt"
	began=$(now_us)
	lost=$(ledger .total.exchanges.lost)
	in_ns client "$SLOW" ask "$ONLINE_IP" "$PORT" "$@" >"$LAB_DIR/ask.txt" ||
		not_ok "$text: clients: $(tail -n 1 "$LAB_DIR/ask.txt")"
	try "$text: nothing is under way any more" wait_for 15 nothing_under_way
	try "$text: nothing is held any more" wait_for 10 nothing_held
	lost=$(($(ledger .total.exchanges.lost) - lost))
	compare "$text: requests lost, as the ledger says" "$lost" "<=" "$most"
	wait_for 2 saw_rest "$((want - lost))" || true
	compare "$text: requests at the target, of $want" "$(saw request)" ">=" "$((want - most))"
	for word in early early-end early-reset broken; do
		is "$text: $word at the target" "$(saw $word)" 0
	done
	note "$text: $((($(now_us) - began) / 1000)) ms"
}

lab_up
router_up
server online 0 $ANSWER
server target 5 $ANSWER
copy_up
router_loses 5
in_order "keep-alive" 0 8 200 64 keep
in_order "half closed" 0 8 60 64 half
# They reset what they do not read: if reset and request are lost together nobody can tell.
in_order "closed at once" 24 8 60 64 close
in_order "large requests" 0 4 40 20000 keep
compare "copies that the router dropped" "$(router_lost)" ">=" 50
compare "packets that waited for what was lost" "$(ctl_json target .result.target.held_gap stats)" ">=" 20
is "connections given up" "$(hold_stat shed_lag) $(hold_stat shed_full)" "0 0"
[ "$TAP_FAILED" -eq 0 ] || show_counters
tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Clients that reset: TCP answers a reset by nothing, and yet the ledger knows what the target has
# read. Each request has an id; a thousand clients reset 0 to 50 ms after theirs. The ids that the
# target has read are the exchanges that the ledger calls acknowledged, and the rest it calls lost.
# engines: nfqueue tc
# mostly waits
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"
# shellcheck source=tests/harness/router.sh
. "$(dirname "$0")/../harness/router.sh"

HERE=$(realpath "$(dirname "$0")")
CLIENTS=1000
SETTLE=15 # seconds; what is not answered after a reset is given up after 3

# serve HOST ADDRESS DELAY_MS
serve() {
	lab_spawn "$1" "$LAB_DIR/ids-$1.out" "$HERE/reset_ids.py" serve "$2" "$PORT" "$LAB_DIR/ids-$1.log" \
		"$3"
	wait_for 5 grep -q ready "$LAB_DIR/ids-$1.out" || lab_die "$(tail -n 1 "$LAB_DIR/ids-$1.out")"
}

# ledger FILTER: one value of it.
ledger() {
	ctl_json online ".result$1" ledger
}

nothing_under_way() {
	[ "$(ledger '.total | [.bytes, .exchanges] | map(.in_flight + .held) | add')" = 0 ]
}

# exchanges: copied, acknowledged, lost, lost{aborted}.
exchanges() {
	ledger '.total.exchanges | "\(.copied) \(.acknowledged) \(.lost) \(.reasons.aborted)"'
}

none_held() {
	[ "$(ctl_json target .result.hold.connections stats)" = 0 ]
}

# resets TEXT LEAST_READ KIND: a load, and what came of it.
resets() {
	local before after kind=$3
	read -ra before <<<"$(exchanges)"
	: >"$LAB_DIR/ids-target.log"
	in_ns client timeout 60 "$HERE/reset_ids.py" load "$ONLINE_IP" "$PORT" "$kind" 20 $CLIENTS \
		>"$LAB_DIR/load.out" 2>&1 || not_ok "clients: $(tail -n 1 "$LAB_DIR/load.out")"
	try "$1: nothing stays under way" wait_for $SETTLE nothing_under_way
	wait_for $SETTLE none_held || not_ok "$1: something stays in the hold queue"
	read -ra after <<<"$(exchanges)"
	is "$1: exchanges copied" "$((after[0] - before[0]))" $CLIENTS
	is "$1: ids that came twice" "$(sort "$LAB_DIR/ids-target.log" | uniq -d | wc -l)" 0
	is "$1: exchanges acknowledged are the ids that the target has read" \
		"$((after[1] - before[1]))" "$(wc -l <"$LAB_DIR/ids-target.log")"
	compare "$1: of these" "$((after[1] - before[1]))" ">=" "$2"
	is "$1: exchanges lost are the others" "$((after[2] - before[2]))" \
		$((CLIENTS - (after[1] - before[1])))
	note "lost{aborted}: $((after[3] - before[3]))"
}

lab_up
router_up
# Slower than any client: so what its clients send behind their first request is no new exchange.
serve online "$ONLINE_IP" 1000
serve target "$TARGET_IP" 0
copy_up
resets "a request" $CLIENTS reset
router_loses 1
resets "1 % lost: a request" $((CLIENTS - 20)) reset
copy_down
# Here nothing keeps a reset from following at the heels of data that the target has read, and will
# acknowledge after 40 ms.
INTERCEPT=(--order relaxed)
router_loses 0
copy_up
resets "read, but not answered" $CLIENTS note
compare "connections that a reset has ended" "$(ctl_json target .result.target.client_resets stats)" \
	">=" $((CLIENTS / 2))
router_loses 1
resets "1 % lost: read, but not answered" $((CLIENTS - 60)) note
[ "$TAP_FAILED" -eq 0 ] || show_counters
tap_done

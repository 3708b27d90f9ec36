# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# ids.sh - requests that have an id each (tests/e2e/ids.py), and what the ledger says of them. Sourced
# after lab.sh and tap.sh. The whole truth of a load is:
#
#	ids at the online host = ids at the target + lost, by the ledger + skipped, by the tap

IDS=$(realpath "$LAB_HERE/../e2e/ids.py")
IDS_SETTLE=${IDS_SETTLE:-20} # seconds; eight timeouts in a row take 18
declare -A IDS_PID

# ids_serve HOST ADDRESS [CAPACITY WORKERS]
ids_serve() {
	local host=$1 log=$LAB_DIR/ids-$1.out
	lab_spawn "$host" "$log" "$IDS" serve "$2" "$PORT" "$LAB_DIR/ids-$host.log" "${@:3}"
	# shellcheck disable=SC2034
	IDS_PID[$host]=$LAST_PID
	wait_for 5 grep -q ready "$log" || lab_die "$(tail -n 1 "$log")"
}

ids_count() {
	wc -l <"$LAB_DIR/ids-$1.log"
}

# ids_reach HOST NUMBER
ids_reach() {
	[ "$(ids_count "$1")" -ge "$2" ]
}

ids_complete() {
	ids_reach target "$(ids_count online)"
}

# ids_reset: forget what was counted. Both servers write with O_APPEND, so this is safe.
ids_reset() {
	: >"$LAB_DIR/ids-online.log"
	: >"$LAB_DIR/ids-target.log"
}

# ids_clients ADDRESS KIND CONNECTIONS REQUESTS RATE...: to the end.
ids_clients() {
	local address=$1
	shift
	in_ns client timeout 60 "$IDS" load "$address" "$PORT" "$@" >"$LAB_DIR/load.out" 2>&1 ||
		not_ok "clients: $(tail -n 1 "$LAB_DIR/load.out")"
}

# ids_load KIND CONNECTIONS REQUESTS RATE...: on the online host, counted anew.
ids_load() {
	ids_reset
	ids_clients "$ONLINE_IP" "$@"
}

# ids_compare: files of ids in the lab's directory: want, got, missing.
ids_compare() {
	sort "$LAB_DIR/ids-online.log" >"$LAB_DIR/want"
	sort "$LAB_DIR/ids-target.log" >"$LAB_DIR/got"
	comm -23 "$LAB_DIR/want" "$LAB_DIR/got" >"$LAB_DIR/missing"
}

# ids_wrong: how many ids the target has more than once, or that are none of the online host's.
ids_wrong() {
	echo $(($(uniq -d "$LAB_DIR/got" | wc -l) + $(comm -13 "$LAB_DIR/want" "$LAB_DIR/got" | wc -l)))
}

# ledger FILTER: one value of it.
ledger() {
	ctl_json online ".result$1" ledger
}

# counter NAME: one of the online host's.
counter() {
	ctl_json online ".result.online.$1" stats
}

nothing_under_way() {
	[ "$(ledger '.total | [.bytes, .exchanges] | map(.in_flight + .held) | add')" = 0 ]
}

no_records() {
	[ "$(ledger .journal.records)" = 0 ]
}

# What is known of all loads: exchanges copied, lost, packets with data that were skipped.
ids_truth() {
	echo "$(ledger '.total.exchanges | "\(.copied) \(.lost)"') $(counter skipped_data)"
}

# ids_begin KIND CONNECTIONS REQUESTS RATE...: in the background.
ids_begin() {
	ids_reset
	IDS_BEFORE=$(ids_truth)
	lab_spawn client "$LAB_DIR/load.out" timeout 90 "$IDS" load "$ONLINE_IP" "$PORT" "$@"
	IDS_LOAD=$LAST_PID
}

# ids_end TEXT: the load ends, and all that was under way is settled. Sets, of this load, MISSING,
# WRONG, COPIED, LOST (both exchanges, by the ledger) and SKIPPED (requests, by the tap).
# shellcheck disable=SC2034
ids_end() {
	local text=$1 before now
	lab_wait "$IDS_LOAD" || not_ok "$text: clients: $(tail -n 1 "$LAB_DIR/load.out")"
	wait_for "$IDS_SETTLE" nothing_under_way || not_ok "$text: something stays under way"
	wait_for 1 ids_complete || true
	read -r -a before <<<"$IDS_BEFORE"
	read -r -a now <<<"$(ids_truth)"
	COPIED=$((now[0] - before[0])) LOST=$((now[1] - before[1])) SKIPPED=$((now[2] - before[2]))
	ids_compare
	MISSING=$(wc -l <"$LAB_DIR/missing")
	WRONG=$(ids_wrong)
	note "$text: online $(ids_count online), at the target $(ids_count target), missing" \
		"$MISSING, wrong $WRONG; copied $COPIED, lost $LOST $(ledger '.total.exchanges.reasons |
		with_entries(select(.value != 0))' | tr -d ' \n'), skipped $SKIPPED"
}

# adds_up TEXT: copied = acknowledged + held + in flight + lost, in each sum there is.
adds_up() {
	is "$1: sums of the ledger that do not add up" "$(ledger ' | [.total, .targets[]] |
		map(.bytes, .exchanges) | map(select(.copied !=
		.acknowledged + .held + .in_flight + .lost or .lost != (.reasons | add))) | length')" 0
}

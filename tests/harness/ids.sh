# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# ids.sh - requests that have an id each (tests/e2e/ids.py), and what the ledger says of them. Sourced
# after lab.sh and tap.sh.

IDS=$(realpath "$LAB_HERE/../e2e/ids.py")
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

# ids_reset: forget what was counted. Both servers write with O_APPEND, so this is safe.
ids_reset() {
	: >"$LAB_DIR/ids-online.log"
	: >"$LAB_DIR/ids-target.log"
}

ids_complete() {
	[ "$(ids_count target)" -ge "$(ids_count online)" ]
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

nothing_under_way() {
	[ "$(ledger '.total | [.bytes, .exchanges] | map(.in_flight + .held) | add')" = 0 ]
}

no_records() {
	[ "$(ledger .journal.records)" = 0 ]
}

# adds_up TEXT: copied = acknowledged + held + in flight + lost, in each sum there is.
adds_up() {
	is "$1: sums of the ledger that do not add up" "$(ledger ' | [.total, .targets[]] |
		map(.bytes, .exchanges) | map(select(.copied !=
		.acknowledged + .held + .in_flight + .lost or .lost != (.reasons | add))) | length')" 0
}

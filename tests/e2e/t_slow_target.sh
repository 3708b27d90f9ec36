#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A target that bears half of the load, behind a router that loses packets. It stays at its own full
# capacity, memory stays within --hold and --retain, what is missing at the target is what the ledger
# calls lost, for the reason that is true, and once the load has dropped everything arrives again.
# The same at the bound of the journal.
# mostly waits, 85 s
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"
# shellcheck source=tests/harness/router.sh
. "$(dirname "$0")/../harness/router.sh"
# shellcheck source=tests/harness/ids.sh
. "$(dirname "$0")/../harness/ids.sh"

CAPACITY=150 # requests a second
LOAD=$((2 * CAPACITY))
LATER=$((CAPACITY / 5))
SECONDS_OF_LOAD=20
SETTLE=15
DAEMON_MB=20 # beside what --hold and --retain allow

# ids_rate HOST SECONDS: requests a second there, from now on, times ten.
ids_rate() {
	local from since
	from=$(ids_count "$1")
	since=$(now_us)
	wait_for "$2" false || true
	echo $((($(ids_count "$1") - from) * 10000000 / ($(now_us) - since)))
}

# resident HOST: most that the daemon there has had, kB. The journal's ring is in it.
resident() {
	awk '$1 == "VmHWM:" { print $2 }' "/proc/${DAEMON_PID[$1]}/status"
}

# lost_by REASON
lost_by() {
	ledger ".total.exchanges.reasons.$1"
}

# copy_anew HOLD MAX_LAG RETAIN: both daemons, from the start.
copy_anew() {
	copy_down
	INTERCEPT=(--hold "$1" --max-lag "$2")
	ATTACH=(--retain "$3")
	HOLD_MB=$1 RETAIN_MB=$3
	copy_up
}

# ids_load_start KIND CONNECTIONS SECONDS AFTER: twice the capacity, then a fifth of it, on the same
# connections.
ids_load_start() {
	ids_reset
	lab_spawn client "$LAB_DIR/load.out" timeout 120 "$IDS" load "$ONLINE_IP" "$PORT" "$1" "$2" \
		$((LOAD * $3)) $LOAD $((LATER * $4)) $LATER
	LOAD_PID=$LAST_PID
}

# memory_is_bound TEXT
memory_is_bound() {
	compare "$1: memory of the daemon at the target, kB" "$(resident target)" "<=" \
		$(((HOLD_MB + DAEMON_MB) * 1024))
	compare "$1: memory of the daemon online, kB" "$(resident online)" "<=" \
		$(((RETAIN_MB + DAEMON_MB) * 1024))
}

all_but_lost() {
	[ $(($(ids_count target) + $(ledger .total.exchanges.lost))) -ge "$(ids_count online)" ]
}

# accounts_are_true TEXT REASON SLACK: the ledger's figures are those of the servers, and all that is
# missing is lost for that one reason, but for SLACK requests.
accounts_are_true() {
	local missing lost under_way
	# What is acknowledged may still wait for its turn in the server.
	wait_for 10 all_but_lost || true
	ids_compare
	missing=$(wc -l <"$LAB_DIR/missing")
	lost=$(ledger .total.exchanges.lost)
	under_way=$(ledger .total.exchanges.in_flight)
	is "$1: ids at the target that come twice, or are none of online" "$(ids_wrong)" 0
	is "$1: exchanges copied, as the ledger says" "$(ledger .total.exchanges.copied)" \
		"$(ids_count online)"
	is "$1: lost or under way = ids missing of $(ids_count online)" \
		"$((lost + under_way))" "$missing"
	compare "$1: under way, or lost for another reason than $2" \
		$((under_way + lost - $(lost_by "$2"))) "<=" "$3"
	compare "$1: lost{$2}" "$(lost_by "$2")" ">" 0
	adds_up "$1"
}

# missing_from NUMBER: ids from that on that are not at the target.
missing_from() {
	awk -F/ -v n="$1" '$2 >= n' "$LAB_DIR/missing" | wc -l
}

# overload TEXT KIND CONNECTIONS SLACK: the whole of it.
overload() {
	local text=$1 rate
	ids_load_start "$2" "$3" $SECONDS_OF_LOAD 8
	wait_for 20 ids_reach online $((LOAD * 3 / 2)) || lab_die "the load does not start"
	rate=$(ids_rate target $((SECONDS_OF_LOAD - 3)))
	compare "$text: requests a second at the target, of $((OWN_RATE / 10)) that it can, times ten" \
		"$rate" ">=" $((OWN_RATE * 97 / 100))
	lab_wait "$LOAD_PID" || not_ok "$text: clients: $(tail -n 1 "$LAB_DIR/load.out")"
	wait_for $SETTLE nothing_under_way || note "$text: something stays under way"
	accounts_are_true "$text" too_slow "$4"
	is "$text: ids missing after the load has dropped, but for a second" \
		"$(missing_from $((LOAD * SECONDS_OF_LOAD + LATER)))" 0
	compare "$text: copies that the router dropped" "$(router_lost)" ">=" 30
	memory_is_bound "$text"
}

# retention_bound: for two seconds nothing that is sent to the target arrives. It has time enough: the
# load is what it can bear.
retention_bound() {
	local text="at the bound of --retain"
	ids_reset
	lab_spawn client "$LAB_DIR/load.out" timeout 120 "$IDS" load "$ONLINE_IP" "$PORT" form 16 \
		$((CAPACITY * 8)) $((CAPACITY * 4 / 5))
	LOAD_PID=$LAST_PID
	wait_for 10 ids_reach target $CAPACITY || lab_die "the load does not start"
	router_loses_copies
	wait_for 10 ids_reach online $((CAPACITY * 3)) || lab_die "the load does not go on"
	router_loses 0
	lab_wait "$LOAD_PID" || not_ok "$text: clients: $(tail -n 1 "$LAB_DIR/load.out")"
	wait_for $SETTLE nothing_under_way || note "$text: something stays under way"
	accounts_are_true "$text" retention 0
	compare "$text: connections reset at the target" "$(ledger .ledger.resets)" ">" 0
	compare "$text: connections taken up again" "$(ctl_json target .result.target.adopted stats)" \
		">" 0
	is "$text: ids missing of the last $CAPACITY" "$(missing_from $((CAPACITY * 7)))" 0
	memory_is_bound "$text"
}

lab_up
router_up
ids_serve online "$ONLINE_IP"
ids_serve target "$TARGET_IP" $CAPACITY 32
lab_spawn client "$LAB_DIR/own.out" timeout 60 "$IDS" load "$TARGET_IP" "$PORT" form 16 \
	$((CAPACITY * 6)) 0
own=$LAST_PID
wait_for 10 ids_reach target $CAPACITY || lab_die "the target does not answer"
OWN_RATE=$(ids_rate target 3)
note "the target by itself: $OWN_RATE requests in ten seconds"
lab_wait "$own" || lab_die "clients of the target: $(tail -n 1 "$LAB_DIR/own.out")"

copy_anew 4 5 8
router_loses 1
overload "keep-alive" form 16 0
[ "$TAP_FAILED" -eq 0 ] || show_counters
router_loses 0
copy_anew 4 3 8
router_loses 1
# What the hold queue has let go and the target's full accept queue drops all the same is thought to be
# held there, until 60 s have passed or the client uses its port again.
overload "one connection a request" close 64 $((LOAD * SECONDS_OF_LOAD / 500))
[ "$TAP_FAILED" -eq 0 ] || show_counters

# Copies get lost, the link does not: the journal fills up, and connections have to go.
copy_anew 16 10 1
retention_bound
[ "$TAP_FAILED" -eq 0 ] || show_counters
copy_down
tap_done

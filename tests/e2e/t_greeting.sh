#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Servers that speak first: what a client said after the online host's greeting does not reach the
# target before the target has greeted, whenever it does and whatever it says. Where clients speak
# first, nothing waits.
# mostly waits, 30 s
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

GREET=$(dirname "$0")/greet.py
BANNER=60                  # bytes of the online server's greeting
FIRST_IP=$LAB_NET.101      # clients from here speak first: one port, two protocols
TARGET_PID=

# server HOST DELAY_MS SIZES: what it sees stands in HOST.txt.
server() {
	lab_spawn "$1" "$LAB_DIR/$1.txt" "$GREET" serve "$PORT" "$2" "$3" "$FIRST_IP"
	wait_for 5 lab_listening "$1" "$PORT" || lab_die "greet.py: $(cat "$LAB_DIR/$1.txt")"
}

# target_greets DELAY_MS SIZES: in place of the one before.
target_greets() {
	[ -z "$TARGET_PID" ] || lab_stop "$TARGET_PID" || true
	server target "$1" "$2"
	TARGET_PID=$LAST_PID
}

# saw WORD: how often the target's server said that.
saw() {
	grep -cx -- "$1" "$LAB_DIR/target.txt" || true
}

# saw_all COUNT: it is done with so many connections, one way or another.
saw_all() {
	[ "$(wc -l <"$LAB_DIR/target.txt")" -ge "$1" ]
}

stat_of() {
	ctl_json "$1" ".result.$2" stats
}

# begin [OPTIONS]: both daemons, with these options of intercept.
begin() {
	daemons_up
	ask target intercept eth0 --port "$PORT" "$@" || lab_die "intercept failed"
	attach || lab_die "attach failed"
	wait_for 5 copying || lab_die "copying does not begin: $(ctl online status)"
}

finish() {
	[ "$TAP_FAILED" -eq 0 ] || show_counters
	copy_down
}

# sessions TEXT COUNT HOW [ADDRESS]: the clients do their work, undisturbed; the target does too.
sessions() {
	local text=$1 count=$2
	shift 2
	: >"$LAB_DIR/target.txt"
	try "$text: no error for the clients" in_ns client "$GREET" ask "$ONLINE_IP" "$PORT" \
		"$count" 20 "$@" >"$LAB_DIR/ask.txt"
	grep . "$LAB_DIR/ask.txt"
	wait_for 20 saw_all "$count" || true
}

# all_well TEXT WORD COUNT: every connection ended well at the target.
all_well() {
	is "$1: at the target, $2" "$(saw "$2")" "$3"
	is "$1: refused by the target, or broken" "$(grep -cvx "$2" "$LAB_DIR/target.txt" || true)" 0
}

# gave_up_nothing TEXT: so far.
gave_up_nothing() {
	is "$1: connections given up" \
		"$(stat_of target hold.shed_lag) $(stat_of target hold.shed_full)" "0 0"
	is "$1: packets lost" "$(stat_of target hold.lost) $(stat_of target hold.device_dropped)" "0 0"
}

strict() {
	begin
	target_greets 50 $BANNER
	sessions "late greeting" 500 greeted
	all_well "late greeting" session 500
	is "late greeting: copies that carry one" "$(stat_of online online.greetings)" 500
	compare "late greeting: first words that had to wait" \
		"$(stat_of target target.held_greeting)" ">=" 250
	is "late greeting: released by time" "$(stat_of target hold.released_quiet)" 0
	sessions "only to look" 100 look
	all_well "only to look" look 100
	gave_up_nothing "late greeting"
}

other_greetings() {
	local quiet
	target_greets 50 $((BANNER - 4))
	sessions "a little shorter" 100 greeted
	all_well "a little shorter" session 100
	target_greets 50 $((BANNER * 50))
	sessions "much longer" 100 greeted
	all_well "much longer" session 100
	target_greets 50 $((BANNER / 3))
	quiet=$(stat_of target hold.released_quiet)
	sessions "much shorter" 100 greeted
	all_well "much shorter" session 100
	compare "much shorter: released when the target was quiet" \
		$(($(stat_of target hold.released_quiet) - quiet)) ">=" 50
	target_greets 20 $((BANNER / 3)),$((BANNER / 3)),$((BANNER / 3))
	quiet=$(stat_of target hold.released_quiet)
	sessions "in three parts" 100 greeted
	# A machine that leaves the server alone for 100 ms makes it look as if it had finished.
	quiet=$(($(stat_of target hold.released_quiet) - quiet))
	compare "in three parts: refused" "$(saw early)" "<=" "$quiet"
	compare "in three parts: sessions" "$(saw session)" ">=" $((100 - quiet))
	gave_up_nothing "other greetings"
}

# A client that speaks first has nothing to wait for, also on a port where others have.
client_first() {
	local held greetings
	target_greets 50 $BANNER
	greetings=$(stat_of online online.greetings)
	held=$(stat_of target target.held_greeting)
	sessions "client first" 100 first "$FIRST_IP"
	all_well "client first" session 100
	is "client first: copies with a greeting" \
		$(($(stat_of online online.greetings) - greetings)) 0
	is "client first: first words that had to wait" \
		$(($(stat_of target target.held_greeting) - held)) 0
	: >"$LAB_DIR/target.txt"
	lab_spawn client "$LAB_DIR/first.txt" "$GREET" ask "$ONLINE_IP" "$PORT" 200 10 first \
		"$FIRST_IP"
	try "mixed: no error for the clients" in_ns client "$GREET" ask "$ONLINE_IP" "$PORT" 200 10 \
		greeted
	try "mixed: nor for those who speak first" lab_wait "$LAST_PID"
	wait_for 20 saw_all 400 || true
	all_well "mixed" session 400
	is "mixed: copies with a greeting" $(($(stat_of online online.greetings) - greetings)) 200
	gave_up_nothing "mixed"
	is "handshakes forgotten" "$(stat_of online online.handshakes_lost)" 0
	finish
}

# The other engine sees the SYN-ACK and the greeting elsewhere.
engine_tc() {
	begin --engine tc
	target_greets 50 $BANNER
	sessions "engine tc" 100 greeted
	all_well "engine tc" session 100
	compare "engine tc: first words that had to wait" \
		"$(stat_of target target.held_greeting)" ">=" 50
	is "engine tc: released by time" "$(stat_of target hold.released_quiet)" 0
	gave_up_nothing "engine tc"
	finish
}

# The control: the detector sees what strict order prevents.
relaxed() {
	begin --order relaxed
	target_greets 50 $BANNER
	sessions "relaxed" 200 greeted
	compare "relaxed: refused by the target" "$(saw early)" ">=" 50
	is "relaxed: packets held" "$(stat_of target target.held)" 0
	finish
}

# No greeting within --max-lag: given up, never let through.
silent() {
	begin --max-lag 1
	target_greets 3600000 $BANNER
	sessions "no greeting" 10 greeted
	is "no greeting: connections given up" "$(stat_of target hold.shed_lag)" 10
	all_well "no greeting" early-reset 10
	finish
}

lab_up
server online 0 $BANNER
leak_start
strict
other_greetings
client_first
engine_tc
relaxed
silent
leak_end "all of it"
tap_done

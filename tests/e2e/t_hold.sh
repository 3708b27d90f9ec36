#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Causality: a target that is slower than the online host gets no request, and no end of a
# connection, before it has answered the request before it. What cannot be held any longer, or
# would take too much memory, is given up, counted, and ended at the target too.
# mostly waits, 33 s
# engines: nfqueue tc
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

SLOW=$(dirname "$0")/slow.py
ANSWER=300   # bytes of the online server's answers
TARGET_PID=  # of the slow server

# server HOST DELAY_MS ANSWER_BYTES: what it sees stands in HOST.txt.
server() {
	lab_spawn "$1" "$LAB_DIR/$1.txt" "$SLOW" serve "$PORT" "$2" "$3"
	wait_for 5 lab_listening "$1" "$PORT" || lab_die "slow.py: $(cat "$LAB_DIR/$1.txt")"
}

# slow_target DELAY_MS ANSWER_BYTES: in place of the one before.
slow_target() {
	[ -z "$TARGET_PID" ] || lab_stop "$TARGET_PID" || true
	server target "$1" "$2"
	TARGET_PID=$LAST_PID
}

# saw HOST WORD: how often the server there said that.
saw() {
	grep -cx -- "$2" "$LAB_DIR/$1.txt" || true
}

saw_requests() {
	[ "$(saw target request)" -ge "$1" ]
}

hold_stat() {
	ctl_json target ".result.hold.$1" stats
}

hold_stat_is() {
	[ "$(hold_stat "$1")" -ge "$2" ]
}

# What was released is kept until the target's TCP has acknowledged it.
nothing_held() {
	[ "$(hold_stat connections)" = 0 ] && [ "$(hold_stat bytes)" = 0 ]
}

# told COUNTER: what the online host has heard of the hold queue.
told() {
	ctl_json online ".result.link.$1" stats
}

told_is() {
	[ "$(told "$1")" -ge "$2" ]
}

# sent: what the target host has sent of it.
sent() {
	ctl_json target '.result.feedback | "\(.held) \(.shed) \(.held_dropped)"' stats
}

told_same() {
	[ "$(told held) $(told shed) 0" = "$(sent)" ]
}

# told_all TEXT: and whatever it was, nothing of it was lost on the way.
told_all() {
	try "$1: the online host has heard all that was sent" wait_for 5 told_same ||
		echo "heard $(told held) $(told shed), sent $(sent)"
}

held() {
	ctl_json target .result.target.held stats
}

# begin [OPTIONS]: both daemons, with these options of intercept.
begin() {
	daemons_up
	ask target intercept eth0 --port "$PORT" --engine "$ENGINE" "$@" || lab_die "intercept failed"
	attach || lab_die "attach failed"
	wait_for 5 copying || lab_die "copying does not begin: $(ctl online status)"
}

# asked TEXT CONNECTIONS REQUESTS BYTES HOW: the clients do their work, undisturbed.
asked() {
	local text=$1
	shift
	try "$text: no error for the clients" in_ns client "$SLOW" ask "$ONLINE_IP" "$PORT" "$@" \
		>"$LAB_DIR/ask.txt"
	grep . "$LAB_DIR/ask.txt"
}

# in_order TEXT CONNECTIONS REQUESTS BYTES HOW: and the target sees the same, each in its time.
in_order() {
	local text=$1 want=$(($2 * $3)) word
	: >"$LAB_DIR/target.txt"
	asked "$@"
	wait_for 20 saw_requests "$want" || true
	wait_for 5 nothing_held || true
	is "$text: requests at the target" "$(saw target request)" "$want"
	for word in early early-end early-reset broken; do
		is "$text: $word at the target" "$(saw target $word)" 0
	done
	is "$text: connections still held" "$(hold_stat connections)" 0
	is "$text: memory still held" "$(hold_stat bytes)" 0
}

# gave_up TEXT: nothing had to be given up so far.
gave_up_nothing() {
	is "$1: connections given up" "$(hold_stat shed_lag) $(hold_stat shed_full)" "0 0"
	is "$1: packets lost" \
		"$(hold_stat lost) $(hold_stat device_dropped) $(hold_stat write_failed)" "0 0 0"
}

established() {
	in_ns target ss -Htn state established "sport = :$PORT" | wc -l
}

none_established() {
	[ "$(established)" = 0 ]
}

strict() {
	begin
	slow_target 50 $ANSWER
	in_order "strict" 8 50 64 keep
	compare "strict: packets that had to wait" "$(held)" ">=" 350
	is "strict: no answer had to be guessed at" "$(hold_stat released_quiet)" 0
	compare "strict: bytes that the online host knows to wait there" "$(told held_bytes)" ">=" $((350 * 64))
	is "strict: connections that it knows to be given up" "$(told shed)" 0
	in_order "closed at once" 8 50 64 close
	in_order "reset at once" 8 50 64 reset
	in_order "closed before the last answer" 8 10 64 leave
	in_order "uploads" 8 10 200000 keep
	gave_up_nothing "strict"
	slow_target 50 $((ANSWER - 10))
	in_order "answers a little shorter" 8 10 64 keep
	slow_target 50 $((ANSWER * 20))
	in_order "answers much longer" 8 10 64 keep
	slow_target 20 $((ANSWER / 3))
	in_order "answers much shorter" 8 10 64 keep
	compare "answers much shorter: packets that waited for quiet" \
		"$(hold_stat released_quiet)" ">=" 60
	gave_up_nothing "other answers"
	told_all "other answers"
	copy_down
}

# The control: the detector sees what strict order prevents.
relaxed() {
	begin --order relaxed
	slow_target 50 $ANSWER
	asked "relaxed" 8 50 64 keep
	wait_for 20 saw_requests 400 || true
	is "relaxed: requests at the target" "$(saw target request)" 400
	compare "relaxed: requests that came early" "$(saw target early)" ">=" 100
	is "relaxed: packets held" "$(held)" 0
	is "relaxed: devices of the hold queue" "$(our_devices target)" ""
	copy_down
}

# stopped TEXT COUNTER CONNECTIONS REQUESTS BYTES: a target that does not run at all.
stopped() {
	local text=$1 counter=$2
	slow_target 0 $ANSWER
	shift 2
	kill -STOP "$TARGET_PID"
	asked "$text" "$@" keep
	try "$text: the online host hears what waits" wait_for 5 told_is held_bytes "$3"
	try "$text: connections are given up" wait_for 10 hold_stat_is "$counter" 1
}

# server_is_done: it has read, and closed, all that it was left with.
server_is_done() {
	local pid
	pid=$(pgrep -o -g "$TARGET_PID" -f slow.py) || return 1
	[ "$(in_ns target ss -Hltn "sport = :$PORT" | awk '{ print $2 }')" = 0 ] &&
		[ "$(find "/proc/$pid/fd" -lname 'socket:*' | wc -l)" = 1 ]
}

# again TEXT: what comes after that.
again() {
	kill -CONT "$TARGET_PID"
	try "$1: nothing is held any more" wait_for 10 nothing_held
	try "$1: the server is done with what was given up" wait_for 10 server_is_done
	in_order "$1, running again" 4 10 64 keep
}

too_slow() {
	begin --max-lag 2
	stopped "stopped target" shed_lag 8 10 64
	try "stopped target: all 8 are" wait_for 5 hold_stat_is shed_lag 8
	is "stopped target: and no more" "$(hold_stat shed_lag)" 8
	compare "stopped target: packets lost with them" "$(hold_stat lost)" ">=" 72
	try "stopped target: the online host hears of it" wait_for 5 told_is shed_slow 8
	is "stopped target: of nothing else" "$(told shed) $(told shed_slow)" "8 8"
	# 10 requests, of which the first went on to the socket, and the FIN.
	compare "stopped target: bytes that were there" "$(told held_bytes)" ">=" $((8 * (9 * 64 + 1)))
	told_all "stopped target"
	try "stopped target: none of its connections is left" wait_for 5 none_established
	is "stopped target: connections held" "$(hold_stat connections)" 0
	compare "stopped target: it is said in the log" \
		"$(grep -c 'too slow' "$LAB_DIR/daemon-target.log")" ">=" 1
	again "stopped target"
	copy_down
}

too_much() {
	local peak
	# Else it would spare a target whose queue is full.
	ATTACH=(--target-guard off)
	begin --hold 1 --max-lag 5
	stopped "small queue" shed_full 16 40 32000
	told_all "small queue"
	compare "small queue: memory held, bytes" "$(hold_stat bytes)" "<=" $((1 << 20))
	peak=$(awk '$1 == "VmHWM:" { print $2 }' "/proc/${DAEMON_PID[target]}/status")
	compare "small queue: peak memory of the daemon, kB" "$peak" "<" $((21 * 1024))
	again "small queue"
	copy_down
}

lab_up
server online 0 $ANSWER
leak_start
strict
relaxed
too_slow
too_much
[ "$TAP_FAILED" -eq 0 ] || show_counters
leak_end "all of it"
tap_done

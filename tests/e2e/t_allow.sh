#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The allow-list, changed while copying runs: a client in it uses the target as if we were not
# there, and what it sends to the online host is not copied. Both within 100 ms of the command where
# nothing else runs: the figures are in the results. Beside other tests the bound only tells whether
# something waits that should not.
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

LIMIT_MS=500
STREAM_PORT=40101
HERE=$(dirname "$0")

# probe NAME MODE SERVER SOURCE [SOURCE-PORT]: start a probe.py; PROBE_PID.
probe() {
	local name=$1 mode=$2 server=$3 source=$4
	shift 4
	lab_spawn client "$LAB_DIR/$name.txt" "$HERE/probe.py" "$mode" "$server" "$PORT" \
		"$source" "$@"
	PROBE_PID=$LAST_PID
	wait_for 5 test -s "$LAB_DIR/$name.txt" || lab_die "probe $name gives no result"
}

# first_after NAME RESULT TIME: end of the first attempt with this result that ended after TIME.
first_after() {
	awk -v r="$2" -v t="$3" '$3 == r && $2 > t { print $2; exit }' "$LAB_DIR/$1.txt"
}

has_after() {
	[ -n "$(first_after "$@")" ]
}

# began_after NAME RESULT TIME: how many such attempts began after TIME.
began_after() {
	awk -v r="$2" -v t="$3" '$3 == r && $1 > t { n++ } END { print n + 0 }' "$LAB_DIR/$1.txt"
}

began_at_least() {
	[ "$(began_after "$1" "$2" "$3")" -ge "$4" ]
}

# last_begun NAME RESULT: when the last such attempt began.
last_begun() {
	awk -v r="$2" '$3 == r && $1 > t { t = $1 } END { printf "%.0f", t }' "$LAB_DIR/$1.txt"
}

# show_attempts TIME: the first that failed after it, for the reader of a failure.
show_attempts() {
	awk -v t="$1" '$1 > t && $3 != "ok" {
		printf "#   begun %.1f ms after, ended %.1f ms after: %s %s\n",
			($1 - t) / 1000, ($2 - t) / 1000, $3, $4
	}' "$LAB_DIR/direct.txt" | head -n 20
}

ms_since() {
	awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f", (b - a) / 1000 }'
}

# last_copied NAME: when the stream sent the last of its requests that the target has seen.
last_copied() {
	local last
	last=$(grep -o '/m/s[0-9]*' "$LAB_DIR/nginx-target/access.log" | tail -n 1)
	awk -v n="${last#/m/}" '$3 == n { print $1 }' "$LAB_DIR/$1.txt"
}

# not_copied TEXT SOURCE: a request from SOURCE does not reach the target. The later one of another
# client does; it tells us that we have waited long enough.
not_copied() {
	local mark=$RANDOM$RANDOM
	is "$1: the online host answers" "$(fetch "$ONLINE_IP" "/m/a$mark" --interface "$2")" 200
	is "$1: and another client" "$(fetch "$ONLINE_IP" "/m/b$mark" --interface "$LAB_NET.120")" 200
	try "$1: the other client's request is copied" wait_for 3 seen target "/m/b$mark"
	is "$1: copies at the target" "$(requests_match "/m/a$mark " target)" 0
}

copied() {
	local mark=$RANDOM$RANDOM
	is "$1: the online host answers" "$(fetch "$ONLINE_IP" "/m/a$mark" --interface "$2")" 200
	try "$1: the request is copied" wait_for 3 seen target "/m/a$mark"
}

queue_packets() {
	ctl_json target '.result | .queue.packets + .target.absorbed + .target.absorbed_quiet' stats
}

# While wrk loads the online host from .1: .101 has one stream through the online host and tries
# the target directly all the time.
allow_one() {
	local ip=$LAB_NET.101 before after probe stream
	LEAK_EXCEPT="host $ip and not port $STREAM_PORT"
	leak_start
	load_start 5 8 /
	probe stream stream "$ONLINE_IP" "$ip" "$STREAM_PORT"
	stream=$PROBE_PID
	wait_for 3 seen target /m/s1 || not_ok "before: the stream is copied"
	probe direct direct "$TARGET_IP" "$ip"
	probe=$PROBE_PID
	wait_for 3 began_at_least direct none 0 10 || not_ok "before: the target does not answer"
	is "before: direct attempts that were answered" "$(began_after direct ok 0)" 0

	before=$(now_us)
	try "allow add /32" ask target allow add "$ip/32"
	after=$(now_us)
	note "the command took $(ms_since "$before" "$after") ms"
	try "the online host hears of copied connections that were ended" wait_for 5 heard_ended
	try "the target answers the client" wait_for 5 has_after direct ok "$before"
	compare "ms from allow add to the first answer" \
		"$(ms_since "$before" "$(first_after direct ok "$before")")" "<=" $LIMIT_MS
	compare "ms from allow add to the last copied request" \
		"$(ms_since "$before" "$(last_copied stream)")" "<=" $LIMIT_MS
	# Long enough for those that fail to be noticed: 300 ms, one attempt every 5 ms.
	try "direct attempts go on" wait_for 5 began_at_least direct ok "$after" 100
	is "direct attempts begun after the command that failed" \
		"$(began_after direct none "$after")" 0
	[ "$(began_after direct none "$after")" = 0 ] || show_attempts "$after"

	before=$(now_us)
	try "allow del /32" ask target allow del "$ip/32"
	after=$(now_us)
	note "the command took $(ms_since "$before" "$after") ms"
	try "the target answers no more" wait_for 5 began_at_least direct none "$after" 20
	compare "ms from allow del to the last attempt that was answered" \
		"$(ms_since "$before" "$(last_begun direct ok)")" "<=" $LIMIT_MS
	try "the stream saw no error" alive "$stream"
	lab_stop "$probe" || true
	lab_stop "$stream" || true
	is "errors of the stream" "$(grep -c error "$LAB_DIR/stream.txt" || true)" 0
	try "no error for the other clients" load_end
	leak_end "allow add and del under load"
	copied "after allow del" "$ip"
}

# The online host has heard that copied connections were ended, and not for a slow target.
heard_ended() {
	[ "$(ctl_json online '.result.link | .shed - .shed_slow' stats)" -ge 1 ]
}

# A prefix .112 - .119, and its neighbours on both sides; no other traffic, so that the counters of
# the queue stand still for everybody who is allowed.
allow_prefix() {
	local prefix=$LAB_NET.112/29 n
	try "allow add /29" ask target allow add "$prefix"
	is "allow list" "$(ctl_json target '.result | tostring' allow list | grep -c "$prefix")" 1
	for n in 112 119; do
		is "client .$n inside the prefix reaches the target" \
			"$(fetch "$TARGET_IP" / --interface "$LAB_NET.$n")" 200
		not_copied "client .$n inside" "$LAB_NET.$n"
	done
	for n in 111 120; do
		is "client .$n outside the prefix does not" \
			"$(fetch "$TARGET_IP" / --interface "$LAB_NET.$n" --max-time 0.4)" 000
		copied "client .$n outside" "$LAB_NET.$n"
	done
}

# The clients outside have given up: their connections were aborted, so nothing retransmits.
queue_untouched() {
	local before i
	wait_for 5 queue_is_idle || not_ok "the queue comes to rest"
	before=$(queue_packets)
	for i in $(seq 20); do
		[ "$(fetch "$TARGET_IP" /100k --interface "$LAB_NET.113")" = 200 ] ||
			not_ok "request $i of an allowed client"
	done
	is "packets kept inside for 20 responses of 100 KB to an allowed client" \
		$(($(queue_packets) - before)) 0
	compare "control: packets kept inside so far" "$before" ">" 0
	try "allow del /29" ask target allow del "$LAB_NET.112/29"
	is "after allow del the client does not reach the target" \
		"$(fetch "$TARGET_IP" / --interface "$LAB_NET.113" --max-time 0.4)" 000
	copied "after allow del" "$LAB_NET.113"
}

# Two readings one after the other that are the same.
QUEUE_LAST=
queue_is_idle() {
	local reading
	reading=$(queue_packets)
	[ "$reading" = "$QUEUE_LAST" ] && return 0
	QUEUE_LAST=$reading
	return 1
}

lab_up
lab_nginx online
lab_nginx target
copy_up
allow_one
allow_prefix
queue_untouched
copy_down
tap_done

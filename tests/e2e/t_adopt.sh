#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Connections that the target does not have, or has in the way. One that was open before attach is
# taken up at its next request, without a gap from there on; never in the middle of a request; and
# not at all with --adopt none. One that the target has kept too long makes room for a new one.
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

N_CLIENTS=20

# client WHAT CONNECTIONS [NAME]: an adopt_client.py, whose connections have been answered; CLIENT_PID.
client() {
	local log=$LAB_DIR/client.log
	lab_spawn client "$log" "$LAB_HERE/../e2e/adopt_client.py" "$1" "$ONLINE_IP" "$PORT" "${@:2}"
	CLIENT_PID=$LAST_PID
	wait_for 20 grep -q ready "$log" || lab_die "adopt_client.py: $(tail -n 1 "$log")"
}

# client_end TEXT: nothing went wrong for the clients.
client_end() {
	try "$1: no error for the clients" lab_stop "$CLIENT_PID" TERM 10
}

counter() {
	ctl_json target ".result.target.$1" stats
}

counter_is() {
	[ "$(counter "$1")" -ge "$2" ]
}

# asked_again FILE: every numbered connection has been answered at the target since.
asked_again() {
	[ "$(awk '{ split($3, p, "/"); seen[p[3]] = 1 } END { print length(seen) }' \
		"$LAB_DIR/nginx-target/access.log")" -ge "$N_CLIENTS" ]
}

# gaps: requests that the target lacks, of the numbers from the first it has of each connection to
# the last that the online host has; a request out of order or seen twice counts too.
gaps() {
	awk '{ split($3, p, "/") }
		p[2] != "m" { next }
		FILENAME == ARGV[1] { last[p[3]] = p[4]; next }
		p[3] in next_one && p[4] != next_one[p[3]] { wrong++ }
		{ next_one[p[3]] = p[4] + 1 }
		END {
			for (c in next_one)
				if (next_one[c] != last[c] + 1)
					wrong++
			print wrong + 0
		}' "$LAB_DIR/nginx-online/access.log" "$LAB_DIR/nginx-target/access.log"
}

# not_200: what the target answered otherwise. A request that is none has the status 400.
not_200() {
	awk '$4 != 200' "$LAB_DIR/nginx-target/access.log" | wc -l
}

begin() {
	daemons_up
	ask target intercept eth0 --port "$PORT" --engine "$ENGINE" "$@" || lab_die "intercept failed"
	requests_reset
}

attach_now() {
	attach || lab_die "attach failed"
	wait_for 5 copying || lab_die "copying does not begin: $(ctl online status)"
}

detach() {
	ask online detach eth0 || lab_die "detach failed"
}

busy_connections() {
	begin
	load_start 4 200 /
	wait_for 5 requests_are online 2000 || lab_die "the load is too slow"
	attach_now
	try "200 busy connections are taken up" wait_for 5 counter_is adopted 200
	try "200 busy connections: no error for the clients" load_end
	is "200 busy connections: taken up in all" "$(counter adopted)" 200
	is "200 busy connections: answers other than 200" "$(not_200)" 0
	compare "200 busy connections: requests at the target" "$(requests target)" ">=" 2000
	copy_down
}

numbered_requests() {
	begin
	client numbers "$N_CLIENTS"
	attach_now
	try "numbered requests: every connection is taken up" wait_for 5 asked_again
	wait_for 5 requests_are target 4000 || true
	client_end "numbered requests"
	wait_for 3 no_gaps || true
	is "numbered requests: missing or in disorder since" "$(gaps)" 0
	is "numbered requests: connections taken up" "$(counter adopted)" "$N_CLIENTS"
	is "numbered requests: answers other than 200" "$(not_200)" 0
	compare "numbered requests: at the target" "$(requests target)" ">=" 4000
	copy_down
}

no_gaps() {
	[ "$(gaps)" = 0 ]
}

# more_online COUNT: so many requests since N_BEFORE.
more_online() {
	requests_are online $((N_BEFORE + $1))
}

# never_sent: requests at the target that the online host has not seen.
never_sent() {
	awk 'FILENAME == ARGV[1] { sent[$2 $3] = 1; next }
		!($2 $3 in sent) { n++ }
		END { print n + 0 }' \
		"$LAB_DIR/nginx-online/access.log" "$LAB_DIR/nginx-target/access.log"
}

# malformed: what was no request for the target: it has no name of a method in the log.
malformed() {
	awk '$2 != "GET" && $2 != "POST"' "$LAB_DIR/nginx-target/access.log" | wc -l
}

# Copying stops and goes on in the middle of bodies, also of different ones. The target's own
# connections then lack a part for good; it may give up their requests, but must find no others.
uploads_cut_in() {
	local i
	begin
	client uploads 8
	for i in $(seq 10); do
		attach_now
		N_BEFORE=$(counter seen)
		wait_for 5 counter_is seen $((N_BEFORE + i % 3 * 200 + 40)) || true
		detach
		N_BEFORE=$(requests online)
		wait_for 5 more_online $((i % 4 * 3 + 1)) || true
	done
	attach_now
	wait_for 15 whole_uploads 8 || true
	client_end "uploads"
	is "uploads: requests at the target that nobody sent" "$(never_sent)" 0
	is "uploads: malformed requests at the target" "$(malformed)" 0
	compare "uploads: connections taken up" "$(counter adopted)" ">=" 8
	compare "uploads: whole ones at the target" "$(requests_match ' 200 ' target)" ">=" 8
	copy_down
}

whole_uploads() {
	[ "$(requests_match ' 200 ' target)" -ge "$1" ]
}

none_taken_up() {
	begin --adopt none
	client numbers "$N_CLIENTS"
	attach_now
	wait_for 5 counter_is no_connection 2000 || true
	compare "--adopt none: packets dropped" "$(counter no_connection)" ">=" 2000
	try "--adopt none: a new connection" [ "$(fetch "$ONLINE_IP" /m/new)" = 200 ]
	try "--adopt none: a new connection is copied" wait_for 5 seen target /m/new
	client_end "--adopt none"
	is "--adopt none: connections taken up" "$(counter adopted)" 0
	is "--adopt none: requests at the target" "$(requests target)" 1
	copy_down
}

all_of() {
	[ "$(requests_match " /m/$1/[0-9]* 200 " target)" = "$N_CLIENTS" ]
}

# The clients reset their connections while nothing is copied, and come back from the same ports.
old_connections() {
	local round
	begin
	attach_now
	for round in 1 2 3 4 5; do
		client ports "$N_CLIENTS" "round$round"
		try "old connections: requests of round $round reach the target" \
			wait_for 5 all_of "round$round"
		detach
		client_end "old connections, round $round"
		attach_now
	done
	is "old connections: ended for a new one" "$(counter old_ended)" $((N_CLIENTS * 4))
	is "old connections: taken up" "$(counter adopted)" 0
	copy_down
}

lab_up
lab_nginx online
lab_nginx target
leak_start
busy_connections
numbered_requests
uploads_cut_in
none_taken_up
old_connections
leak_end "all of it"
tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Bad peers cost nothing: 1,000 connections to the link's port (garbage, silent, slow, half a preamble,
# another key, a real session replayed, frames too long, no encryption), and servers like that for
# the online daemon to connect to. Meanwhile every request is copied, and no memory is used up.
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

KNOCKS=1000 # spread over 21 addresses, 48 each: all of them pass the gate
FLOOD=500   # from one address, so that most do not
SECONDS_OF_LOAD=7
HOSTILE=$LAB_HERE/../e2e/hostile.py
RECORDED_PORT=36525

make_key() {
	(umask 077 && od -An -tx1 -N32 /dev/urandom | tr -d ' \n' >"$LAB_DIR/key")
	LAB_AUTH=(--key "$LAB_DIR/key")
}

# rss HOST: of its daemon, kB.
rss() {
	awk '$1 == "VmRSS:" { print $2 }' "/proc/${DAEMON_PID[$1]}/status"
}

# cpu HOST: its daemon has used, in hundredths of a second.
cpu() {
	awk '{ print $14 + $15 }' "/proc/${DAEMON_PID[$1]}/stat"
}

link_counter() {
	ctl_json target ".result.feedback.$1" stats
}

# A session of the real daemons through a relay; ends with the detach.
record_session() {
	lab_spawn client "$LAB_DIR/record.log" "$HOSTILE" record "$RECORDED_PORT" "$TARGET_IP" \
		"$FEEDBACK_PORT" "$LAB_DIR/session"
	wait_for 5 grep -q ready "$LAB_DIR/record.log" || lab_die "the relay does not listen"
	ATTACH=(--feedback "$CLIENT_IP:$RECORDED_PORT")
	attach
	wait_for 5 copying || lab_die "no copies through the relay"
	fetch "$ONLINE_IP" /m/recorded >/dev/null
	wait_for 5 seen target /m/recorded || lab_die "nothing is copied through the relay"
	ask online detach eth0
	ATTACH=()
	compare "bytes recorded, of the online host" "$(stat -c %s "$LAB_DIR/session.client")" ">" 100
	compare "bytes recorded, of the target" "$(stat -c %s "$LAB_DIR/session.server")" ">" 100
}

# Three more targets, whose links are answered by a hostile server in the client's namespace.
attach_all() {
	local to i
	lab_spawn client "$LAB_DIR/serve.log" "$HOSTILE" serve "$FEEDBACK_PORT" "$LAB_DIR/session"
	wait_for 5 grep -q ready "$LAB_DIR/serve.log" || lab_die "the hostile server does not listen"
	to=$(lab_host_port "$TARGET_IP" "$PORT")
	for i in 101 102 103; do
		to=$to,$(lab_host_port "$(lab_addr "$i")" "$PORT")
	done
	ask online attach eth0 --to "$to" --force
}

ready_targets() {
	ctl_json online '[.result.online[0].targets[] | select(.state == "copying")] | length' status
}

one_is_ready() {
	[ "$(ready_targets)" = 1 ]
}

knock() {
	local log=$1
	shift
	lab_spawn client "$log" "$HOSTILE" knock "$TARGET_IP" "$FEEDBACK_PORT" "$@"
}

# attack: both kinds of knocking under load, once the load runs.
attack() {
	local sources=("$CLIENT_IP") i
	for i in $(seq 101 120); do
		sources+=("$(lab_addr "$i")")
	done
	load_start "$SECONDS_OF_LOAD" 16 / -s "$LAB_DIR/delay.lua"
	knock "$LAB_DIR/knock.log" "$KNOCKS" "$LAB_DIR/session" "${sources[@]}"
	wait_for 15 grep -q connections "$LAB_DIR/knock.log" || not_ok "the knocking ends"
	knock "$LAB_DIR/flood.log" "$FLOOD" "$LAB_DIR/session" "$CLIENT_IP"
	wait_for 15 grep -q connections "$LAB_DIR/flood.log" || not_ok "the flood ends"
}

lab_up
# Some 1,500 requests a second: the processors are for the attack, not for the load.
echo 'function delay() return 10 end' >"$LAB_DIR/delay.lua"
lab_nginx online
lab_nginx target
make_key
daemons_up
intercept
record_session
attach_all
wait_for 5 one_is_ready || lab_die "the real target is not linked"

# The first load and the first attack take memory that stays: what the hold queue and 64 connections
# at a time once needed. The second shows whether there is more to it.
requests_reset
load "$SECONDS_OF_LOAD" 16 / -s "$LAB_DIR/delay.lua" || not_ok "the load before"
requests_settle
links=$(link_counter left) before=$(rss target)
requests_reset
attack
try "no error for the clients" load_end
was_target=$(rss target) was_online=$(rss online) cpu_target=$(cpu target)
attack
try "no error for the clients, the second time" load_end
requests_settle
compare "requests online" "$N_ONLINE" ">=" 3000
is "requests at the target = online" "$N_TARGET" "$N_ONLINE"
note "$(cat "$LAB_DIR/knock.log"); flood: $(cat "$LAB_DIR/flood.log")"
is "connections that the target did not end, of $KNOCKS" \
	"$(sed -n 's/.*left //p' "$LAB_DIR/knock.log")" 0
compare "connections to the target" "$(sed -n 's/connections \([0-9]*\) .*/\1/p' "$LAB_DIR/knock.log")" \
	">=" "$KNOCKS"
compare "kB of the target's daemon that the first attack took" $((was_target - before)) "<=" 8192
# Less than 2 kB for each of 1,500 connections: one that is not freed has more.
compare "kB that the second took (from $was_target)" $(($(rss target) - was_target)) "<" 3000
compare "kB of the online daemon that the second took (from $was_online)" \
	$(($(rss online) - was_online)) "<=" 2048
note "CPU of the target's daemon, second attack: $(($(cpu target) - cpu_target)) hundredths of a second"
for counter in alien bad_key broken turned_away; do
	compare "the target counts: $counter" "$(link_counter $counter)" ">=" 200
done
compare "the target counts: silent" "$(link_counter silent)" ">=" 20
compare "the target counts: throttled" "$(link_counter throttled)" ">=" $((FLOOD - 200))
is "links that the target lost" $(($(link_counter left) - links)) 0
is "times that the real link was lost" \
	"$(grep -c "$TARGET_IP:$FEEDBACK_PORT: link lost" "$LAB_DIR/daemon-online.log" || true)" 0
compare "lines in the target's log" "$(wc -l <"$LAB_DIR/daemon-target.log")" "<=" 100
compare "connections to the hostile server" "$(grep -c connection "$LAB_DIR/serve.log")" ">=" 20
is "kinds among them" "$(grep connection "$LAB_DIR/serve.log" | sort -u | wc -l)" 8
is "targets that are ready" "$(ready_targets)" 1
note "$(grep -h "link lost" "$LAB_DIR"/daemon-online.log; grep -h "is gone" "$LAB_DIR"/daemon-target.log)"
copy_down
tap_done

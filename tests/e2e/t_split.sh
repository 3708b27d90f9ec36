#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Three targets: each gets everything, or each connection goes to one, as the weights say. Whatever
# is changed while connections run, each is copied whole, to the target that it had.
# mostly waits, 30 s
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

HERE=$(realpath "$(dirname "$0")")
TARGETS=(target target2 target3)

# endpoint NUMBER: of the target in this place, 0 to 2.
endpoint() {
	lab_host_port "$(lab_addr $((3 + $1)))" "$PORT"
}

counter() {
	ctl_json online ".result.online.$1" stats
}

targets_up() {
	local i host
	for i in 1 2; do
		lab_host "${TARGETS[i]}" $((3 + i)) "02:00:00:00:00:0$((3 + i))"
		wait_for 5 lab_link_up "${TARGETS[i]}" || lab_die "${TARGETS[i]} has no link"
	done
	for host in "${TARGETS[@]}"; do
		lab_nginx "$host"
		lab_daemon "$host"
		ask "$host" intercept eth0 --port "$PORT" --engine "$ENGINE" ||
			lab_die "intercept in $host failed"
	done
}

# attach_all OPTION...: to all three.
attach_all() {
	local all
	all=$(endpoint 0),$(endpoint 1),$(endpoint 2)
	ask online attach eth0 --to "$all" "$@" || lab_die "attach failed"
	wait_for 5 all_ready || lab_die "not all are ready: $(ctl online target list)"
}

all_ready() {
	[ "$(ctl_json online '[.result.targets[] | select(.state != "copying")] | length' \
		target list)" = 0 ]
}

logs_reset() {
	local host
	for host in online "${TARGETS[@]}"; do
		: >"$LAB_DIR/nginx-$host/access.log"
	done
}

# clients_start SECONDS RATE REQUESTS GAP: connections that begin at a rate, in the background.
clients_start() {
	logs_reset
	lab_spawn client "$LAB_DIR/clients.log" "$HERE/guard_load.py" "$ONLINE_IP" "$PORT" "$@"
	CLIENTS=$LAST_PID
	wait_for 5 requests_are online 1 || lab_die "the clients do not start"
}

clients_end() {
	lab_wait "$CLIENTS" || true
	is "$1: $(cut -d ' ' -f 1-2 "$LAB_DIR/clients.log"), errors" \
		"$(awk '{ print $4 }' "$LAB_DIR/clients.log")" 0
	wait_for 5 nothing_under_way || not_ok "$1: something stays under way"
}

nothing_under_way() {
	[ "$(ctl_json online '.result.total | [.bytes, .exchanges] | map(.in_flight + .held) | add' \
		ledger)" = 0 ]
}

# of_connections REQUESTS: "WHOLE PARTS" of what the targets have: whole are those of which one
# target has all and the others nothing.
of_connections() {
	local i
	for i in 0 1 2; do
		sed "s/^/$i /" "$LAB_DIR/nginx-${TARGETS[i]}/access.log"
	done | awk -v n="$1" '$4 ~ /^\/m\// { split($4, w, /[\/-]/); all[w[3]]++; at[w[3] " " $1]++ }
		END {
			for (c in at) { split(c, w, " "); if (at[c] == n && all[w[1]] == n) whole++ }
			for (c in all) seen++
			print whole + 0, seen - whole
		}'
}

# connections_at NUMBER: how many this target has seen.
connections_at() {
	awk '$3 ~ /^\/m\// { split($3, w, /[\/-]/); c[w[3]] } END { print length(c) }' \
		"$LAB_DIR/nginx-${TARGETS[$1]}/access.log"
}

# share TEXT NUMBER ALL PARTS OF: this target has so many parts of all, within three deviations.
share() {
	local got off
	got=$(connections_at "$2")
	off=$(awk -v n="$3" -v p="$4" -v of="$5" \
		'BEGIN { p /= of; printf "%d", 3 * sqrt(n * p * (1 - p)) + 1 }')
	compare "$1: connections at target $2 of $3, at least" "$got" ">=" $(($3 * $4 / $5 - off))
	compare "$1: at most" "$got" "<=" $(($3 * $4 / $5 + off))
}

each_gets_everything() {
	local i
	attach_all
	clients_start 2 200 5 0.02
	clients_end "all"
	for i in 0 1 2; do
		is "all: requests at target $i = online" "$(requests "${TARGETS[i]}")" \
			"$(requests online)"
	done
	ask online detach eth0
}

each_gets_its_share() {
	local all whole parts
	attach_all --mode split --weight 1,2,1
	clients_start 4 500 3 0.02
	clients_end "split"
	all=$(($(requests online) / 3))
	read -r whole parts < <(of_connections 3)
	is "split: connections whole at one target" "$whole" "$all"
	is "split: connections in part, or at several" "$parts" 0
	share "split 1,2,1" 0 "$all" 1 4
	share "split 1,2,1" 1 "$all" 2 4
	share "split 1,2,1" 2 "$all" 1 4
}

# While connections run that live for some 2 s.
changes() {
	local all whole parts before
	clients_start 6 100 20 0.1
	wait_for 5 requests_are online 300 || true
	before=$(counter known_out)
	try "a target drains" ask online target del eth0 "$(endpoint 2)"
	is "it says so" "$(ctl_json online '.result.targets[2].state' target list)" draining
	try "another weight" ask online target add eth0 "$(endpoint 0)" --weight 3
	wait_for 5 requests_are online 2500 || true
	try "it is taken back" ask online target add eth0 "$(endpoint 2)"
	try "--percent 50" ask online filter set eth0 --percent 50
	wait_for 5 requests_are online 5000 || true
	try "--percent 100" ask online filter set eth0 --percent 100
	wait_for 5 requests_are online 7000 || true
	try "it goes at once" ask online target del eth0 "$(endpoint 1)" --drain 0
	try "it is back" ask online target add eth0 "$(endpoint 1)" --weight 2
	clients_end "changes"
	all=$(($(requests online) / 20))
	read -r whole parts < <(of_connections 20)
	note "$whole of $all connections whole, $parts not"
	compare "changes: connections that were left out" $((all - whole - parts)) ">=" 20
	compare "changes: packets of these" $(($(counter known_out) - before)) ">" 0
	compare "changes: in part, where one was removed at once" "$parts" "<=" $((all / 2))
	is "changes: forgotten" "$(counter known_lost)" 0
}

# The same without the removal at once: none is cut.
soft_changes() {
	local all whole parts i
	clients_start 6 100 20 0.1
	for i in 1 2 3 4 5 6; do
		ask online target del eth0 "$(endpoint $((i % 3)))"
		ask online filter set eth0 --percent $((100 - 10 * i))
		wait_for 3 requests_are online $((900 * i)) || true
		ask online target add eth0 "$(endpoint $((i % 3)))" --weight $((1 + i % 3))
		ask online filter set eth0 --exclude "$LAB_NET.$((100 + i))/32"
	done
	clients_end "soft changes"
	all=$(($(requests online) / 20))
	read -r whole parts < <(of_connections 20)
	compare "soft changes: whole connections of $all" "$whole" ">=" $((all / 2))
	is "soft changes: connections in part" "$parts" 0
	is "soft changes: forgotten" "$(counter known_lost)" 0
}

lab_up
lab_nginx online
targets_up
lab_daemon online
each_gets_everything
each_gets_its_share
soft_changes
changes
[ "$TAP_FAILED" -eq 0 ] || show_counters
tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Changing load, and a change each second: attach, detach, targets, filters, allow-list, interceptor,
# engine. Nothing may grow: memory, descriptors, map entries, programs, maps, links. For SOAK_SECONDS
# (15); an hour is SOAK_SECONDS=3600.
# mostly waits, 32 s
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

SECONDS_LONG=${SOAK_SECONDS:-15}
GROWTH_KB=2048 # of a daemon's own memory: malloc's arenas find their size in the first minutes
ROUND=5        # seconds of one load
OTHER=$(lab_addr 4)
RANDOM=${SOAK_SEED:-1} # changes follow each other the same way each time

# ---- what must not grow -----------------------------------------------------------------------

own_kb() {
	awk '$1 == "RssAnon:" { print $2 }' "/proc/${DAEMON_PID[$1]}/status"
}

descriptors() {
	find "/proc/${DAEMON_PID[$1]}/fd" -mindepth 1 -maxdepth 1 | wc -l
}

# in_kernel HOST: programs, maps and links that the daemon holds, by kind and name, and its pins.
# Sockets of the moment (queries to the kernel) are not among them.
in_kernel() {
	local id
	for id in $(held_by "${DAEMON_PID[$1]}" prog_id | awk '{ print $2 }' | sort -u); do
		bpftool --json prog show id "$id" | jq -r '"prog \(.name)"'
	done | sort
	for id in $(held_by "${DAEMON_PID[$1]}" map_id | awk '{ print $2 }' | sort -u); do
		bpftool --json map show id "$id" | jq -r '"map \(.name)"'
	done | sort
	held_by "${DAEMON_PID[$1]}" link_type
	(cd "$(pins "$1")" && find . -mindepth 1 | sort)
	our_rules "$1" iptables-save
	our_devices "$1"
}

# entries HOST MAP: in a pinned map.
entries() {
	local part=target
	[ "$1" = target ] || part=online
	bpftool --json map dump pinned "$(pins "$1")/$part/$2" | jq length
}

map_entries() {
	local map
	for map in services targets filters peer_allow; do
		echo "online $map $(entries online "$map")"
	done
	for map in services allow; do
		echo "target $map $(entries target "$map")"
	done
}

exchanges_gone() {
	[ "$(entries target exchanges)" -le 64 ]
}

# ---- changes ----------------------------------------------------------------------------------

# change WHAT: each leaves copying as it was, or its opposite undoes it. What is refused since the
# opposite came first is no error here; anything else ends the script.
change() {
	case $1 in
	0) ask online detach eth0 && attach ;;
	1) ask online target add eth0 "$(lab_host_port "$OTHER" "$PORT")" ;;
	2) ask online target del eth0 "$(lab_host_port "$OTHER" "$PORT")" ;;
	3) ask target allow add "198.19.$((RANDOM % 256)).0/24" "198.19.0.$((RANDOM % 256))/32" ;;
	4) undo_allow ;;
	5) ask online filter set eth0 --percent "$((RANDOM % 100 + 1))" ;;
	6) ask online filter set eth0 --percent 100 --client '' --exclude '' ;;
	7) ask online filter set eth0 --exclude "$LAB_NET.$((RANDOM % 20 + 101))/32" ;;
	8) ask target release eth0 && intercept ;;
	9) ENGINE=$([ "$ENGINE" = tc ] && echo nfqueue || echo tc) && intercept ;;
	esac
}

undo_allow() {
	local prefixes
	prefixes=$(ctl target --json allow list | jq -r '.result.allow[].prefix')
	# shellcheck disable=SC2086 # words
	[ -z "$prefixes" ] || ask target allow del $prefixes
}

# one_change: any; what it says goes to the log.
one_change() {
	local what=$((RANDOM % 10))
	if change "$what" 2>>"$LAB_DIR/changes.log"; then
		CHANGES=$((CHANGES + 1))
	else
		echo "change $what was refused" >>"$LAB_DIR/changes.log"
		REFUSED=$((REFUSED + 1))
	fi
}

# settle: back to what it was at the beginning, and all quiet.
settle() {
	ask online detach eth0 2>>"$LAB_DIR/changes.log" || true
	undo_allow
	if [ "$ENGINE" != "$FIRST_ENGINE" ]; then
		ENGINE=$FIRST_ENGINE
		intercept
	fi
	attach
	wait_for 10 copying || not_ok "copying again: $(ctl online status)"
}

# load_script: for wrk: with pauses of up to 30 ms, or now and then none; half of them with a
# connection for each request.
load_script() {
	local ms=$((RANDOM % 32))
	[ "$ms" -gt 30 ] || echo "function delay() return $ms end"
	[ $((RANDOM % 2)) = 0 ] || echo 'wrk.headers["Connection"] = "close"'
}

load_round() {
	local end=$((SECONDS + ROUND))
	load_script >"$LAB_DIR/soak.lua"
	load_start "$ROUND" $((RANDOM % 60 + 4)) "$([ $((RANDOM % 4)) = 0 ] && echo /100k || echo /)" \
		-s "$LAB_DIR/soak.lua"
	while [ "$SECONDS" -lt "$end" ]; do
		one_change
		sleep 1 # the rhythm of the changes, nothing is waited for
	done
	load_end || BAD_LOADS=$((BAD_LOADS + 1))
	requests_reset
}

soak() {
	local end=$((SECONDS + $1))
	while [ "$SECONDS" -lt "$end" ]; do
		load_round
	done
}

FIRST_ENGINE=$ENGINE CHANGES=0 REFUSED=0 BAD_LOADS=0
lab_up
lab_address target 4
lab_nginx online
lab_nginx target
copy_up
soak 10
settle
declare -A KB_BEFORE
for host in online target; do
	KB_BEFORE[$host]=$(own_kb $host)
	descriptors $host >"$LAB_DIR/fds-$host"
	in_kernel $host >"$LAB_DIR/kernel-$host"
done
map_entries >"$LAB_DIR/entries"
CHANGES=0
soak "$SECONDS_LONG"
settle
compare "changes in $SECONDS_LONG s of load" "$CHANGES" ">=" $((SECONDS_LONG / 4))
note "refused, since its opposite came first: $REFUSED"
is "loads in which a client saw an error" "$BAD_LOADS" 0
is "entries of the maps that commands fill" "$(map_entries)" "$(cat "$LAB_DIR/entries")"
for host in online target; do
	is "$host: programs, maps, links, pins, rules and devices that were not there before" \
		"$(in_kernel $host | diff "$LAB_DIR/kernel-$host" - || true)" ""
	compare "$host: descriptors" "$(descriptors $host)" "<=" "$(cat "$LAB_DIR/fds-$host")"
	note "$host: the daemon's own memory, kB: ${KB_BEFORE[$host]} before, $(own_kb $host) after"
	compare "$host: growth of the daemon's own memory, kB" \
		"$(($(own_kb $host) - KB_BEFORE[$host]))" "<=" $GROWTH_KB
done
if [ "$SECONDS_LONG" -ge 600 ]; then
	try "exchanges of connections that have gone are forgotten" wait_for 300 exchanges_gone
fi
[ "$TAP_FAILED" -eq 0 ] || sort "$LAB_DIR/changes.log" | uniq -c | sort -rn | head -20 | sed 's/^/# /'
tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Copying stays within its bounds, and spares a target in trouble. Connections are copied whole or
# not at all, clients never see an error, and all of it recovers by itself. With both kinds of
# attach.
# mostly waits, 75 s
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

HERE=$(realpath "$(dirname "$0")")

counter() {
	ctl_json online ".result.online.$1" stats
}

# event WHAT MEMBER: of the guard's events in status; empty if there is none.
event() {
	ctl_json online ".result.online[0].guard[] | select(.what == \"$1\") | .$2" status
}

tripped() {
	[ "$(event "$1" tripped)" = true ]
}

recovered() {
	[ "$(event "$1" tripped)" = false ]
}

# clients_start SECONDS RATE REQUESTS GAP: connections that begin at a rate, in the background.
clients_start() {
	requests_reset
	lab_spawn client "$LAB_DIR/clients.log" "$HERE/guard_load.py" "$ONLINE_IP" "$PORT" "$@"
	CLIENTS=$LAST_PID
	wait_for 5 requests_are online 1 || lab_die "the clients do not start"
}

# clients_end TEXT: what is on the way has come to its end too.
clients_end() {
	clients_gone "$1"
	wait_for 5 nothing_under_way || not_ok "$1: something stays under way"
	N_ONLINE=$(requests online)
	N_TARGET=$(requests target)
}

# clients_gone TEXT
clients_gone() {
	lab_wait "$CLIENTS" || true
	is "$1: $(cut -d ' ' -f 1-2 "$LAB_DIR/clients.log"), errors" \
		"$(awk '{ print $4 }' "$LAB_DIR/clients.log")" 0
}

nothing_under_way() {
	[ "$(ctl_json online '.result.total | [.bytes, .exchanges] | map(.in_flight + .held) | add' \
		ledger)" = 0 ]
}

# connections REQUESTS: at the target: "WHOLE PARTS".
connections() {
	awk -v n="$1" '$3 ~ /^\/m\// { split($3, w, /[\/-]/); seen[w[3]]++ }
		END { for (c in seen) seen[c] == n ? whole++ : parts++; print whole + 0, parts + 0 }' \
		"$LAB_DIR/nginx-target/access.log"
}

# target_bytes: what the switch has sent to the target so far.
target_bytes() {
	in_ns sw cat /sys/class/net/vtarget/statistics/tx_bytes 2>/dev/null ||
		ip -n "$LAB_ID-sw" -s -j link show vtarget | jq '.[0].stats64.tx.bytes'
}

# rate NAME-OF-FUNCTION [ARGUMENT] SECONDS: by how much it grows in a second.
rate() {
	local seconds=${*: -1} from to at
	set -- "${@:1:$#-1}"
	from=$("$@") at=$(now_us)
	sleep "$seconds" # the time that is measured, not one that is waited for
	to=$("$@")
	echo $(((to - from) * 1000000 / ($(now_us) - at)))
}

# within TEXT VALUE BOUND LEAST: at most 5 % above, at least LEAST percent of it.
within() {
	compare "$1, at most" "$2" "<=" "$(($3 * 105 / 100))"
	compare "$1, at least" "$2" ">=" "$(($3 * $4 / 100))"
}

# budgets KIND
budgets() {
	local whole parts cut
	ATTACH=(--hook "$1" --max-pps 1000)
	attach || lab_die "attach failed"
	wait_for 5 copying || lab_die "copying does not begin: $(ctl online status)"
	cut=$(counter budget_cut)
	# 7 packets each: 2,800 a second.
	clients_start 4 400 5 0.05
	wait_for 2 tripped budget || not_ok "$1: --max-pps: status does not say that it tripped"
	within "$1: --max-pps 1000, packets a second" "$(rate counter copied 2)" 1000 75
	clients_end "$1: --max-pps"
	read -r whole parts < <(connections 5)
	compare "$1: --max-pps: whole connections at the target of $((N_ONLINE / 5))" "$whole" ">=" 300
	is "$1: --max-pps: connections copied in part, but for $(($(counter budget_cut) - cut)) cut" \
		"$((parts > $(counter budget_cut) - cut ? parts : 0))" 0
	compare "$1: --max-pps: running connections ended" "$(($(counter budget_cut) - cut))" "<=" 100
	wait_for 3 recovered budget || not_ok "$1: --max-pps: it does not recover"
	# A third of the budget: clients that were kept from running send in bursts.
	clients_start 1 50 5 0.02
	clients_end "$1: --max-pps, recovered"
	is "$1: --max-pps, recovered: requests at the target = online" "$N_TARGET" "$N_ONLINE"
	ask online detach eth0
}

# Bits, and a budget that is set while attached.
bits() {
	ask online filter set eth0 --max-mbps 5
	clients_start 3 300 5 0.05 1000
	wait_for 2 tripped budget || not_ok "--max-mbps: status does not say that it tripped"
	within "--max-mbps 5, bits a second" "$(($(rate target_bytes 2) * 8))" 5000000 75
	clients_end "--max-mbps"
	wait_for 3 recovered budget || not_ok "--max-mbps: it does not recover"
	ask online filter set eth0 --max-mbps 0
}

# busy_ns: what programs and daemon have taken so far.
busy_ns() {
	local own
	# In ticks of /proc/PID/stat three percent of three seconds would be nine.
	own=$(cat "/proc/${DAEMON_PID[online]}"/task/*/schedstat | awk '{ n += $1 } END { printf "%d", n }')
	echo $(($(counter run_ns) + own))
}

# settled PERCENT: copying takes no more.
settled() {
	[ "$(rate busy_ns 1)" -le $(($1 * 10000000)) ]
}

# A bound on processor time, under a load that takes more: connections that stay.
cpu_budget() {
	local free half
	requests_reset
	load_start 20 32 /
	free=$(($(rate busy_ns 2) / 10000000))
	if [ "$free" -lt 4 ]; then
		load_stop || not_ok "no bound: the clients have errors"
		skip "--max-cpu: no more than $free % of a processor is left for copying here"
		return
	fi
	half=$((free / 2))
	ask online filter set eth0 --max-cpu "$half"
	wait_for 3 tripped cpu || not_ok "--max-cpu: status does not say that it tripped"
	wait_for 6 settled "$half" || not_ok "--max-cpu: it does not get below the bound"
	compare "--max-cpu $half: what copying takes, in 0.01 %" \
		"$(($(rate busy_ns 3) / 100000))" "<=" $((half * 115))
	try "--max-cpu: no error for the clients" load_stop
	compare "--max-cpu: running connections ended" "$(counter cpu_cut)" ">=" 1
	wait_for 15 recovered cpu || not_ok "--max-cpu: it does not recover: $(ctl online status)"
	ask online filter set eth0 --max-cpu 0
	clients_start 1 100 5 0.05
	clients_end "--max-cpu, recovered"
	is "--max-cpu, recovered: requests at the target = online" "$N_TARGET" "$N_ONLINE"
}

# meminfo HOST AVAILABLE: what its daemon reads, of 1000000.
meminfo() {
	printf 'MemTotal: 1000000 kB\nMemAvailable: %d kB\n' "$2" >"$LAB_DIR/meminfo-$1"
}

# daemon HOST: one that reads it.
daemon() {
	meminfo "$1" 900000
	printf '#!/bin/sh\nmount --bind %s/meminfo-%s /proc/meminfo && exec "$@"\n' "$LAB_DIR" "$1" \
		>"$LAB_DIR/with-meminfo-$1"
	chmod +x "$LAB_DIR/with-meminfo-$1"
	DAEMON_ENV=(unshare -m "$LAB_DIR/with-meminfo-$1")
	lab_daemon "$1"
}

# The host is short of memory: nothing is copied until it no longer is.
memory_stop() {
	local whole parts
	clients_start 6 100 5 0.02
	meminfo online 20000
	try "short of memory: status says so within a second" wait_for 1 tripped memory
	is "short of memory: packets cloned from then on" "$(rate counter cloned 1)" 0
	meminfo online 200000
	wait_for 4 recovered memory || not_ok "memory: it does not recover"
	wait_for 2 counter_grows cloned || not_ok "memory: copying does not go on"
	clients_end "short of memory"
	read -r whole parts < <(connections 5)
	compare "short of memory: whole connections at the target, $parts in part" "$whole" ">=" 200
	compare "short of memory: packets that were not copied" "$(counter no_memory)" ">=" 100
}

# The target host says that it is short of memory: new connections stop, running ones go on.
target_pressure() {
	local target cut
	target=$(lab_host_port "$TARGET_IP" "$PORT")
	cut=$(counter budget_cut)
	clients_start 10 100 20 0.1
	wait_for 2 requests_are target 100 || not_ok "pressure: the target does not answer before"
	meminfo target 20000
	try "target short of memory: new connections stop" wait_for 3 tripped "$target"
	compare "target short of memory: connections refused in a second, of 100" \
		"$(rate counter target_refused 1)" ">=" 80
	compare "target short of memory: requests a second of running ones" "$(rate requests target 0.5)" \
		">=" 100
	is "target short of memory: status names the cause" \
		"$(event "$target" reason | grep -c 'short of memory')" 1
	meminfo target 200000
	try "target short of memory: it recovers" wait_for 8 recovered "$target"
	clients_gone "target short of memory"
	is "target short of memory: running connections ended" "$(($(counter budget_cut) - cut))" 0
}

# counter_grows NAME
counter_grows() {
	[ "$(rate counter "$1" 0.2)" -gt 0 ]
}

# not_tripped_for SECONDS WHAT
not_tripped_for() {
	! wait_for "$1" tripped "$2"
}

# A service that is dead at the target is given no new connection but one a second, and gets all
# again once it is back.
dead_service() {
	local target before
	target=$(lab_host_port "$TARGET_IP" "$PORT")
	before=$(event "$target" times)
	clients_start 22 100 2 0.02
	wait_for 2 requests_are target 100 || not_ok "dead service: the target does not answer before"
	lab_stop "$NGINX_TARGET" KILL || true
	not_tripped_for 5 "$target" || not_ok "dead service: it trips where a service is only slow"
	try "dead service: new connections stop within 12 s" wait_for 7 tripped "$target"
	compare "dead service: connections refused in a second, of 100" "$(rate counter target_refused 2)" \
		">=" 90
	rm "$LAB_DIR/nginx-target/sink.sock" # or it ends again after a while
	lab_nginx target
	NGINX_TARGET=$LAST_PID
	try "dead service: it recovers within 5 s" wait_for 5 recovered "$target"
	compare "dead service: requests a second that it gets again" "$(rate requests target 2)" \
		">=" 150
	clients_gone "dead service"
	is "dead service: how often that tripped" "$(($(event "$target" times) - before))" 1
	clients_start 1 100 5 0.02
	clients_gone "dead service, afterwards"
	try "dead service, afterwards: all $(requests online) requests at the target" \
		wait_for 5 requests_are target "$(requests online)"
}

lab_up
lab_nginx online
lab_nginx target
NGINX_TARGET=$LAST_PID
daemon target
daemon online
intercept || lab_die "intercept failed"
budgets tcx
ATTACH=(--hook clsact)
attach || lab_die "attach failed"
wait_for 5 copying || lab_die "copying does not begin: $(ctl online status)"
bits
cpu_budget
memory_stop
target_pressure
dead_service
[ "$TAP_FAILED" -eq 0 ] || show_counters
tap_done

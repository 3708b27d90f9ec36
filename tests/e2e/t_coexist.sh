#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Other people's programs and rules on the same interfaces: TCX before and behind ours, as Cilium puts
# them, XDP, clsact filters, iptables and nft rules. Everything keeps working, theirs and ours, and
# only what is ours is ever removed.
# engines: nfqueue tc
# mostly waits, 27 s
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

HERE=$(dirname "$0")
NEXT=-1 OK=0 XDP_PASS=2
declare -A OTHER_PID

# other HOST HOOK WHERE VERDICT: a program of somebody else.
other() {
	local name=$1-$2-$3
	lab_spawn "$1" "$LAB_DIR/other-$name.log" "$HERE/others.py" "$2" eth0 "$3" "$4"
	OTHER_PID[$name]=$LAST_PID
	wait_for 5 grep -q ready "$LAB_DIR/other-$name.log" || {
		tail -n 1 "$LAB_DIR/other-$name.log"
		return 1
	}
}

# sees NAME: how many packets it has counted.
sees() {
	local log=$LAB_DIR/other-$1.log lines
	lines=$(wc -l <"$log")
	kill -USR1 "${OTHER_PID[$1]}"
	wait_for 5 has_more_lines "$log" "$lines" || lab_die "others.py says nothing"
	tail -n 1 "$log" | cut -d ' ' -f 2
}

has_more_lines() {
	[ "$(wc -l <"$1")" -gt "$2" ]
}

# filters HOST: clsact with a filter on each side.
filters() {
	local side
	in_ns "$1" tc qdisc add dev eth0 clsact || return 1
	for side in ingress egress; do
		lab_spawn "$1" "$LAB_DIR/other-$1-$side.log" "$HERE/others.py" pin \
			"$LAB_DIR/bpf/other-$1-$side" - "$OK"
		OTHER_PID[$1-$side]=$LAST_PID
		wait_for 5 grep -q ready "$LAB_DIR/other-$1-$side.log" || return 1
		in_ns "$1" tc filter add dev eth0 "$side" pref 10 bpf direct-action \
			object-pinned "$LAB_DIR/bpf/other-$1-$side" || return 1
	done
}

# rules HOST: some before and some behind ours, and a table of nft's own.
rules() {
	in_ns "$1" iptables -w -A INPUT -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT
	in_ns "$1" iptables -w -A OUTPUT -p tcp --sport 22 -j DROP
	in_ns "$1" iptables -w -A OUTPUT -m conntrack --ctstate INVALID -j DROP
	! command -v nft >/dev/null ||
		in_ns "$1" nft 'table inet other { chain out {
			type filter hook output priority 10; tcp sport 8080 counter accept; }; }'
}

# theirs HOST: what we must not change, without its counters.
theirs() {
	in_ns "$1" iptables-save | grep -v 'tcpcopyd:\|^[:#]'
	! command -v nft >/dev/null || in_ns "$1" nft -s list table inet other
	in_ns "$1" tc qdisc show dev eth0
	in_ns "$1" tc filter show dev eth0 ingress
	in_ns "$1" tc filter show dev eth0 egress
	in_ns "$1" bpftool -j net | jq -c '.[0].xdp'
	for pid in "${OTHER_PID[@]}"; do
		alive "$pid" && echo "program of $pid"
	done
}

# works TEXT: every request arrives, and nothing leaks.
works() {
	requests_reset
	leak_start
	try "$1: load" load 1 4 / -s "$(close_script)"
	requests_settle
	compare "$1: requests online" "$N_ONLINE" ">=" 100
	is "$1: requests at the target = online" "$N_TARGET" "$N_ONLINE"
	leak_end "$1"
}

# others_work TEXT PATTERN: those of the programs whose names match.
others_work() {
	local name
	for name in "${!OTHER_PID[@]}"; do
		[[ $name =~ $2 ]] || continue
		compare "$1: packets that the program $name saw" "$(sees "$name")" ">=" 100
	done
}

# unchanged HOST BEFORE
unchanged() {
	is "changes of what others have in $1" "$(diff <(echo "$2") <(theirs "$1"))" ""
}

lab_up
lab_nginx online
lab_nginx target
for host in online target; do
	rules "$host"
	filters "$host" || not_ok "clsact filters of others in $host"
	other "$host" xdp back "$XDP_PASS" || skip "no XDP here"
done
filters_online=$(theirs online) filters_target=$(theirs target)
copy_up
works "clsact filters"
others_work "clsact filters" .
copy_down
ATTACH=(--hook clsact)
copy_up
works "clsact filters, ours too"
copy_down
ATTACH=()
unchanged online "$filters_online"
unchanged target "$filters_target"

for host in online target; do
	if ! other "$host" tcx-ingress back "$OK" || ! other "$host" tcx-egress back "$OK"; then
		skip "this kernel has no TCX"
		tap_done
		exit 0
	fi
done
before_online=$(theirs online) before_target=$(theirs target)
copy_up
works "behind ours, ending with OK"
others_work "behind ours" tcx
for host in online target; do
	other "$host" tcx-ingress front "$NEXT"
	other "$host" tcx-egress front "$NEXT"
done
works "before ours, too"
others_work "before ours, too" tcx

daemon_kill target
daemon_kill online
daemons_up
intercept
attach
wait_for 5 copying || not_ok "copying after kill -9"
works "after kill -9"
copy_down
for host in online target; do
	for where in ingress egress; do
		lab_stop "${OTHER_PID[$host-tcx-$where-front]}" || true
		unset "OTHER_PID[$host-tcx-$where-front]"
	done
done
unchanged online "$before_online"
unchanged target "$before_target"
tap_done

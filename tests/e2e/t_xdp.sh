#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A port that carries only mirrored traffic: a switch (here `tc mirred` on the online host, which
# itself runs nothing of ours) sends a copy of what reaches the service to a third host, and
# `attach --hook xdp` there sends it on to the target. All requests arrive, by native and by generic
# XDP; what clients sent has unfinished checksums here, since no wire was between. Several copies of
# a packet, for two targets or twice for one, are made behind XDP.
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

MIRROR_MAC=02:00:00:00:00:04
TARGET_AT=$(lab_host_port "$TARGET_IP" "$PORT")

on_lab_exit() {
	[ ! -e "$(ns_path mirror)" ] || {
		daemon_stop mirror || true
		ip netns del "$LAB_ID-mirror" || true
	}
}

# The host with the port: eth0 on the bridge like everybody, and span0.
mirror_host() {
	lab_host mirror 4 "$MIRROR_MAC"
	ip link add span0 netns "$LAB_ID-mirror" type veth peer name span1 netns "$LAB_ID-online"
	ip -n "$LAB_ID-mirror" link set span0 up
	ip -n "$LAB_ID-online" link set span1 up
	# A veth device takes frames of native XDP only where its other end polls (NAPI).
	in_ns sw ethtool -K vmirror gro on >/dev/null
	wait_for 5 lab_link_up mirror || lab_die "the link of mirror does not come up"
	in_ns online tc qdisc add dev eth0 clsact
	feed span1 || lab_lacks "tc u32 and mirred"
}

# feed DEVICE: a copy of all that comes for the service goes there.
feed() {
	local ip=ip
	[ "$LAB_FAMILY" = 4 ] || ip=ip6
	in_ns online tc filter add dev eth0 ingress protocol "${ip/ip6/ipv6}" u32 \
		match $ip protocol 6 0xff match $ip dport "$PORT" 0xffff \
		action mirred egress mirror dev "$1"
}

# counter NAME: since the port was attached.
counter() {
	echo $(($(ctl_json mirror ".result.online.$1" stats) - $(jq ".result.online.$1" "$LAB_DIR/base")))
}

# The programs stay loaded while something is attached, whatever comes and goes: that saves most of
# what an attach takes.
stay_loaded() {
	ask mirror attach eth0 --to "$(lab_host_port "$TARGET_IP" 9)" || lab_die "attach failed"
}

mirror_copying() {
	[ "$(ctl_json mirror '.result.online[0].copying' status 2>/dev/null)" = true ]
}

# mirror_up MODE [OPTIONS]: attach the port.
mirror_up() {
	local mode=$1
	shift
	ctl mirror --json stats >"$LAB_DIR/base"
	RESENT=$(ctl_json mirror '.result.ledger.resent // 0' ledger)
	ask mirror attach span0 --hook xdp --xdp-mode "$mode" --to "$TARGET_AT" "$@" ||
		lab_die "attach failed"
	wait_for 5 mirror_copying || lab_die "copying does not begin: $(ctl mirror status)"
}

mirror_down() {
	ask mirror detach span0
}

# all_arrive TEXT SECONDS URI [WRK-OPTIONS]
all_arrive() {
	local text=$1 seconds=$2 uri=$3 left
	shift 3
	requests_reset
	try "$text: no error for the clients" load "$seconds" 16 "$uri" "$@"
	requests_settle
	compare "$text: requests online" "$N_ONLINE" ">=" 1000
	is "$text: requests at the target = online" "$N_TARGET" "$N_ONLINE"
	[ "$N_TARGET" = "$N_ONLINE" ] || mirror_counters
}

mirror_counters() {
	ctl mirror --json stats | jq -r '.result.online // {} | to_entries[] |
		select(.value != 0) | "#   \(.key) \(.value)"'
	show_counters 2>/dev/null || true
}

plain() {
	local mode=$1
	mirror_up "$mode"
	is "$mode: status says how" "$(ctl_json mirror '.result.online[0].hook' status)" "xdp $mode"
	all_arrive "$mode, keep-alive" 1 /
	compare "$mode: unfinished checksums" "$(counter sum_finished)" ">" 1000
	compare "$mode: copies made by XDP" "$(counter mirrored)" ">" 1000
	is "$mode: copies that the device did not take" "$(counter redirect_failed)" 0
	mirror_down
}

# A second target, which takes all as well.
target2_up() {
	lab_host target2 5 02:00:00:00:00:05
	wait_for 5 lab_link_up target2 || lab_die "the link of target2 does not come up"
	lab_nginx target2
	lab_daemon target2
	ask target2 intercept eth0 --port "$PORT" || lab_die "intercept failed"
	# The way back to mapped sources.
	local pool=198.18.0.0/15
	[ "$LAB_FAMILY" = 4 ] || pool=2001:2::/64 # the part of it that is used
	ip -n "$LAB_ID-target" route add "$pool" via "$CLIENT_IP"
}

# all_have TEXT COPIES URI HOST...: each of them has every request so many times.
all_have() {
	local text=$1 copies=$2 uri=$3 host want
	shift 3
	requests_reset
	: >"$LAB_DIR/nginx-target2/access.log"
	try "$text: no error for the clients" load 1 16 "$uri"
	want=$(($(requests online) * copies))
	compare "$text: requests online" "$(requests online)" ">=" 1000
	for host; do
		caught_up "$host" "$want"
		is "$text: requests at $host" "$(requests "$host")" "$want"
	done
	is "$text: exchanges lost" "$(ctl_json mirror '.result.total.exchanges.lost' ledger)" 0
}

# resent: since the port was attached.
resent() {
	echo $(($(ctl_json mirror .result.ledger.resent ledger) - RESENT))
}

both_copying() {
	[ "$(ctl_json mirror '[.result.online[0].targets[].state] | join(" ")' status)" = \
		"copying copying" ]
}

# Of one packet several copies: to two targets, to one twice; what is lost of any is sent again.
several() {
	local second
	second=$(lab_host_port "$(lab_addr 5)" "$PORT")
	mirror_up native
	ask mirror target add span0 "$second"
	wait_for 5 both_copying || lab_die "copying does not begin: $(ctl mirror status)"
	if lose_some; then
		all_have "native, two targets, 2 % lost on the way to one" 1 / target target2
		compare "native, two targets: sent again" "$(resent)" ">" 10
		lose_none
	else
		all_have "native, two targets" 1 / target target2
	fi
	is "native, two targets: copies made by XDP" "$(counter mirrored)" 0
	mirror_down
	mirror_up generic --copies 2
	all_have "generic, two copies" 2 / target
	mirror_down
}

# As a cloud's packet mirror does it: from online to an address that nobody has.
vxlan() {
	local mode=$1
	ip -n "$LAB_ID-online" addr add 198.18.99.2/24 dev span1
	ip -n "$LAB_ID-online" neigh replace 198.18.99.4 lladdr 02:00:00:00:00:99 dev span1
	ip -n "$LAB_ID-online" link add vx0 type vxlan id 42 dev span1 local 198.18.99.2 \
		remote 198.18.99.4 dstport 4789 || { skip "VXLAN: no such device here"; return; }
	ip -n "$LAB_ID-online" link set vx0 up
	in_ns online tc filter del dev eth0 ingress
	feed vx0
	mirror_up "$mode" --vni 42
	all_arrive "VXLAN, $mode" 1 /
	compare "VXLAN, $mode: unwrapped" "$(counter unwrapped)" ">" 1000
	compare "VXLAN, $mode: unfinished checksums" "$(counter sum_finished)" ">" 1000
	mirror_down
	mirror_up "$mode" --vni 42 --copies 2
	all_have "VXLAN, $mode, two copies" 2 / target
	mirror_down
	mirror_up "$mode" --vni 43
	requests_reset
	fetch "$ONLINE_IP" / >/dev/null
	is "VXLAN, $mode: another --vni: copies" "$(counter copied)" 0
	compare "VXLAN, $mode: another --vni: counted" "$(counter other_vni)" ">" 2
	mirror_down
	in_ns online tc filter del dev eth0 ingress
	ip -n "$LAB_ID-online" link del vx0
	ip -n "$LAB_ID-online" addr del 198.18.99.2/24 dev span1
	feed span1
}

# fifty: requests, on one connection.
fifty() {
	in_ns client curl -s -o /dev/null --noproxy '*' --max-time 10 \
		"http://$(lab_host_port "$ONLINE_IP" "$PORT")/?[1-50]"
}

# What this kernel has no devices for is wrapped by a program.
wrapped() {
	local kind wrapper
	ip -n "$LAB_ID-online" link add wrap0 type veth peer name wrap1
	ip -n "$LAB_ID-online" link set wrap0 up
	ip -n "$LAB_ID-online" link set wrap1 up
	in_ns online tc filter del dev eth0 ingress
	feed wrap0
	mirror_up native --vni 7
	for kind in gre gre-ip erspan2 erspan3; do
		wrap "$kind" 7
		requests_reset
		try "$kind: the clients" fifty
		requests_settle
		is "$kind: requests at the target = online" "$N_TARGET $N_ONLINE" "50 50"
		lab_stop "$wrapper" || true
	done
	wrap erspan1 7 # has no session
	fetch "$ONLINE_IP" / >/dev/null
	try "erspan1, --vni: skipped" wait_for 2 skipped_vni
	lab_stop "$wrapper" || true
	mirror_down
	in_ns online tc filter del dev eth0 ingress
	ip -n "$LAB_ID-online" link del wrap0
	feed span1
}

# wrap KIND NUMBER: sets $wrapper of the caller.
wrap() {
	lab_spawn online "$LAB_DIR/wrap-$1.out" "$(dirname "$0")/wrap.py" "$1" "$2" wrap1 span1
	wrapper=$LAST_PID
	wait_for 5 grep -q ready "$LAB_DIR/wrap-$1.out" || lab_die "no wrap.py"
}

skipped_vni() {
	[ "$(counter other_vni)" -gt 2 ]
}

# lose_some: every 50th copy to the target.
lose_some() {
	in_ns sw sysctl -q -w "net.bridge.bridge-nf-call-$LAB_IPTABLES=1" || return 1
	in_ns sw "$LAB_IPTABLES" -w -A FORWARD -p tcp -d "$TARGET_IP" --dport "$PORT" -m statistic \
		--mode nth --every 50 --packet 0 -j DROP || lab_lacks "iptables with statistic"
}

lose_none() {
	in_ns sw "$LAB_IPTABLES" -w -F FORWARD
	in_ns sw sysctl -q -w "net.bridge.bridge-nf-call-$LAB_IPTABLES=0" || true
}

# What the switch loses on the way to the target this host sends again.
lossy() {
	lose_some || { skip "recovery: no netfilter in bridges here"; return; }
	mirror_up native
	all_arrive "2 % lost on the way" 1 /
	compare "2 % lost on the way: sent again" "$(resent)" ">" 10
	is "2 % lost on the way: no room in the journal" "$(counter journal_full)" 0
	mirror_down
	lose_none
}

# The mirror arrives at the target host itself: there is no other host of ours.
at_home() {
	local at=198.18.98.3 bits=32 nodad=
	[ "$LAB_FAMILY" = 4 ] || at=2001:2:0:98::3 bits=128 nodad=nodad
	ip link add home0 netns "$LAB_ID-target" type veth peer name home1 netns "$LAB_ID-online"
	ip -n "$LAB_ID-online" link set home1 up
	ip -n "$LAB_ID-target" link set home0 up
	in_ns target sysctl -q -w net.ipv4.conf.home0.rp_filter=0
	in_ns online tc filter del dev eth0 ingress
	feed home1
	refused_at target "an address of another interface" "but not of home0" \
		home0 --hook xdp --to "$(lab_host_port "$TARGET_IP" "$PORT")"
	ip -n "$LAB_ID-target" addr add "$at/$bits" dev home0 $nodad
	at=$(lab_host_port "$at" "$PORT")
	ask target intercept home0 --port "$PORT" || lab_die "intercept failed"
	refused_at target "two copies to the target itself" "leave --copies" \
		home0 --hook xdp --copies 2 --to "$at"
	refused_at target "the target itself by generic XDP" "needs native XDP" \
		home0 --hook xdp --xdp-mode generic --to "$at"
	ask target attach home0 --hook xdp --to "$at" || lab_die "attach failed"
	is "at the target itself: status says how" \
		"$(ctl_json target '.result.online[0].hook' status)" "xdp native"
	wait_for 5 at_home_copying || lab_die "copying does not begin"
	all_arrive "at the target itself" 1 /
	ask target detach home0
	ask target release home0
	in_ns online tc filter del dev eth0 ingress
	ip -n "$LAB_ID-online" link del home1
	feed span1
}

at_home_copying() {
	[ "$(ctl_json target '.result.online[0].copying' status 2>/dev/null)" = true ]
}

# The target moves to another link address, and tells its neighbours.
neighbour() {
	mirror_up native
	in_ns target sysctl -q -w net.ipv4.conf.eth0.arp_notify=1 net.ipv6.conf.eth0.ndisc_notify=1
	ip -n "$LAB_ID-target" link set eth0 address 02:00:00:00:00:33
	try "the target has another link address: it is learned" wait_for 5 learned
	all_arrive "the target has another link address" 1 /
	mirror_down
}

# Frames go to that address.
learned() {
	bpftool -j map dump pinned "$(pins mirror)/online/targets" | jq -e \
		'any(.[].formatted.value.target[]; .hop[0:6] == [2, 0, 0, 0, 0, 51])' >/dev/null
}

# A device whose driver has no XDP.
auto_mode() {
	ip -n "$LAB_ID-mirror" link add br9 type bridge
	ip -n "$LAB_ID-mirror" link set br9 up
	ask mirror attach br9 --hook xdp --to "$TARGET_AT" || lab_die "attach failed"
	is "a device without native XDP" \
		"$(ctl_json mirror '.result.online[] | select(.iface == "br9").hook' status)" "xdp generic"
	ask mirror detach br9
	refusal "native XDP where there is none" "xdp-mode generic" br9 --hook xdp --xdp-mode native
	ip -n "$LAB_ID-mirror" link del br9
}

# refusal TEXT PATTERN WORD...: attach fails with one line like that.
refusal() {
	local text=$1 pattern=$2
	shift 2
	[[ " $* " == *" --to "* ]] || set -- "$@" --to "$TARGET_AT"
	refused_at mirror "$text" "$pattern" "$@"
}

# refused_at HOST TEXT PATTERN WORD...
refused_at() {
	local host=$1 text=$2 pattern=$3
	shift 3
	if ctl "$host" attach "$@" >"$LAB_DIR/refused.txt" 2>&1; then
		not_ok "$text is refused"
		ask "$host" detach "$1"
	else
		is "$text: refused, with the reason" "$(grep -c -- "$pattern" "$LAB_DIR/refused.txt")" 1
	fi
}

# Interfaces that this host uses, and one that another program has.
refused() {
	local server
	ip -n "$LAB_ID-mirror" -"$LAB_FAMILY" route add default via "$ONLINE_IP"
	refusal "the default route's interface" "default route" eth0 --hook xdp
	ip -n "$LAB_ID-mirror" -"$LAB_FAMILY" route del default
	lab_spawn mirror "$LAB_DIR/server.log" python3 -u -m http.server 9090 --bind "$(lab_addr 4)"
	server=$LAST_PID
	wait_for 10 listening || lab_die "no server"
	refusal "an interface with a listener" "port 9090" eth0 --hook xdp
	try "an interface with a listener: --force" \
		ask mirror attach eth0 --hook xdp --force --to "$TARGET_AT"
	ask mirror detach eth0
	lab_stop "$server" || true
	refusal "--rest without XDP" "goes with --hook xdp" span0 --rest drop
	lab_spawn mirror "$LAB_DIR/other.log" "$(dirname "$0")/others.py" xdp span0 back 2
	server=$LAST_PID
	wait_for 10 has_xdp || lab_die "no other XDP program: $(cat "$LAB_DIR/other.log")"
	refusal "an interface with another XDP program" "another XDP program" span0 --hook xdp
	lab_stop "$server" || true
}

listening() {
	in_ns mirror ss -Htln | grep -q :9090
}

has_xdp() {
	in_ns mirror ip link show span0 | grep -q xdp
}

# What is not copied ends here, or goes on to the stack.
rest() {
	local what=$1 seen status=0
	mirror_up native --rest "$what"
	ip -n "$LAB_ID-online" addr add 198.18.99.2/24 dev span1
	ip -n "$LAB_ID-mirror" addr add 198.18.99.4/24 dev span0
	# A port where nobody listens: refused by the stack, if it hears of it.
	in_ns online timeout 1 bash -c ': >/dev/tcp/198.18.99.4/9' 2>/dev/null || status=$?
	seen=$([ "$status" = 124 ] && echo silent || echo answered)
	ip -n "$LAB_ID-online" addr del 198.18.99.2/24 dev span1
	ip -n "$LAB_ID-mirror" addr del 198.18.99.4/24 dev span0
	[ "$what" = pass ] && is "--rest pass: a connection" "$seen" answered
	[ "$what" = pass ] || is "--rest drop: a connection" "$seen" silent
	[ "$what" = pass ] || compare "--rest drop: counted" "$(counter rest_dropped)" ">" 0
	mirror_down
}

lab_up
lab_nginx online
lab_nginx target
mirror_host
LEAK_EXCEPT="dst host $(lab_addr 4)" # the feedback link
leak_start
lab_daemon target
lab_daemon mirror
intercept || lab_die "intercept failed"
stay_loaded
target2_up
plain native
plain generic
several
vxlan native
vxlan generic
wrapped
lossy
neighbour
auto_mode
at_home
rest pass
rest drop
ask mirror detach eth0
refused
leak_end "all of it"
tap_done

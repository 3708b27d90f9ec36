#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A router between the hosts that drops foreign source addresses: without --via no copy arrives, with
# it every request does: keep-alive, 32 KB posts, 100 KB answers, packets of full size that nobody has
# merged. Nothing but copies comes out of a tunnel, and its devices go, after kill -9 too.
# engines: nfqueue
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"
# shellcheck source=tests/harness/router.sh
. "$(dirname "$0")/../harness/router.sh"

HERE=$(dirname "$0")

counter() {
	ctl_json "$1" ".result.$2" stats
}

has_vxlan() {
	in_ns sw ip link add probe0 type vxlan id 1 dstport 4789 && ip -n "$LAB_ID-sw" link del probe0
}

# What networks of clouds do.
filter_foreign() {
	in_ns router "$LAB_IPTABLES" -w -I FORWARD -i left ! -s "$ONLINE_IP" -j DROP
}

# run TEXT LEAST URI [WRK-OPTIONS]
run() {
	local text=$1 least=$2 uri=$3
	shift 3
	requests_reset
	try "$text: no error for the clients" load 2 8 "$uri" "$@"
	requests_settle
	compare "$text: requests online" "$N_ONLINE" ">=" "$least"
	is "$text: requests at the target = online" "$N_TARGET" "$N_ONLINE"
	is "$text: answers other than 200 at the target" \
		"$(awk '$4 != 200 && $4 != 499' "$LAB_DIR/nginx-target/access.log" | wc -l)" 0
}

# Of any packet that the online host has sent.
fragments() {
	in_ns online nstat -asz IpFragCreates Ip6FragCreates |
		awk '/FragCreates/ { n += $2 } END { print n + 0 }'
}

# Nobody merges packets, nobody cuts them: each has the size that the client's MTU allows.
single_packets() {
	local host
	for host in client online; do
		in_ns "$host" ethtool -K eth0 tso "$1" gso "$1" gro "$1" >/dev/null
	done
}

# paced_posts MS: of 32 KB, with a pause between two of a connection. Merged ones at full speed test
# the bound of the hold queue (--hold): a target on the same processors as client and online host may
# be slower than these.
paced_posts() {
	post_script 32768 >/dev/null
	echo "function delay() return $1 end" >>"$LAB_DIR/post.lua"
}

without() {
	attach
	wait_for 5 copying || lab_die "copying does not begin: $(ctl online status)"
	requests_reset
	for _ in 1 2 3; do
		fetch "$ONLINE_IP" / >/dev/null
	done
	is "without --via: requests online" "$(requests online)" 3
	compare "without --via: copies that left" "$(counter online online.copied)" ">=" 6
	is "without --via: requests at the target" "$(requests target)" 0
	ask online detach eth0
}

# stranger: what is no copy ends where it comes out of a tunnel: at the target a packet to another port
# and one to another address; at the online host, whose device only sends, anything.
stranger() {
	local before dev=tcpcvx$LAB_FAMILY
	before=$(counter target target.tunnel_foreign)
	in_ns online "$HERE/tunnel_stranger.py" "$TARGET_IP" 36524 ff:ff:ff:ff:ff:ff \
		"$TARGET_IP:$((PORT + 1))" "$(lab_addr 0):$PORT"
	wait_for 5 strangers_are $((before + 2)) || true
	is "out of the tunnel: what is no copy" $(($(counter target target.tunnel_foreign) - before)) 2
	in_ns client "$HERE/tunnel_stranger.py" "$ONLINE_IP" 36525 \
		"$(ip -n "$LAB_ID-online" -j link show "$dev" | jq -r '.[0].address')" \
		"$ONLINE_IP:$PORT"
	try "a packet reaches the online host's own device" wait_for 5 received "$dev"
	is "connections that it opens there" \
		"$(in_ns online ss -Htn state syn-recv "sport = :$PORT" | wc -l)" 0
}

received() {
	[ "$(ip -n "$LAB_ID-online" -j -s link show "$1" | jq '.[0].stats64.rx.packets')" -gt 0 ]
}

strangers_are() {
	[ "$(counter target target.tunnel_foreign)" -ge "$1" ]
}

# no_end: a target that takes no tunnels is told so.
no_end() {
	ask target release eth0
	ask target intercept eth0 --port "$PORT" --engine "$ENGINE"
	ask online attach eth0 --to "$(lab_host_port "$TARGET_IP" "$PORT")" --via vxlan
	wait_for 5 not_copying || true
	is "a target without --via: status says what to do" \
		"$(ctl_json online '.result.online[0].reason' status | grep -c -- '--via vxlan')" 1
}

lab_up
has_vxlan 2>/dev/null || lab_lacks "VXLAN devices (CONFIG_VXLAN)"
router_up
filter_foreign || lab_lacks "iptables"
lab_nginx online
lab_nginx target
capture_start leak router right "ether src $TARGET_MAC and (ip or ip6) and not dst host $ONLINE_IP \
	and not (icmp6 and ip6[40] >= 128) and not dst net ff00::/8"
INTERCEPT=(--via vxlan)
daemons_up
intercept || lab_die "intercept failed"
without

# What a busy machine lets wait is none of this test's.
ATTACH=(--via vxlan --retain 256)
attach
wait_for 5 copying || lab_die "copying does not begin: $(ctl online status)"
run "keep-alive" 500 /
run "100 KB answers" 200 /100k
paced_posts 5
run "32 KB posts" 200 /post -s "$LAB_DIR/post.lua"
is "packets that were too large" "$(counter online online.too_big)" 0
if command -v ethtool >/dev/null; then
	single_packets off
	post_script 32768 >/dev/null # at full speed
	run "32 KB posts in single packets" 100 /post -s "$LAB_DIR/post.lua"
	compare "packets that were cut to fit the tunnel" \
		"$(counter online online.tunnel_cut)" ">" 1000
	is "fragments of the tunnel's packets" "$(fragments)" 0
	single_packets on
fi
is "exchanges lost" "$(ctl_json online '.result.total.exchanges.lost' ledger)" 0
compare "packets out of the tunnel" "$(counter target target.tunnelled)" ">" 1000
[ "$TAP_FAILED" -eq 0 ] || show_counters
is "doctor's probes from here and from a client: arrive" \
	"$(ctl_json online '[.result.findings[] | select(.check == "probe") | .level] | join(" ")' \
		doctor eth0)" "ok ok"
stranger

daemon_kill online
daemon_kill target
compare "after kill -9: devices left" "$(our_devices online | wc -l)" ">=" 2
daemons_up
is "the next start removes them" "$(our_devices online)$(our_devices target)" ""
intercept
attach
wait_for 5 copying || lab_die "copying does not begin: $(ctl online status)"
ask online detach eth0
is "detached: devices left online" "$(our_devices online)" ""
no_end
copy_down
capture_stop leak
is "packets of the target to anybody else" "$CAPTURED" 0
is "left over online" "$(left_over online)" ""
is "left over at the target" "$(left_over target)" ""
tap_done

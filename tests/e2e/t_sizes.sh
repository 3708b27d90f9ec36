#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Packets of every size: large and small requests and answers arrive whole, whatever the devices on
# the way merge or cut (GRO, GSO, TSO). What does not fit the way to the target is made to fit, or
# counted, and no client hears of it.
# mostly waits, 25 s
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

HERE=$(dirname "$0")
ROUTER=      # the namespace between online and target, once there is one
FAR_NET=198.18.99
NO_OFFLOAD=(gro off gso off tso off)

on_lab_exit() {
	if [ -n "$ROUTER" ]; then
		ip netns del "$ROUTER" || true
	fi
}

# offload NAMESPACE DEVICE SETTINGS...
offload() {
	local ns=$1 device=$2
	shift 2
	in_ns "$ns" ethtool -K "$device" "$@" >/dev/null 2>&1 ||
		lab_die "ethtool -K $device $* in $ns"
}

# everywhere SETTINGS...
everywhere() {
	local host
	for host in client online target; do
		offload "$host" eth0 "$@"
		offload sw "v$host" "$@"
	done
}

# exchange METHOD URI TIMES [CURL-OPTIONS]: so many at once, each on a connection of its own.
exchange() {
	local method=$1 uri=$2 times=$3 i pids=() bad=0
	shift 3
	for i in $(seq "$times"); do
		in_ns client curl -sf -o /dev/null --noproxy '*' --max-time 20 -X "$method" "$@" \
			"http://$ONLINE_IP:$PORT$uri" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || bad=1
	done
	return $bad
}

# Slower than the devices can be: with GRO a veth queues 256 packets, drops what is beyond, and what
# is lost on the way to the target is lost.
post() {
	exchange POST "/post" "$2" -H Expect: --limit-rate 20M --data-binary "@$LAB_DIR/$1"
}

# all_sizes: requests and answers of each size.
all_sizes() {
	exchange GET / 2 && exchange GET /100k 4 && exchange GET /10m 2 && post 1m 3 && post 10m 2
}

# summary HOST: what was asked and how long both ways were; the order is the server's own.
summary() {
	awk '{ $1 = ""; print }' "$LAB_DIR/nginx-$1/access.log" | sort
}

same_at_target() {
	[ "$(summary target)" = "$(summary online)" ]
}

# The uploads that a narrow way kept back are sent again when the way is known, and may arrive now.
same_but_late() {
	[ "$(summary target | grep -v 'POST /post')" = "$(summary online)" ]
}

# dropped: by the devices between online and target, both ways.
dropped() {
	in_ns sw ip -j -s link show | jq '[.[].stats64 | .rx.dropped + .tx.dropped] | add'
}

# whole TEXT: the clients get everything, and the target sees the same, byte for byte.
whole() {
	requests_reset
	try "$1: no error for the clients" all_sizes
	try "$1: $(requests online) requests whole at the target" wait_for 15 same_at_target
	same_at_target && return
	diff <(summary online) <(summary target) | sed 's/^/#   /' || true
	show_counters
	note "dropped on the way: $(dropped)"
}

counter() {
	ctl_json "$1" ".result.$2" stats
}

offloads() {
	local host
	copy_up
	whole "as the devices come"
	everywhere gro on
	whole "GRO everywhere"
	for host in client online target; do
		offload "$host" eth0 "${NO_OFFLOAD[@]}"
		whole "nothing merged at the $host"
		offload "$host" eth0 gro on gso on tso on
	done
	offload sw vtarget "${NO_OFFLOAD[@]}"
	whole "nothing merged at the target's port of the switch"
	everywhere "${NO_OFFLOAD[@]}"
	whole "nothing merged anywhere"
	is "copies that were too big, or resized" \
		"$(counter online online.too_big) $(counter online online.resized)" "0 0"
	copy_down
	everywhere gro on gso on tso on
}

fragments() {
	daemons_up
	intercept
	attach
	wait_for 5 copying || lab_die "copying does not begin"
	in_ns client "$HERE/frames.py" send eth0 "$CLIENT_IP" "$CLIENT_MAC" "$ONLINE_IP" \
		"$ONLINE_MAC" "$PORT" >/dev/null
	in_ns client "$HERE/frames.py" send eth0 "$CLIENT_IP" "$CLIENT_MAC" "$TARGET_IP" \
		"$TARGET_MAC" "$PORT" >/dev/null
	# Two of IPv4 and one of IPv6 are in the set.
	try "fragments of requests are counted online" \
		wait_for 5 counter_is online online.fragment 3
	try "fragments are counted at the target" wait_for 5 counter_is target target.fragment 3
	copy_down
}

counter_is() {
	[ "$(counter "$1" "$2")" = "$3" ]
}

counter_beyond() {
	[ "$(counter "$1" "$2")" -gt "$3" ]
}

# Clients and the online host with jumbo frames, the target without.
jumbo() {
	local host
	for host in client online; do
		ip -n "$LAB_ID-$host" link set eth0 mtu 9000
		ip -n "$LAB_ID-sw" link set "v$host" mtu 9000
	done
	ip -n "$LAB_ID-online" route add "$TARGET_IP/32" dev eth0 mtu 1500
	# The target's port cuts what is still large, so the capture sees what a wire would.
	offload sw vtarget gso off tso off
	copy_up
	capture_start large sw vtarget "greater 1515 and dst host $TARGET_IP and dst port $PORT"
	capture_start icmp client eth0 "icmp[icmptype] != icmp-echo"
	requests_reset
	try "jumbo frames: small requests, answers of any size" jumbo_answers
	try "jumbo frames: they are whole at the target" wait_for 15 same_at_target
	try "jumbo frames: uploads are whole online" post 10m 2
	try "jumbo frames: merged packets are resized" wait_for 5 counter_beyond online online.resized 0
	in_ns client curl -sf -o /dev/null --max-time 5 -H Expect: --data-binary "@$LAB_DIR/5k" \
		"http://$ONLINE_IP:$PORT/post" || not_ok "jumbo frames: an upload in one packet"
	try "jumbo frames: one that is too large by itself is counted" \
		wait_for 5 counter_beyond online online.too_big 0
	compare "jumbo frames: doctor says so" \
		"$(ctl online --json doctor eth0 | grep -c 'the way to .* 1500')" "==" 1
	capture_stop large
	is "jumbo frames: copies larger than the target's MTU on its wire" "$CAPTURED" 0
	capture_stop icmp
	is "jumbo frames: ICMP at the client" "$CAPTURED" 0
	copy_down
	ip -n "$LAB_ID-online" route del "$TARGET_IP/32"
	for host in client online; do
		ip -n "$LAB_ID-$host" link set eth0 mtu 1500
		ip -n "$LAB_ID-sw" link set "v$host" mtu 1500
	done
	offload sw vtarget gso on tso on
}

jumbo_answers() {
	exchange GET / 2 && exchange GET /100k 4 && exchange GET /10m 2
}

# A router on the way whose next link takes less, and which the online host knows nothing of.
router() {
	ROUTER=$LAB_ID-router
	ip netns add "$ROUTER"
	ip -n "$LAB_ID-sw" link add vrouter type veth peer name eth0 netns "$ROUTER"
	ip -n "$LAB_ID-sw" link set vrouter master br0 up
	ip -n "$ROUTER" link add eth1 type veth peer name eth1 netns "$LAB_ID-target"
	ip -n "$ROUTER" addr add "$LAB_NET.4/24" dev eth0
	ip -n "$ROUTER" addr add "$FAR_NET.1/24" dev eth1
	ip -n "$LAB_ID-target" addr add "$FAR_NET.3/24" dev eth1
	ip -n "$ROUTER" link set eth0 up
	ip -n "$ROUTER" link set eth1 mtu 1400 up
	ip -n "$LAB_ID-target" link set eth1 up
	in_ns router sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0
	in_ns target sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth1.rp_filter=0
	ip -n "$LAB_ID-online" route add "$FAR_NET.0/24" via "$LAB_NET.4"
	ip -n "$LAB_ID-target" route add "$ONLINE_IP/32" via "$FAR_NET.1"
}

# A packet that must not be cut (IP_MTU_DISCOVER is 10, IP_PMTUDISC_DO 2).
too_large_with_df() {
	in_ns client python3 -c '
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.IPPROTO_IP, 10, 2)
sock.sendto(bytes(1420), (sys.argv[1], 9))' "$FAR_NET.3"
}

icmp_seen() {
	in_ns client nstat -asz IcmpInDestUnreachs | grep -q 'Unreachs *[1-9]'
}

narrow_way() {
	router
	daemons_up
	ask target intercept eth1 --port "$PORT"
	ask online attach eth0 --to "$FAR_NET.3:$PORT"
	wait_for 5 copying || lab_die "copying does not begin: $(ctl online status)"
	capture_start icmp client eth0 "icmp[icmptype] != icmp-echo"
	requests_reset
	try "a narrow way: the clients are served" post 1m 2
	try "a narrow way: the target sees fragments" wait_for 5 counter_beyond target target.fragment 2
	capture_stop icmp
	is "a narrow way: ICMP at the client" "$CAPTURED" 0
	# The detector sees what the router says to a packet that must not be cut.
	ip -n "$LAB_ID-client" route add "$FAR_NET.0/24" via "$LAB_NET.4"
	capture_start icmp client eth0 "icmp[icmptype] == icmp-unreach"
	too_large_with_df
	wait_for 5 icmp_seen || true
	capture_stop icmp
	compare "control: ICMP at the client about a packet with DF" "$CAPTURED" ">=" 1
	ip -n "$LAB_ID-online" route replace "$FAR_NET.0/24" via "$LAB_NET.4" mtu 1400
	requests_reset
	try "a narrow way that is known: answers" jumbo_answers
	try "a narrow way that is known: whole at the target" wait_for 15 same_but_late
	copy_down
}

lab_up
lab_nginx online
lab_nginx target
for host in online target; do
	head -c 10485760 /dev/zero | tr '\0' 'x' >"$LAB_DIR/nginx-$host/www/10m"
done
for size in 5k:5000 1m:1048576 10m:10485760; do
	head -c "${size#*:}" /dev/zero | tr '\0' 'y' >"$LAB_DIR/${size%:*}"
done
leak_start
offloads
jumbo
leak_end "all sizes"
fragments
narrow_way
tap_done

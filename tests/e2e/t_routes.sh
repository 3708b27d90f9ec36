#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Responses stay inside also where the way back to a client is not the way its copies came
# (another interface), and where the port belongs to somebody else's stack (a container's).
# mostly waits
# engines: nfqueue tc
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

FAR_CLIENT=198.19.1.1 # of a net that the target reaches by its second interface
CONTAINER=

on_lab_exit() {
	if [ -n "$CONTAINER" ]; then
		ip netns del "$CONTAINER" || true
	fi
}

far_fetch() {
	in_ns client curl -s -o /dev/null -w '%{http_code}' --interface "$FAR_CLIENT" --max-time 5 \
		"http://$ONLINE_IP:$PORT/"
}

counter() {
	ctl_json target ".result.$1" stats
}

counter_is_positive() {
	[ "$(counter "$1")" -gt 0 ]
}

second_interface() {
	ip -n "$LAB_ID-client" addr add "$FAR_CLIENT/24" dev eth0
	ip -n "$LAB_ID-online" route add 198.19.1.0/24 dev eth0
	ip -n "$LAB_ID-target" link add out0 type veth peer name out1
	ip -n "$LAB_ID-target" link set out1 up
	ip -n "$LAB_ID-target" link set out0 up
	ip -n "$LAB_ID-target" addr add 198.18.77.1/24 dev out0
	ip -n "$LAB_ID-target" neigh add 198.18.77.2 lladdr 02:00:00:00:00:77 dev out0
	ip -n "$LAB_ID-target" route add 198.19.1.0/24 dev out0 via 198.18.77.2
	in_ns target sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0
}

other_way_back() {
	copy_up
	requests_reset
	capture_start away target out0 "tcp src port $PORT"
	is "another way back: the client is served" "$(far_fetch)" 200
	try "another way back: the target answers the copy" wait_for 5 requests_are target 1
	copy_down
	capture_stop away
	is "another way back: packets that left by it" "$CAPTURED" 0
}

# Docker's way: the port is translated and handed on to another network namespace.
container() {
	CONTAINER=$LAB_ID-cont
	ip netns add "$CONTAINER"
	ip -n "$LAB_ID-target" link add c0 type veth peer name eth0 netns "$CONTAINER"
	ip -n "$LAB_ID-target" addr add 198.18.88.1/24 dev c0
	ip -n "$LAB_ID-target" link set c0 up
	ip -n "$CONTAINER" addr add 198.18.88.2/24 dev eth0
	ip -n "$CONTAINER" link set lo up
	ip -n "$CONTAINER" link set eth0 up
	ip -n "$CONTAINER" route add default via 198.18.88.1
	in_ns target sysctl -qw net.ipv4.ip_forward=1
	in_ns target iptables -w -t nat -A PREROUTING -p tcp --dport 9090 -j DNAT \
		--to-destination 198.18.88.2:9090
	lab_spawn cont "$LAB_DIR/container.log" python3 -u -m http.server 9090
	wait_for 10 served_by_container || lab_die "the container does not serve"
}

served_by_container() {
	[ "$(in_ns client curl -s -o /dev/null -w '%{http_code}' --max-time 1 \
		"http://$TARGET_IP:9090/")" = 200 ]
}

forwarded_port() {
	container
	leak_start
	daemons_up
	ask target intercept eth0 --port 9090 --engine "$ENGINE"
	ask online attach eth0 --to "$TARGET_IP:9090" --port "$PORT"
	wait_for 5 copying || lab_die "copying does not begin: $(ctl online status)"
	is "a forwarded port: the client is served" "$(fetch "$ONLINE_IP" /)" 200
	try "a forwarded port: copies end for want of a listener" \
		wait_for 5 counter_is_positive target.no_listener
	copy_down
	leak_end "a forwarded port"
}

lab_up
lab_nginx online
lab_nginx target
second_interface
other_way_back
forwarded_port
tap_done

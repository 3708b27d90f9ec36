#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Interfaces as containers and virtual machines have them: a host whose address is on a bridge (and
# the port of it), a port that is published for a container behind address translation, the
# container's own leg of its veth pair. And a target whose address is on a bridge.
# mostly waits
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

BOX_NET=198.18.60
PUBLISHED=8081

# bridge_up HOST NUMBER MAC: eth0 becomes a port of br0, which takes over its address.
bridge_up() {
	local ns=$LAB_ID-$1
	ip -n "$ns" addr flush dev eth0
	ip -n "$ns" link add br0 address "$3" type bridge stp_state 0 forward_delay 0 mcast_snooping 0
	ip -n "$ns" link set eth0 master br0
	ip -n "$ns" link set br0 up
	ip -n "$ns" addr add "$LAB_NET.$2/24" dev br0
	wait_for 5 bridge_forwards "$1" || lab_die "br0 of $1 does not come up"
}

bridge_forwards() {
	in_ns "$1" ip -o link show dev br0 | grep -q 'state UP' &&
		in_ns "$1" ip -d -o link show dev eth0 | grep -q 'state forwarding'
}

# box_up: a container of the online host with a server of its own; a port of the host leads to it.
box_up() {
	local host=$LAB_ID-online box=$LAB_ID-box
	ip netns add "$box"
	ip -n "$box" link set lo up
	ip link add vbox netns "$host" type veth peer name eth0 netns "$box"
	ip -n "$host" addr add "$BOX_NET.1/24" dev vbox
	ip -n "$box" addr add "$BOX_NET.2/24" dev eth0
	ip -n "$host" link set vbox up
	ip -n "$box" link set eth0 up
	ip -n "$box" route add default via "$BOX_NET.1"
	ip -n "$LAB_ID-target" route add "$BOX_NET.0/24" via "$ONLINE_IP"
	wait_for 5 box_link_up || lab_die "the link of the container does not come up"
	in_ns online sysctl -qw net.ipv4.ip_forward=1
	in_ns online iptables -w -t nat -A PREROUTING -p tcp --dport "$PUBLISHED" -i "$1" \
		-j DNAT --to-destination "$BOX_NET.2:$PORT" ||
		lab_lacks "address translation (CONFIG_NF_NAT)"
	lab_nginx box
}

box_link_up() {
	in_ns box ip -o link show dev eth0 | grep -q 'state UP'
}

# asks N PORT: so many requests of the client to the online host, 32 KB up and 100 KB down too.
asks() {
	local i uri
	for i in $(seq "$1"); do
		uri="http://$ONLINE_IP:$2"
		in_ns client curl -sf -o /dev/null --noproxy '*' --max-time 5 "$uri/m/$i" \
			--next -sf -o /dev/null --max-time 5 "$uri/100k" \
			--next -sf -o /dev/null --max-time 5 -H Expect: \
			--data-binary "@$LAB_DIR/32k" "$uri/post" || return 1
	done
}

# all_arrive TEXT SERVER PORT: what the client asks there reaches the target.
all_arrive() {
	: >"$LAB_DIR/nginx-$2/access.log"
	: >"$LAB_DIR/nginx-target/access.log"
	try "$1: the client is served" asks 10 "$3"
	is "$1: requests at the server" "$(requests "$2")" 30
	wait_for 5 requests_are target 30 || true
	is "$1: requests at the target" "$(requests target)" 30
}

# attached HOST IFACE [OPTION...]: by the daemon there.
attached() {
	local host=$1 iface=$2
	shift 2
	ask "$host" attach "$iface" --to "$TARGET_IP:$PORT" "$@"
	wait_for 5 copies_flow "$host" || lab_die "copying does not begin: $(ctl "$host" status)"
}

copies_flow() {
	[ "$(ctl_json "$1" '.result.online[0].copying' status 2>/dev/null)" = true ]
}

# in_the_box NETNS: a daemon on the online host that enters the container.
in_the_box() {
	local log=$LAB_DIR/daemon-box.log
	lab_spawn online "$log" "$TCPC_BUILD/tcpcopyd" --netns "$1" --run-dir "$(run_dir box)" \
		--bpffs "$(pins box)" "${LAB_AUTH[@]}"
	DAEMON_PID[box]=$LAST_PID
	wait_for 5 ctl_answers box || lab_die "no daemon in the container: $(tail -n 3 "$log")"
}

refused_netns() {
	local ctl=$TCPC_BUILD/tcpcopyctl
	is "a namespace that is not there" \
		"$("$TCPC_BUILD/tcpcopyd" --netns no-such-box --insecure 2>&1 |
			grep -c 'cannot enter network namespace no-such-box')" 1
	is "without a daemon there: what to start" \
		"$("$ctl" attach eth0 --netns "$LAB_ID-box" --to "$TARGET_IP:$PORT" 2>&1 |
			grep -c "start one, .tcpcopyd --netns $LAB_ID-box")" 1
}

lab_up
head -c 32768 /dev/zero | tr '\0' 'y' >"$LAB_DIR/32k"
bridge_up online 2 "$ONLINE_MAC"
bridge_up target 3 "$TARGET_MAC"
lab_nginx online
lab_nginx target
box_up br0
LEAK_EXCEPT="dst host $BOX_NET.2 and tcp src port $FEEDBACK_PORT"
leak_start
daemons_up
ask target intercept br0 --port "$PORT" --engine "$ENGINE"

attached online br0
all_arrive "a bridge" online "$PORT"
ask online detach br0

attached online eth0
all_arrive "the port of a bridge" online "$PORT"
ask online detach eth0

# Not at the bridge: with br_netfilter what comes by there has been translated already.
attached online eth0 --port "$PUBLISHED"
all_arrive "a container's published port" box "$PUBLISHED"
ask online detach eth0

# The container's own leg, by a daemon that was started on the host and goes there (--netns): its
# copies are forwarded by the host.
in_the_box "$LAB_ID-box"
attached box eth0
all_arrive "a container's leg, by its name" box "$PUBLISHED"
is "a daemon elsewhere knows nothing of it" \
	"$(ctl_json online '.result.online | length' status)" 0
daemon_stop box || true
refused_netns

# A target in a container, which is named by a process of its own.
in_the_box "$(<"$LAB_DIR/nginx-box/nginx.pid")"
ask box intercept eth0 --port "$PORT"
TARGET_IP=$BOX_NET.2
attached online br0
: >"$LAB_DIR/nginx-box/access.log"
try "to a container: the client is served" asks 10 "$PORT"
wait_for 5 requests_are box 30 || true
is "to a container: requests there" "$(requests box)" 30
ask online detach br0
is "released" "$(ctl box release eth0)" "eth0 is released"
daemon_stop box || true

[ "$TAP_FAILED" -eq 0 ] || show_counters
copy_down
leak_end "containers"
for host in online target box; do
	is "devices of ours left at $host" "$(our_devices "$host")" ""
done
tap_done

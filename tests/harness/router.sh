# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# router.sh - a router between the bridge and the target host, which loses, reorders and repeats
# packets as told. Sourced
# after lab.sh; only there can a packet be lost for good: on the target itself `align` sees it
# before any rule does, and a bridge has none.
#
#	bridge (.18.0/24) --- left .9  router  right .1 --- (.17.0/24) target .3

LAB_FAR_NET=198.18.17
LAB_FAR_NET6=2001:2:0:17

far_addr() {
	if [ "${2:-$LAB_FAMILY}" = 6 ]; then
		echo "$LAB_FAR_NET6::$1"
	else
		echo "$LAB_FAR_NET.$1"
	fi
}

# router_up: behind lab_up and before anything runs. TARGET_IP becomes the address behind it.
router_up() {
	local ns=$LAB_ID-router
	TARGET_IP=$(far_addr 3)
	ip netns add "$ns"
	ip -n "$ns" link set lo up
	ip -n "$LAB_ID-target" link del eth0
	ip link add left netns "$ns" type veth peer name vrouter netns "$LAB_ID-sw"
	ip link add right netns "$ns" type veth peer name eth0 address "$TARGET_MAC" \
		netns "$LAB_ID-target"
	ip -n "$LAB_ID-sw" link set vrouter master br0 up
	router_family 4
	[ -z "${LAB_V6:-}" ] || router_family 6
	for end in "router left" "router right" "target eth0"; do
		# shellcheck disable=SC2086 # host and device
		wait_for 5 router_link_up $end || lab_die "the link $end does not come up"
	done
}

# router_family FAMILY: addresses and routes.
router_family() {
	local v=$1 bits=24 nodad=
	[ "$v" = 4 ] || bits=64 nodad=nodad
	ip -n "$LAB_ID-router" addr add "$(lab_addr 9 "$v")/$bits" dev left $nodad
	ip -n "$LAB_ID-router" addr add "$(far_addr 1 "$v")/$bits" dev right $nodad
	ip -n "$LAB_ID-target" addr add "$(far_addr 3 "$v")/$bits" dev eth0 $nodad
	ip -n "$LAB_ID-router" link set left up
	ip -n "$LAB_ID-router" link set right up
	ip -n "$LAB_ID-target" link set eth0 up
	ip -n "$LAB_ID-target" -"$v" route add default via "$(far_addr 1 "$v")"
	ip -n "$LAB_ID-online" -"$v" route add "$(far_addr 0 "$v")/$bits" via "$(lab_addr 9 "$v")"
	ip -n "$LAB_ID-client" -"$v" route add "$(far_addr 0 "$v")/$bits" via "$(lab_addr 9 "$v")"
	if [ "$v" = 4 ]; then
		in_ns router sysctl -qw net.ipv4.ip_forward=1
	else
		in_ns router sysctl -qw net.ipv6.conf.all.forwarding=1
	fi
}

router_link_up() {
	in_ns "$1" ip -o link show dev "$2" | grep -q 'state UP'
}

# router_loses PERCENT: of copies, and of the feedback link in both directions. 0: none.
router_loses() {
	local p i
	in_ns router "$LAB_IPTABLES" -w -F FORWARD
	[ "$1" != 0 ] || return 0
	p=$(awk -v p="$1" 'BEGIN { printf "%.6f", p / 100 }')
	for i in "--dport $PORT" "--dport $FEEDBACK_PORT" "--sport $FEEDBACK_PORT"; do
		# shellcheck disable=SC2086 # two words
		in_ns router "$LAB_IPTABLES" -w -A FORWARD -p tcp $i -m statistic --mode random \
			--probability "$p" -j DROP || lab_lacks "iptables with statistic"
	done
}

# router_loses_copies: all of them, but nothing of the feedback link; router_loses ends it.
router_loses_copies() {
	in_ns router "$LAB_IPTABLES" -w -I FORWARD -p tcp --dport "$PORT" -j DROP
}

ROUTER_QUEUE=9 ROUTER_LATE=0 ROUTER_TWICE=0 ROUTER_SHUFFLE=

# router_reorders PERCENT, router_duplicates PERCENT: of the same packets. 0: none. Both can be.
router_reorders() {
	ROUTER_LATE=$1
	router_shuffles
}

router_duplicates() {
	ROUTER_TWICE=$1
	router_shuffles
}

# router_orderly: neither.
router_orderly() {
	ROUTER_LATE=0 ROUTER_TWICE=0
	router_shuffles
}

# In a table of its own, in front of what router_loses does.
router_shuffles() {
	local i
	in_ns router "$LAB_IPTABLES" -w -t mangle -F FORWARD
	[ -z "$ROUTER_SHUFFLE" ] || lab_stop "$ROUTER_SHUFFLE" || true
	ROUTER_SHUFFLE=
	[ "$ROUTER_LATE$ROUTER_TWICE" != 00 ] || return 0
	lab_spawn router "$LAB_DIR/shuffle.out" "$LAB_HERE/shuffle.py" "$ROUTER_QUEUE" \
		"$ROUTER_LATE" "$ROUTER_TWICE"
	ROUTER_SHUFFLE=$LAST_PID
	wait_for 5 grep -q ready "$LAB_DIR/shuffle.out" ||
		lab_die "shuffle.py: $(tail -n 1 "$LAB_DIR/shuffle.out")"
	for i in "--dport $PORT" "--dport $FEEDBACK_PORT" "--sport $FEEDBACK_PORT"; do
		# shellcheck disable=SC2086 # two words
		in_ns router "$LAB_IPTABLES" -w -t mangle -A FORWARD -p tcp $i \
			-j NFQUEUE --queue-num "$ROUTER_QUEUE"
	done
}

# router_shuffled WHAT: how many were `late` or `twice`, the last time, once that has ended.
router_shuffled() {
	grep -o "'$1': [0-9]*" "$LAB_DIR/shuffle.out" | grep -o '[0-9]*$' || echo 0
}

# router_cuts_link: copies pass, the feedback link does not; router_loses ends it.
router_cuts_link() {
	in_ns router "$LAB_IPTABLES" -w -I FORWARD -p tcp --dport "$FEEDBACK_PORT" -j DROP
	in_ns router "$LAB_IPTABLES" -w -I FORWARD -p tcp --sport "$FEEDBACK_PORT" -j DROP
}

# router_cut: nothing passes any more; router_loses ends it.
router_cut() {
	in_ns router "$LAB_IPTABLES" -w -I FORWARD -j DROP
}

# router_lost: copies that it has dropped since router_loses.
router_lost() {
	in_ns router "$LAB_IPTABLES" -w -nvxL FORWARD | awk -v p="dpt:$PORT" '
		$0 ~ p { n += $1 } END { print n + 0 }'
}

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Links of other kinds online: a TUN device, whose packets have no link header, and VLAN tags. A
# target that cannot intercept on such a device says so.
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

HERE=$(dirname "$0")
TUN_CLIENT=198.18.50.1 TUN_ONLINE=198.18.50.2

counter() {
	ctl_json "$1" ".result.$2" stats
}

tun() {
	lab_spawn client "$LAB_DIR/wire.txt" "$HERE/wire.py" "$(ns_path client)" "$(ns_path online)"
	wait_for 5 grep -q ready "$LAB_DIR/wire.txt" ||
		lab_lacks "TUN devices (CONFIG_TUN): $(tail -n 1 "$LAB_DIR/wire.txt")"
	ip -n "$LAB_ID-client" addr add "$TUN_CLIENT/24" dev tun0
	ip -n "$LAB_ID-online" addr add "$TUN_ONLINE/24" dev tun0
	ip -n "$LAB_ID-client" link set tun0 up
	ip -n "$LAB_ID-online" link set tun0 up
	ip -n "$LAB_ID-target" route add 198.18.50.0/24 dev eth0
	in_ns target sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0
}

# tun_load: requests of all kinds by that way.
tun_load() {
	local i
	for i in 1 2 3; do
		[ "$(fetch "$TUN_ONLINE" /100k)" = 200 ] || return 1
		[ "$(fetch "$TUN_ONLINE" /post --data-binary "@$LAB_DIR/200k" -H Expect:)" = 200 ] ||
			return 1
		[ "$(fetch "$TUN_ONLINE" "/m/tun$i")" = 200 ] || return 1
	done
}

over_tun() {
	daemons_up
	intercept
	ask online attach tun0 --to "$TARGET_IP:$PORT"
	wait_for 5 copying || lab_die "copying does not begin: $(ctl online status)"
	requests_reset
	try "tun: the client is served" tun_load
	requests_settle
	is "tun: requests online" "$N_ONLINE" 9
	is "tun: requests at the target = online" "$N_TARGET" "$N_ONLINE"
	is "tun: as large and as good as online" "$(answers target)" "$(answers online)"
	is "tun: packets that were not copied" \
		"$(counter online online.malformed) $(counter online online.clone_failed)" "0 0"
	ask online attach eth0 --to "$TARGET_IP:$PORT"
	requests_reset
	is "beside it Ethernet: the client is served" "$(fetch "$ONLINE_IP" /)" 200
	try "beside it Ethernet: the target too" wait_for 5 requests_are target 1
	try "tun: detached" ask online detach tun0
	tagged
	copy_down
	is "tun: copy devices left" "$(our_devices online)" ""
}

answers() {
	cut -d' ' -f2- "$LAB_DIR/nginx-$1/access.log" | sort | md5sum
}

# frames.py sends one packet of 6 bytes with one tag, and with two.
tagged() {
	capture_start tagged sw vtarget "dst host $TARGET_IP and tcp and ip[2:2] = 46"
	capture_start tags sw vtarget "vlan and ether src $ONLINE_MAC"
	in_ns client "$HERE/frames.py" send eth0 "$CLIENT_IP" "$CLIENT_MAC" "$ONLINE_IP" \
		"$ONLINE_MAC" "$PORT" >/dev/null
	wait_for 5 tagged_seen || true
	capture_stop tagged
	is "VLAN tags: copies of a packet with one tag, and with two" "$CAPTURED" 2
	capture_stop tags
	is "VLAN tags: copies that still have one" "$CAPTURED" 0
}

tagged_seen() {
	[ "$(tcpdump -r "$LAB_DIR/tagged.pcap" -n 2>/dev/null | wc -l)" -ge 2 ]
}

refused() {
	daemons_up
	in_ns target ip tuntap add tunx mode tun
	ip -n "$LAB_ID-target" link set tunx up
	if ctl target intercept tunx --port "$PORT" >"$LAB_DIR/refused.txt" 2>&1; then
		not_ok "intercept on a TUN device is refused"
	else
		is "intercept on a TUN device is refused with one line" \
			"$(grep -c 'tunx is not an Ethernet interface' "$LAB_DIR/refused.txt")" 1
	fi
	copy_down
}

lab_up
lab_nginx online
lab_nginx target
head -c 200000 /dev/zero | tr '\0' 'y' >"$LAB_DIR/200k"
tun
leak_start
over_tun
refused
leak_end "other links"
tap_done

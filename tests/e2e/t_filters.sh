#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Which connections are copied: those to some of the host's own addresses, those of some VLANs; from
# several interfaces at once. What is left out is counted (invariant 5), and `filter set` changes it
# while requests come.
# mostly waits
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

HERE=$(realpath "$(dirname "$0")")
OTHER_IP=$(lab_addr 22)	  # of the online host as well
SECOND_NET=198.18.51	  # of its second interface
SECOND_IP=$SECOND_NET.2
TO=$(lab_host_port "$TARGET_IP" "$PORT")

counter() {
	ctl_json online ".result.online.$1" stats
}

# asked TEXT ADDRESS NUMBER COPIED: so many requests, of which so many are to be at the target.
asked() {
	local i
	requests_reset
	for i in $(seq "$3"); do
		[ "$(fetch "$2" "/m/$i")" = 200 ] || not_ok "$1: request $i"
	done
	wait_for 5 requests_are target "$4" || true
	# Later ones of another kind would show those that came too late.
	[ "$4" = 0 ] || wait_for 5 nothing_under_way || not_ok "$1: something stays under way"
	is "$1: requests at the target of $3" "$(requests target)" "$4"
}

nothing_under_way() {
	[ "$(ctl_json online '.result.total | [.bytes, .exchanges] | map(.in_flight + .held) | add' \
		ledger)" = 0 ]
}

locals() {
	ask online attach eth0 --to "$TO" --local "$ONLINE_IP"
	wait_for 5 copying || lab_die "copying does not begin: $(ctl online status)"
	is "status has it" "$(ctl_json online '.result.online[0].locals[0]' status)" "$ONLINE_IP/32"
	asked "one address" "$ONLINE_IP" 5 5
	asked "another" "$OTHER_IP" 5 0
	compare "another: not_local" "$(counter not_local)" ">=" 10
	try "filter set --local" ask online filter set eth0 --local "$OTHER_IP,2001:db8::1"
	asked "the other way round" "$OTHER_IP" 5 5
	asked "the other way round, the first" "$ONLINE_IP" 5 0
	try "filter set --local=" ask online filter set eth0 --local=
	asked "all" "$OTHER_IP" 3 3
	asked "all, the first" "$ONLINE_IP" 3 3
	ask online detach eth0
}

# tagged FIRST-PORT TAG...: beginnings of connections, which alone follow a new rule, with the
# first tag, with both.
tagged() {
	in_ns client python3 - "$HERE" eth0 "$CLIENT_IP" "$ONLINE_IP" "$ONLINE_MAC" "$PORT" \
		"$@" <<-'END'
			import socket
			import struct
			import sys

			sys.path.insert(0, sys.argv[1])
			from frames import ETH_IP, ETH_VLAN, MARK_MAC, SYN, Maker

			iface, source, dest, mac, port, sport, *tags = sys.argv[2:]
			make = Maker(socket.inet_aton(source), socket.inet_aton(dest), int(port))
			out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
			out.bind((iface, 0))
			for n in range(1, len(tags) + 1):
			    head = b"".join(struct.pack("!HH", ETH_VLAN, int(t)) for t in tags[:n])
			    head += struct.pack("!H", ETH_IP)
			    syn = make.tcp(SYN, sport=int(sport) + n)
			    out.send(bytes.fromhex(mac.replace(":", "")) + MARK_MAC + head + make.ip(syn))
		END
}

# by_vlan LIST PORT NOT: of a packet with tag 5, one with 5 and 6 inside, and one without, so many
# are left out; PORT is of nobody yet.
by_vlan() {
	local before cloned
	ask online filter set eth0 --vlan "$1"
	before=$(counter not_vlan)
	cloned=$(counter cloned)
	tagged "$2" 5 6
	wait_for 5 tagged_seen $((before + cloned + 2)) || true
	is "--vlan '$1': packets with a tag that are left out, and that are copied" \
		"$(($(counter not_vlan) - before)) $(($(counter cloned) - cloned))" "$3"
}

tagged_seen() {
	[ $(($(counter not_vlan) + $(counter cloned))) -ge "$1" ]
}

vlans() {
	ask online attach eth0 --to "$TO" --vlan 9
	wait_for 5 copying || lab_die "copying does not begin"
	is "status has it" "$(ctl_json online '.result.online[0].vlans[0]' status)" 9
	by_vlan 9 30000 "2 0"
	by_vlan "" 30010 "0 2"
	by_vlan 5,4000 30020 "0 2"
	by_vlan 6 30030 "2 0"
	asked "without a tag, one is asked for" "$ONLINE_IP" 2 0
	by_vlan 0 30040 "2 0"
	# The packets above are of no connection, and under way until they are given up.
	requests_reset
	is "without a tag, as asked for" "$(fetch "$ONLINE_IP" /m/plain)" 200
	try "without a tag, as asked for: copied" wait_for 5 seen target /m/plain
	ask online detach eth0
}

# second_link: another interface between client and online host.
second_link() {
	ip -n "$LAB_ID-client" link add eth1 type veth peer name eth1 netns "$LAB_ID-online"
	ip -n "$LAB_ID-client" addr add "$SECOND_NET.1/24" dev eth1
	ip -n "$LAB_ID-online" addr add "$SECOND_IP/24" dev eth1
	ip -n "$LAB_ID-client" link set eth1 up
	ip -n "$LAB_ID-online" link set eth1 up
	ip -n "$LAB_ID-target" route add "$SECOND_NET.0/24" via "$CLIENT_IP"
}

# many TO NAME: requests one behind the other on kept connections, in the background; MANY_PID.
many() {
	lab_spawn client "$LAB_DIR/$2.log" "$HERE/guard_load.py" "$1" "$PORT" 1 50 10 0.02
	MANY_PID=$LAST_PID
}

interfaces() {
	local first second
	second_link
	ask online attach eth0 --to "$TO" --percent 100
	ask online attach eth1 --to "$TO" --exclude 192.0.2.0/24
	wait_for 5 copying || lab_die "copying does not begin"
	is "attached" "$(ctl_json online '[.result.online[].iface] | sort | join(" ")' status)" \
		"eth0 eth1"
	requests_reset
	many "$ONLINE_IP" first
	first=$MANY_PID
	many "$SECOND_IP" second
	second=$MANY_PID
	try "clients of one interface" lab_wait "$first"
	try "clients of the other" lab_wait "$second"
	wait_for 5 requests_are target 1000 || true
	is "both: requests at the target" "$(requests target)" "$(requests online)"
	is "both: of them by the second" "$(requests_match "^$SECOND_NET" target)" 500
	try "the second leaves out its client" ask online filter set eth1 --exclude "$SECOND_NET.1"
	asked "the first as before" "$ONLINE_IP" 3 3
	asked "not the second" "$SECOND_IP" 3 0
	try "detach the first" ask online detach eth0
	try "the second copies again" ask online filter set eth1 --exclude=
	asked "the second" "$SECOND_IP" 3 3
	asked "not the first" "$ONLINE_IP" 3 0
	ask online detach eth1
}

lab_up
ip -n "$LAB_ID-online" addr add "$OTHER_IP/24" dev eth0
lab_nginx online
lab_nginx target
leak_start
daemons_up
intercept || lab_die "intercept failed"
locals
vlans
interfaces
[ "$TAP_FAILED" -eq 0 ] || show_counters
copy_down
leak_end "all of it"
tap_done

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# capture.sh - exact counts of packets on the wires of a lab. Sourced by lab.sh.
#
# The count is the kernel's own number of packets that passed the filter, not what tcpdump had
# time to write, so load cannot make it too small. The kernel counts from the moment the socket is
# open, a little before the filter is in place: what came by then, of whatever kind, is taken off.

declare -A CAPTURE_PID

# capture_start NAME HOST DEVICE FILTER: count packets from now on.
capture_start() {
	local name=$1 host=$2 device=$3 filter=$4
	lab_spawn "$host" "$LAB_DIR/capture-$name.log" tcpdump -i "$device" -n -s 96 -B 16384 \
		--immediate-mode -U -Z root -w "$LAB_DIR/$name.pcap" "$filter"
	CAPTURE_PID[$name]=$LAST_PID
	wait_for 5 grep -q 'listening on' "$LAB_DIR/capture-$name.log" ||
		lab_die "tcpdump does not start: $(cat "$LAB_DIR/capture-$name.log")"
	kill -USR1 "$LAST_PID" # it prints what it counted
	wait_for 5 capture_counts "$name" 1 ||
		lab_die "tcpdump does not count: $(cat "$LAB_DIR/capture-$name.log")"
}

# capture_counts NAME LEAST: it has printed its count as often as that.
capture_counts() {
	[ "$(grep -c 'received by filter' "$LAB_DIR/capture-$1.log")" -ge "$2" ]
}

# capture_stop NAME: end it; CAPTURED is the number of packets.
capture_stop() {
	lab_stop "${CAPTURE_PID[$1]}" INT 5 || true
	capture_counts "$1" 2 || lab_die "tcpdump gave no count: $(cat "$LAB_DIR/capture-$1.log")"
	CAPTURED=$(sed -nE 's/(^|.* )([0-9]+) packets? received by filter.*/\2/p' \
		"$LAB_DIR/capture-$1.log" | awk 'NR == 1 { first = $1 } END { print $1 - first }')
}

# capture_show NAME: the first packets, for the reader of a failure.
capture_show() {
	tcpdump -r "$LAB_DIR/$1.pcap" -n -e -c 5 2>/dev/null | sed 's/^/#   /'
}

# capture_last NAME: time of the last packet in it, microseconds of the wall clock; 0 if none.
capture_last() {
	tcpdump -r "$LAB_DIR/$1.pcap" -tt -n 2>/dev/null |
		awk 'END { printf "%s", $1 ? $1 : "0.0" }' | tr -d .
}

# copies_start: count what goes to the service on the target's wire, as "copies". It is all copies:
# no client talks to it. Not on the target's own interface: what was held passes there twice.
copies_start() {
	capture_start copies sw vtarget "tcp dst port $PORT and dst host $TARGET_IP"
}

# leak_start: watch both ends of the way from the target to a client. On the target's
# port of the switch, whatever the target sends that is IP and not for the online host; at the
# client, whatever comes from the target. LEAK_EXCEPT: a filter for packets that are meant to pass.
leak_start() {
	local except=${LEAK_EXCEPT:+ and not ($LEAK_EXCEPT)}
	# What IPv6 has in place of ARP, and reports of multicast groups; errors are below 128.
	[ -z "${LAB_V6:-}" ] ||
		except+=" and not (icmp6 and ip6[40] >= 128) and not dst net ff00::/8"
	capture_start leak-target sw vtarget \
		"ether src $TARGET_MAC and (ip or ip6) and not dst host $ONLINE_IP$except"
	capture_start leak-client client eth0 \
		"(ether src $TARGET_MAC or src host $TARGET_IP) and (ip or ip6)$except"
}

# leak_end TEXT: no packet leaked since leak_start.
leak_end() {
	local at_target at_client
	capture_stop leak-target
	at_target=$CAPTURED
	capture_stop leak-client
	at_client=$CAPTURED
	is "$1: packets leaked at the target's port, at the client" "$at_target $at_client" "0 0"
	[ "$at_target $at_client" = "0 0" ] || {
		capture_show leak-target
		capture_show leak-client
	}
}

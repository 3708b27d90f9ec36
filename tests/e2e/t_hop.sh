#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Copies leave with the link addresses that the daemon has found, and follow them: a target that
# takes another address (a virtual machine that moved, a standby that took over) gets its copies.
# mostly waits
# engines: nfqueue
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

HOP=32 # TCPC_TARGET_HOP
MOVED=02:00:00:00:07:07

mac_of_target() {
	ip -n "$LAB_ID-target" -j link show eth0 | jq -r '.[0].address'
}

# The link address with which copies leave; nothing while the kernel is asked for each.
hop() {
	bpftool -j map dump pinned "$(pins online)/online/targets" | jq -r --argjson hop $HOP '
		.[0].formatted.value.target[0] | select(.flags / $hop % 2 >= 1)
		| .hop[0:6] | map(if type == "string" then ltrimstr("0x") else . end) | join(":")' |
		sed 's/\b\([0-9a-f]\)\b/0\1/g'
}

hop_is() {
	[ "$(hop)" = "$1" ]
}

arrived() {
	requests_are target "$1"
}

# some TEXT: ten requests, each with a connection; all so far have to be at the target.
some() {
	local i
	for ((i = 0; i < 10; i++)); do
		fetch "$ONLINE_IP" / >"$LAB_DIR/status"
	done
	fetched=$((fetched + 10))
	try "$1: all $fetched requests arrive" wait_for 10 arrived "$fetched"
}

lab_up
lab_nginx online
lab_nginx target
copy_up
requests_reset
fetched=0

try "the target's link address is found" wait_for 5 hop_is "$(mac_of_target)"
some "link address known"

# As a host does that takes over an address: it tells all others.
in_ns target sysctl -qw net.ipv4.conf.eth0.arp_notify=1
ip -n "$LAB_ID-target" link set eth0 address "$MOVED"
try "another link address is followed" wait_for 5 hop_is "$MOVED"
some "link address changed"

# The neighbour is forgotten: asked for by the kernel, then known again.
ip -n "$LAB_ID-online" neigh flush dev eth0
some "neighbour forgotten"
try "the link address is found again" wait_for 5 hop_is "$MOVED"
copy_down
tap_done

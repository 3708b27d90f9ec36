#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The matrix of t_matrix.sh for what can happen around a daemon: interfaces that go, come back and
# change their names, addresses, rules that others flush, a bpf file system that is unmounted.
#	MATRIX_RUNS=3 MATRIX_ONLY=flush tests/e2e/t_matrix_net.sh
# mostly waits
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"
# shellcheck source=tests/harness/matrix.sh
. "$(dirname "$0")/../harness/matrix.sh"

# ---- interfaces ------------------------------------------------------------------------------

# link_down HOST
link_down() {
	broke
	ip -n "$LAB_ID-$1" link set eth0 down
	stays_broken
	healed
	ip -n "$LAB_ID-$1" link set eth0 up
}

online_down() { link_down online; }
target_down() { link_down target; }

# iface_is HOST NAME: what its status calls the interface.
iface_is() {
	[ "$(ctl_json "$1" ".result.$1[0].iface" status 2>/dev/null)" = "$2" ]
}

# renamed HOST NAME-OF-CASE: copying goes on, and status knows the new name.
renamed() {
	STOPS=no
	broke
	ip -n "$LAB_ID-$1" link set eth0 name lan0
	try "$2: status has the new name" wait_for 3 iface_is "$1" lan0
	healed
	flows || not_ok "$2: copies go on under the new name"
	ip -n "$LAB_ID-$1" link set lan0 name eth0
	try "$2: status has the old name again" wait_for 3 iface_is "$1" eth0
}

online_renamed() { renamed online "$1"; }
target_renamed() { renamed target "$1"; }

# link_again HOST NUMBER MAC: the interface that was deleted.
link_again() {
	ip link add eth0 netns "$LAB_ID-$1" address "$3" type veth peer name "v$1" \
		netns "$LAB_ID-sw"
	ip -n "$LAB_ID-sw" link set "v$1" master br0 up
	lab_address "$1" "$2"
	ip -n "$LAB_ID-$1" link set eth0 up
}

# says_why HOST: its status says that the interface is gone.
says_why() {
	ctl "$1" status 2>/dev/null | grep -q 'eth0.*gone\|gone.*eth0'
}

removed() {
	broke
	ip -n "$LAB_ID-$1" link del eth0
	stays_broken
	try "$4: status says so" wait_for 2 says_why "$1"
	healed
	link_again "$1" "$2" "$3"
}

online_removed() { removed online 2 "$ONLINE_MAC" "$1"; }
target_removed() { removed target 3 "$TARGET_MAC" "$1"; }

# ---- addresses -------------------------------------------------------------------------------

address_changed() {
	broke
	ip -n "$LAB_ID-target" addr del "$LAB_NET.3/24" dev eth0
	ip -n "$LAB_ID-target" addr add "$LAB_NET.33/24" dev eth0
	stays_broken
	healed
	ip -n "$LAB_ID-target" addr del "$LAB_NET.33/24" dev eth0
	ip -n "$LAB_ID-target" addr add "$LAB_NET.3/24" dev eth0
}

address_flaps() {
	STOPS=no
	broke
	ip -n "$LAB_ID-target" addr del "$LAB_NET.3/24" dev eth0
	ip -n "$LAB_ID-target" addr add "$LAB_NET.3/24" dev eth0
	healed
}

# ---- rules -----------------------------------------------------------------------------------

rules_are_back() {
	[ "$(our_rules target "$RULES_TOOL" | wc -l)" -ge 2 ]
}

# flushed TOOL NAME COMMAND...
flushed() {
	local tool=$1 name=$2 at
	RULES_TOOL=$tool
	STOPS=no
	shift 2
	broke
	in_ns target "$@"
	at=$(now_us)
	try "$name: the rules are back" wait_for 3 rules_are_back
	compare "$name: ms until they were" $((($(now_us) - at) / 1000)) "<" 1500
	healed
}

flush_nft() { flushed iptables-nft "$1" iptables-nft -F OUTPUT; }
flush_ruleset() {
	if ! command -v nft >/dev/null; then
		skip "$1: there is no nft here"
		flush_nft "$1"
	else
		flushed iptables-nft "$1" nft flush ruleset
	fi
}
flush_legacy() { flushed iptables-legacy "$1" iptables-legacy -F OUTPUT; }

one_rule() {
	flushed iptables-nft "$1" iptables-nft -D OUTPUT 2
}

# ---- file systems ----------------------------------------------------------------------------

bpffs_unmounted() {
	STOPS=no
	broke
	umount -l "$LAB_DIR/bpf"
	healed
	flows || not_ok "$1: copies go on without pins"
	mount -t bpf bpf "$LAB_DIR/bpf"
	try "$1: the pins are back" wait_for 3 pins_are_back
	rm -f "$LAB_DIR"/bpf/probe
}

pins_are_back() {
	[ -e "$(pins online)/online/stats" ] && [ -e "$(pins target)/target/queue_filter" ]
}

lab_up
lab_nginx online
lab_nginx target
matrix_config
matrix_case "online interface down and up" online_down
matrix_case "target's interface down and up" target_down
matrix_case "online interface renamed" online_renamed
matrix_case "target's interface renamed" target_renamed
matrix_case "online interface deleted and made again" online_removed
matrix_case "target's interface deleted and made again" target_removed
matrix_case "target's address changed and back" address_changed
matrix_case "target's address deleted and added" address_flaps
matrix_case "iptables-nft -F OUTPUT" flush_nft
matrix_case "nft flush ruleset" flush_ruleset
matrix_case "one of our rules deleted" one_rule
DAEMON_ENV=(TCPCOPY_IPTABLES=iptables-legacy)
matrix_case "iptables-legacy -F OUTPUT" flush_legacy
DAEMON_ENV=()
matrix_case "bpf file systems unmounted" bpffs_unmounted
matrix_show
tap_done

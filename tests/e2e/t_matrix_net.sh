#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The matrix of t_matrix.sh for what can happen around a daemon: interfaces that go, come back and
# change their names, addresses, rules that others flush, a bpf file system that is unmounted.
#	MATRIX_RUNS=3 MATRIX_ONLY=flush tests/e2e/t_matrix_net.sh
# mostly waits, 90 s
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

# Into another network namespace, as containers take theirs: it comes back with the number it had.
moved() {
	broke
	ip -n "$LAB_ID-$1" link set eth0 netns "$LAB_ID-sw" name moved0
	stays_broken
	try "$3: status says so" wait_for 2 says_why "$1"
	healed
	ip -n "$LAB_ID-sw" link set moved0 netns "$LAB_ID-$1" name eth0
	lab_address "$1" "$2"
	ip -n "$LAB_ID-$1" link set eth0 up
}

online_moved() { moved online 2 "$1"; }
target_moved() { moved target 3 "$1"; }

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

# A firewall's own rule comes to stand before ours: absorb keeps inside what it accepts.
rule_before_ours() {
	STOPS=no
	broke
	in_ns target iptables -w -I OUTPUT -p tcp -j ACCEPT
	healed
	flows || not_ok "$1: copies go on"
	compare "$1: responses kept inside by absorb" \
		"$(ctl_json target .result.target.past_rule stats)" ">" 0
	in_ns target iptables -w -D OUTPUT -p tcp -j ACCEPT
}

# ---- file systems ----------------------------------------------------------------------------

bpffs_unmounted() {
	local host
	STOPS=no
	broke
	umount -l "$LAB_DIR/bpf"
	healed
	flows || not_ok "$1: copies go on without pins"
	for host in online target; do
		try "$1: status in $host says so" wait_for 3 pins_are_missed "$host"
	done
	mount -t bpf bpf "$LAB_DIR/bpf"
	try "$1: the pins are back" wait_for 3 pins_are_back
	for host in online target; do
		try "$1: status in $host is content" wait_for 3 pins_are_not_missed "$host"
	done
}

pins_are_missed() {
	ctl "$1" status | grep -q 'pins below .* are gone'
}

pins_are_not_missed() {
	! pins_are_missed "$1"
}

# A run directory without a free byte: what runs goes on, and a new daemon starts or says why not.
disk_full() {
	local host
	STOPS=no
	for host in online target; do
		daemon_stop "$host"
		mkdir -p "$(run_dir "$host")"
		mount -t tmpfs -o size=4k,nr_inodes=8 tmpfs "$(run_dir "$host")"
	done
	for host in target online; do
		daemon_up "$host"
		broke
		dd if=/dev/zero of="$(run_dir "$host")/full" bs=1k 2>/dev/null || true
	done
	healed
	wait_for 5 copying || not_ok "$1: copying does not begin again"
	flows || not_ok "$1: copies go on with a full disk"
	try "$1: status is answered" ask target status
	daemon_kill online
	daemon_up online
	flows || not_ok "$1: a daemon starts on a full disk"
	copy_down
	for host in online target; do
		rm -f "$(run_dir "$host")/full"
		umount "$(run_dir "$host")"
		rmdir "$(run_dir "$host")"
	done
	BACK=no
}

# No file can be made: refused in one line, and nothing else has happened.
no_inodes() {
	local dir status=0
	dir=$(run_dir spare)
	mkdir "$dir"
	mount -t tmpfs -o size=4k,nr_inodes=1 tmpfs "$dir"
	in_ns online "$TCPC_BUILD/tcpcopyd" --run-dir "$dir" --bpffs "$LAB_DIR/bpf/spare" \
		--insecure >"$LAB_DIR/spare.log" 2>&1 || status=$?
	is "a full run directory: exit status" "$status" 1
	is "a full run directory: one line that says so" \
		"$(grep -c 'tcpcopyd: .*No space left' "$LAB_DIR/spare.log")/$(wc -l <"$LAB_DIR/spare.log")" 1/1
	umount "$dir"
	rmdir "$dir"
}

# bpffs cannot be full; but it can be read-only.
bpffs_read_only() {
	local answer status=0
	lab_daemon online
	mount -o remount,ro "$LAB_DIR/bpf"
	answer=$(ctl online attach eth0 --to "$(lab_host_port "$TARGET_IP" "$PORT")" 2>&1) || status=$?
	mount -o remount,rw "$LAB_DIR/bpf"
	is "a read-only bpf file system: exit status of attach" "$status" 1
	is "a read-only bpf file system: one line that says so" \
		"$(grep -c 'Read-only file system' <<<"$answer")/$(wc -l <<<"$answer")" 1/1
	try "a read-only bpf file system: the same afterwards" attach
	copy_down
	is "a read-only bpf file system: left over" "$(left_over online)" ""
}

pins_are_back() {
	[ -e "$(pins online)/online/stats" ] && [ -e "$(pins target)/target/queue_filter" ]
}

lab_up
lab_nginx online
lab_nginx target
matrix_config
matrix_control
matrix_case "online interface down and up" online_down
matrix_case "target's interface down and up" target_down
matrix_case "online interface renamed" online_renamed
matrix_case "target's interface renamed" target_renamed
matrix_case "online interface deleted and made again" online_removed
matrix_case "target's interface deleted and made again" target_removed
matrix_case "online interface moved away and back" online_moved
matrix_case "target's interface moved away and back" target_moved
matrix_case "target's address changed and back" address_changed
matrix_case "target's address deleted and added" address_flaps
matrix_case "iptables-nft -F OUTPUT" flush_nft
matrix_case "nft flush ruleset" flush_ruleset
matrix_case "one of our rules deleted" one_rule
[ "$ENGINE" = tc ] || matrix_case "a rule before ours that accepts" rule_before_ours
DAEMON_ENV=(TCPCOPY_IPTABLES=iptables-legacy)
matrix_case "iptables-legacy -F OUTPUT" flush_legacy
DAEMON_ENV=()
matrix_case "bpf file systems unmounted" bpffs_unmounted
if [ -z "$MATRIX_ONLY" ] || [[ full =~ $MATRIX_ONLY ]]; then
	no_inodes
	bpffs_read_only
fi
matrix_case "run directories full" disk_full
matrix_show
tap_done

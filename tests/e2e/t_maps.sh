#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Every counter and table can be read with bpftool, by the names in the contract.
# mostly waits
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

# has HOST MAP FIELD...: the dump of the pinned map prints each field name.
has() {
	local map field dump
	map=$(pins "$1")/$2
	if ! dump=$(bpftool map dump pinned "$map" 2>&1); then
		not_ok "$2 can be dumped ($dump)"
		return 0
	fi
	for field in "${@:3}"; do
		if grep -q "\"$field\":" <<<"$dump"; then
			ok "$2 prints \"$field\""
		else
			not_ok "$2 prints \"$field\" (it begins: $(head -c 200 <<<"$dump"))"
		fi
	done
}

# sum HOST MAP FIELD: of a counter, over processors.
sum() {
	bpftool -j map dump pinned "$(pins "$1")/$2" |
		jq "[.. | objects | .$3? // empty | numbers] | add"
}

lab_up
lab_nginx online
lab_nginx target
ATTACH=(--exclude "$LAB_NET.110/32" --percent 100)
copy_up
ask target allow add "$LAB_NET.111/32"
requests_reset
try "load" load 1 4 /
requests_settle

has online online/targets n_targets target addr port flags
has online online/filters prefixlen set addr action
has online online/stats seen copied pure_ack not_armed no_heartbeat
has online online/config abi_version lease_until_ns
has target target/allow prefixlen addr state
has target target/stats seen aligned syn queued exchanges
has target target/exchanges client server start_ns client_ack snd_nxt
has target target/config abi_version
compare "online/stats copied, by bpftool" "$(sum online online/stats copied)" ">=" "$N_ONLINE"
# The first request of a connection can be there before it is open: syn_recv.
is "target/stats aligned, by bpftool, as by tcpcopyctl" "$(sum target target/stats aligned)" \
	"$(ctl_json target .result.target.aligned stats)"
compare "target/stats aligned and syn_recv, by bpftool" \
	"$(($(sum target target/stats aligned) + $(sum target target/stats syn_recv)))" ">=" "$N_ONLINE"
copy_down
tap_done

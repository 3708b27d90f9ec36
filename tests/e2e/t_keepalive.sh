#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The main promise: what reaches the online server reaches the target. Every request on connections
# opened after attach; 99.5 % where each request has its own connection, because a client port may
# come round again while the target still has the old connection.
# engines: nfqueue tc
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

# run TEXT LEAST SECONDS URI [WRK-OPTIONS]: sets N_ONLINE and N_TARGET. LEAST is the number of
# requests below which a run would prove little.
run() {
	local text=$1 least=$2 seconds=$3 uri=$4
	shift 4
	requests_reset
	try "$text: no error for the clients" load "$seconds" 16 "$uri" "$@"
	requests_settle
	compare "$text: requests online" "$N_ONLINE" ">=" "$least"
}

# all_200 TEXT: the target answered as the online server did.
all_200() {
	is "$1: answers other than 200 at the target" \
		"$(awk '$4 != 200 && $4 != 499' "$LAB_DIR/nginx-target/access.log" | wc -l)" 0
}

lab_up
lab_nginx online
lab_nginx target
leak_start
copy_up

run "keep-alive, small file" 5000 3 /
is "keep-alive, small file: requests at the target = online" "$N_TARGET" "$N_ONLINE"
all_200 "keep-alive, small file"

run "keep-alive, 100 KB responses" 2000 3 /100k
is "keep-alive, 100 KB responses: requests at the target = online" "$N_TARGET" "$N_ONLINE"
all_200 "keep-alive, 100 KB responses"

run "one connection a request" 2000 3 / -s "$(close_script)"
compare "one connection a request: percent of $N_ONLINE at the target" \
	"$(awk -v t="$N_TARGET" -v o="$N_ONLINE" 'BEGIN { printf "%.2f", 100 * t / o }')" ">=" 99.5
all_200 "one connection a request"

[ "$TAP_FAILED" -eq 0 ] || show_counters
copy_down
leak_end "all of it"
tap_done

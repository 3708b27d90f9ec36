#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# 10,000 open copied connections: the daemons take 20 MB at most, beside the journal's ring. That has
# its size from the start (--retain), and counts as resident where the daemon maps it.
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

CONNECTIONS=10000
LIMIT_KB=$((20 * 1024))
HERE=$(dirname "$0")

# resident HOST FIELD: of the daemon there, kB.
resident() {
	awk -v f="$2:" '$1 == f { print $2 }' "/proc/${DAEMON_PID[$1]}/status"
}

# ring HOST: kB of the journal's ring that the daemon there has mapped.
ring() {
	awk '/^[0-9a-f]+-[0-9a-f]+ / { inside = /bpf-map/ }
		inside && $1 == "Rss:" { n += $2 } END { print n + 0 }' \
		"/proc/${DAEMON_PID[$1]}/smaps"
}

established() {
	in_ns "$1" ss -Htn state established "sport = :$PORT" | wc -l
}

has_established() {
	[ "$(established "$1")" -ge "$2" ]
}

lab_up
lab_nginx online $((CONNECTIONS + 1000))
lab_nginx target $((CONNECTIONS + 1000))
leak_start
copy_up
note "resident before: online $(resident online VmRSS) kB, target $(resident target VmRSS) kB"
ulimit -n $((CONNECTIONS + 1000))
lab_spawn client "$LAB_DIR/many.txt" "$HERE/many.py" "$ONLINE_IP" "$PORT" "$CONNECTIONS" \
	"$CLIENT_IP" "$LAB_NET".{101..109}
many=$LAST_PID
wait_for 30 grep -q '^open' "$LAB_DIR/many.txt" || not_ok "clients: $(tail -n 1 "$LAB_DIR/many.txt")"
requests_settle
is "requests at the target = online" "$N_TARGET" "$N_ONLINE"
is "connections open online" "$(established online)" "$CONNECTIONS"
wait_for 5 has_established target "$CONNECTIONS" || true
is "connections open at the target" "$(established target)" "$CONNECTIONS"
for host in online target; do
	compare "peak resident memory of the daemon in $host, kB, beside the ring" \
		"$(($(resident $host VmHWM) - $(ring $host)))" "<=" $LIMIT_KB
done
compare "the ring online, kB" "$(ring online)" ">=" $((64 * 1024))
compare "the ring online, kB" "$(ring online)" "<=" $((65 * 1024))
lab_stop "$many" || true
copy_down
leak_end "10,000 connections"
tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# --spread: of several copies all but the first leave later, each connection's by a time of its own,
# so that they do not strike the target in step; all of them arrive, each once, in their order.
# mostly waits
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

HERE=$(realpath "$(dirname "$0")")
POOL=198.19.0.0/16
COPIES=5 SPREAD=1000
N=50 # connections of the burst

counter() {
	ctl_json online ".result.$1" stats
}

nothing_under_way() {
	[ "$(counter delivery.spread_waiting)" = 0 ] &&
		[ "$(ctl_json online '.result.total | [.bytes, .exchanges] |
			map(.in_flight + .held) | add' ledger)" = 0 ]
}

some_wait() {
	[ "$(counter delivery.spread_waiting)" -gt 0 ]
}

# clients SECONDS RATE REQUESTS GAP, to their end.
clients() {
	requests_reset
	in_ns client timeout 60 "$HERE/guard_load.py" "$ONLINE_IP" "$PORT" "$@" \
		>"$LAB_DIR/clients.log"
}

# each_arrives TEXT: every request of the clients is COPIES times at the target, in its order.
each_arrives() {
	wait_for 15 nothing_under_way || not_ok "$1: something stays under way"
	is "$1: requests at the target" "$(requests target)" "$(($(requests online) * COPIES))"
	is "$1: each of them so often" "$(awk '{ n[$3]++ } END { for (i in n) print n[i] }' \
		"$LAB_DIR/nginx-target/access.log" | sort -u)" "$COPIES"
	is "$1: not after the one before it" "$(awk '{ split($3, w, /[\/-]/); c = $1 " " $6 " " w[3]
		if (w[4] != next_of[c] + 0) bad++; next_of[c] = w[4] + 1 } END { print bad + 0 }' \
		"$LAB_DIR/nginx-target/access.log")" 0
	is "$1: exchanges lost" "$(ctl_json online '.result.total.exchanges.lost' ledger)" 0
}

# syns_of FIRST: the SYNs that came in, in ms behind the first.
syns_of() {
	awk '{ split($1, t, "."); ms = t[1] * 1000 + substr(t[2], 1, 3); if (!n++) first = ms
		print ms - first }' "$LAB_DIR/syns.txt" | sort -n
}

have_syns() {
	[ "$(grep -c " IP" "$LAB_DIR/syns.txt")" -ge "$1" ]
}

# Two copies of a connection may come from the same address.
# shellcheck disable=SC2034 # read by servers.sh
LAB_LOG_LAST="\$remote_port"
lab_up
lab_nginx online
lab_nginx target
ip -n "$LAB_ID-target" route add "$POOL" via "$CLIENT_IP"
leak_start
ATTACH=(--copies "$COPIES" --source "$POOL" --spread "$SPREAD")
copy_up
is "status shows it" "$(ctl_json online '.result.online[0].spread_ms' status)" "$SPREAD"

# Connections that begin at once; their copies do not.
lab_spawn target "$LAB_DIR/syns.txt" tcpdump -tt -n -l -i eth0 \
	"dst port $PORT and tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn"
DUMP=$LAST_PID
wait_for 5 grep -q listening "$LAB_DIR/syns.txt" || lab_die "tcpdump does not start"
try "a burst: clients without error" clients 0.1 $((N * 10)) 1 0
wait_for 10 have_syns $((N * COPIES)) || true
lab_stop "$DUMP" INT || true
grep IP "$LAB_DIR/syns.txt" >"$LAB_DIR/syns" || true
mv "$LAB_DIR/syns" "$LAB_DIR/syns.txt"
is "a burst: SYNs" "$(wc -l <"$LAB_DIR/syns.txt")" $((N * COPIES))
each_arrives "a burst"
for i in 1 2 3 4; do
	compare "SYNs in quarter $i of the time" "$(syns_of | awk -v a=$((SPREAD * (i - 1) / 4)) \
		-v b=$((SPREAD * i / 4)) '$1 >= a && $1 < b' | wc -l)" ">=" 20
done
note "ms behind the first: $(syns_of | awk '{ a[NR] = $1 } END { print a[1], a[int(NR / 4)],
	a[int(NR / 2)], a[int(NR * 3 / 4)], a[NR] }')"

try "connections that stay: clients without error" clients 2 50 10 0.05
each_arrives "connections that stay"
is "spread: all but the first" "$(counter online.spread)" \
	$((($(counter online.spread) + $(counter online.copied)) * (COPIES - 1) / COPIES))
is "spread_failed" "$(counter online.spread_failed)" 0
[ "$TAP_FAILED" -eq 0 ] || show_counters

# A target that is removed while copies wait for their time.
lab_spawn client "$LAB_DIR/clients.log" "$HERE/guard_load.py" "$ONLINE_IP" "$PORT" 3 100 1 0
CLIENTS=$LAST_PID
try "copies wait" wait_for 5 some_wait
try "detach" ask online detach eth0
try "clients without error" lab_wait "$CLIENTS"
copy_down
leak_end "all of it"
tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Captures in all shapes over IPv6, to a target with engine tc: every link type, merged packets,
# connections that are older than the capture, pauses, filters; and what a terminal shows.
# mostly waits
set -euo pipefail
LAB_FAMILY=${LAB_FAMILY:-6}
TCPC_ENGINE=${TCPC_ENGINE:-tc}
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"
# shellcheck source=tests/harness/replay.sh
. "$(dirname "$0")/../harness/replay.sh"

EACH=20 # requests of each client

# dump_start FILE, dump_stop: what reaches the online host's service and comes from it.
dump_start() {
	lab_spawn online "$LAB_DIR/dump.log" tcpdump --immediate-mode -i eth0 -s 0 -B 16384 -U \
		-Z root -w "$1" "tcp port $PORT"
	DUMP=$LAST_PID
	wait_for 5 grep -q listening "$LAB_DIR/dump.log" || lab_die "tcpdump does not start"
}

dump_stop() {
	lab_stop "$DUMP" INT || true
}

# data_in FILE: packets of clients with data.
data_in() {
	tcpdump -qnr "$1" "dst port $PORT" 2>/dev/null | grep -vc "tcp 0$" || true
}

# ask_for CLIENT URI CURL-OPTIONS: EACH times on one connection, from client number CLIENT.
ask_for() {
	local i address
	address=$(lab_addr "$1")
	for ((i = 0; i < EACH; i++)); do
		echo "next"
		echo "url = http://$(lab_host_port "$ONLINE_IP" "$PORT")$2?$i"
		echo "interface = $address"
		[ -z "${3:-}" ] || echo "data-binary = @$3"
		echo "output = /dev/null"
	done | sed 1d | in_ns client curl -s --noproxy '*' --max-time 20 -K -
}

# bytes_of HOST: the lengths of all its requests.
bytes_of() {
	awk '{ n += $5 } END { print n + 0 }' "$LAB_DIR/nginx-$1/access.log"
}

lab_up
lab_nginx online
lab_nginx target
daemons_up
# So that the programs stay loaded between two replays: that takes seconds on a busy machine.
ask online attach eth0 --to "$(lab_host_port "$TARGET_IP" 9)"
intercept

# ---- captures ---------------------------------------------------------------------------------

dump_start "$LAB_DIR/two.pcap"
ask_for 101 /
ask_for 102 /
n=$((2 * EACH))
two_whole() {
	[ "$(data_in "$LAB_DIR/two.pcap")" -ge "$n" ]
}
wait_for 5 two_whole || lab_die "tcpdump has missed some of $n requests"
dump_stop

head -c 60000 /dev/zero | tr '\0' x >"$LAB_DIR/body"
requests_reset
dump_start "$LAB_DIR/large.pcap"
ask_for 103 /post "$LAB_DIR/body"
uploads=$(bytes_of online)
large_whole() {
	[ "$(tcpdump -qnr "$LAB_DIR/large.pcap" "dst port $PORT" 2>/dev/null |
		awk '{ n += $NF } END { print n + 0 }')" -ge "$uploads" ]
}
wait_for 5 large_whole || lab_die "tcpdump has missed some of $uploads bytes"
dump_stop

# Requests every 10 ms on 8 connections; the capture begins in their midst.
echo 'function delay() return 10 end' >"$LAB_DIR/delay.lua"
requests_reset
load_start 2 8 / -s "$LAB_DIR/delay.lua"
wait_for 5 requests_are online 100 || lab_die "the load does not begin"
dump_start "$LAB_DIR/middle.pcap"
load_end
dump_stop

# ---- shapes -----------------------------------------------------------------------------------

mkdir "$LAB_DIR/shapes"
"$(dirname "$0")/captures.py" shapes "$LAB_DIR/shapes" "$LAB_DIR/two.pcap"
replay "$LAB_DIR/two.pcap" && arrived "as captured" "$n"
for shape in vlan.pcap vlans.pcap cooked.pcap cooked2.pcap raw.pcap null.pcap raw.pcapng \
	twice.pcapng; do
	replay "$LAB_DIR/shapes/$shape" --top-speed && arrived "$shape" "$n"
done
compare "twice.pcapng: retransmissions" "$(result skipped.retransmission)" ">=" "$n"
replay "$LAB_DIR/shapes/snap.pcap" --top-speed || true
is "snap length: connections that had to end" "$(result skipped.payload_cut)" 2
is "snap length: requests at the target" "$(requests target)" 0

compare "merged packets: the largest in the capture" \
	"$(tcpdump -qnr "$LAB_DIR/large.pcap" "dst port $PORT" 2>/dev/null |
		awk '{ print $NF }' | sort -n | tail -n 1)" ">" 3000
replay "$LAB_DIR/large.pcap" --top-speed && arrived "merged packets" "$EACH"
is "merged packets: all bytes" "$(bytes_of target)" "$uploads"

# The target takes a connection up at the second request, and only then: the first one it cannot
# tell from the middle of something.
whole=$(data_in "$LAB_DIR/middle.pcap")
replay "$LAB_DIR/middle.pcap" --top-speed || true
is "from the middle on: connections" "$(result connections) $(result midstream)" "8 8"
is "from the middle on: requests, each is accounted for" \
	"$(result requests.copied)" "$whole"
compare "from the middle on: requests at the target" "$(requests target)" ">=" $((whole - 8))
is "from the middle on: they are those acknowledged" "$(requests target)" \
	"$(result requests.acknowledged)"

# ---- options ----------------------------------------------------------------------------------

# Seconds between packets, each shortened to 5 ms: some 100 of them.
replay "$LAB_DIR/shapes/pauses.pcap" --max-gap 5 && arrived "--max-gap" "$n"
compare "--max-gap: milliseconds" "$(result duration_ms)" "<" 10000
compare "--max-gap: it is kept to" "$(result duration_ms)" ">=" $((5 * n))
replay "$LAB_DIR/two.pcap" --top-speed --client "$(lab_addr 101)" && arrived "--client" "$EACH"
compare "--client: skipped" "$(result skipped.not_client)" ">=" "$EACH"
replay "$LAB_DIR/two.pcap" --top-speed --exclude "$(lab_addr 101)" && arrived "--exclude" "$EACH"
is "--exclude: the other one came" "$(requests_match "^$(lab_addr 102) " target)" "$EACH"
replay "$LAB_DIR/two.pcap" --top-speed --filter "host $(lab_addr 102)" &&
	arrived "--filter" "$EACH"
compare "--filter: skipped" "$(result skipped.filtered)" ">=" "$EACH"
replay "$LAB_DIR/two.pcap" "$LAB_DIR/large.pcap" --top-speed --loop 2 --concurrency 1 &&
	arrived "two files, twice, one request at a time" $((2 * (n + EACH)))

# ---- a terminal -------------------------------------------------------------------------------

if command -v script >/dev/null; then
	in_ns online script -qec "$TCPC_BUILD/tcpcopyctl --run-dir $(run_dir online) replay \
		$LAB_DIR/two.pcap --to $TO --speed 0.5" /dev/null >"$LAB_DIR/terminal"
	try "a terminal sees how far it is" grep -q '\[[#.]*\] pass 1, file 1: .* requests: ' \
		"$LAB_DIR/terminal"
	try "and the result" grep -q "^requests $n, arrived $n" "$LAB_DIR/terminal"
else
	skip "no script(1) here to make a terminal"
fi
ask online replay "$LAB_DIR/two.pcap" --to "$TO" --top-speed 2>"$LAB_DIR/err"
is "others do not" "$(cat "$LAB_DIR/err")" ""

[ "$TAP_FAILED" -eq 0 ] || show_counters
copy_down
tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The daemons as built with AddressSanitizer and UndefinedBehaviorSanitizer: a session with most of
# what they do, and neither has anything to report, at the end about leaks.
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

PLAIN=$TCPC_BUILD
TCPC_BUILD=$TCPC_BUILD/san
HOSTILE=$LAB_HERE/../e2e/hostile.py

if [ ! -x "$TCPC_BUILD/tcpcopyd" ]; then
	skip "$TCPC_BUILD/tcpcopyd is not built: make BUILD=$TCPC_BUILD SAN=address,undefined all"
	tap_done
	exit 0
fi

make_key() {
	(umask 077 && od -An -tx1 -N32 /dev/urandom | tr -d ' \n' >"$LAB_DIR/key")
	LAB_AUTH=(--key "$LAB_DIR/key")
}

# all_copied TEXT [WRK-OPTIONS]: 2 s of load.
all_copied() {
	local text=$1
	shift
	requests_reset
	try "$text: no error for the clients" load 2 8 "$@"
	requests_settle
	compare "$text: requests online" "$N_ONLINE" ">=" 300
	compare "$text: percent of them at the target" \
		"$(awk -v t="$N_TARGET" -v o="$N_ONLINE" 'BEGIN { printf "%.2f", 100 * t / o }')" ">=" 99.5
}

# no_report HOST: it ends with status 0 and has said nothing of what a sanitizer says.
no_report() {
	local status=0
	daemon_stop "$1" || status=$?
	is "$1: exit status" "$status" 0
	is "$1: reports" "$(grep -cE 'Sanitizer|runtime error' "$LAB_DIR/daemon-$1.log" || true)" 0
}

bad_input() {
	local words
	for words in "attach" "attach eth9 --to 1.2.3.4:5" "intercept eth0 --port 99999" "filter set" \
		"allow add nonsense" "release eth7" "target del eth0 9.9.9.9:9"; do
		# shellcheck disable=SC2086
		ctl target $words >/dev/null 2>&1 && not_ok "'$words' is taken"
	done
	printf '%s\n' '{"command":' '[]' '{"command":"status","args":[1],"options":{}}' |
		in_ns target timeout 5 python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(sys.stdin.buffer.read())
s.shutdown(socket.SHUT_WR)
while s.recv(65536): pass' "$(run_dir target)/tcpcopyd.sock"
	ok "bad commands are refused"
}

lab_up
lab_nginx online
lab_nginx target
make_key
try "this is a sanitized build" grep -q __asan_init "$TCPC_BUILD/tcpcopyd"
try "and that is none" sh -c "! grep -q __asan_init '$PLAIN/tcpcopyd'"
copy_up
all_copied "keep-alive" /
all_copied "one connection a request" / -s "$(close_script)"
try "the other engine" ask target intercept eth0 --port "$PORT" --engine tc
all_copied "engine tc, 100 KB responses" /100k
echo -n x | tee "$LAB_DIR/session.client" >"$LAB_DIR/session.server"
lab_spawn client "$LAB_DIR/knock.log" "$HOSTILE" knock "$TARGET_IP" "$FEEDBACK_PORT" 64 \
	"$LAB_DIR/session" "$CLIENT_IP"
wait_for 15 grep -q 'left 0' "$LAB_DIR/knock.log" || not_ok "hostile peers: $(cat "$LAB_DIR/knock.log")"
bad_input
for host in online target; do
	for command in status stats doctor; do
		try "$host: $command" ask "$host" $command
	done
done
try "online: ledger" ask online ledger
try "allow add" ask target allow add "$CLIENT_IP/32"
try "detach" ask online detach eth0
try "release" ask target release eth0
no_report online
no_report target
tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A cascade, A -> B -> C: one daemon at B is target of A and copies to C. Every request at A reaches B
# and C, once, whichever role B took up first and whichever engine it has.
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

LAST_IP=$(lab_addr 4)

copies_flow() {
	[ "$(ctl_json "$1" '.result.online[0].copying' status 2>/dev/null)" = true ]
}

# Three servers and their load share the processors, so B can be far behind.
b_intercepts() {
	ask target intercept eth0 --port "$PORT" --engine "$1" --hold 512 --max-lag 20
}

b_copies() {
	ask target attach eth0 --to "$(lab_host_port "$LAST_IP" "$PORT")"
}

# cascade_up ENGINE FIRST SECOND: of B, and what it does first. C has the other engine.
cascade_up() {
	local engine=$1 other=tc
	[ "$engine" = nfqueue ] || other=nfqueue
	daemons_up
	lab_daemon target2
	ask target2 intercept eth0 --port "$PORT" --engine "$other"
	"$2" "$engine"
	"$3" "$engine"
	attach
	for host in online target; do
		wait_for 5 copies_flow "$host" || lab_die "$host: $(ctl "$host" status)"
	done
}

cascade_down() {
	copy_down
	daemon_stop target2 || true
}

# run TEXT LEAST URI [WRK-OPTIONS]
run() {
	local text=$1 least=$2 uri=$3
	shift 3
	requests_reset
	: >"$LAB_DIR/nginx-target2/access.log"
	try "$text: no error for the clients" load 2 8 "$uri" "$@"
	requests_settle
	caught_up target2 "$N_ONLINE"
	compare "$text: requests at A" "$N_ONLINE" ">=" "$least"
	is "$text: requests at B = A" "$N_TARGET" "$N_ONLINE"
	is "$text: requests at C = A" "$(requests target2)" "$N_ONLINE"
	# What B's hold queue puts back onto the interface is not copied once more.
	compare "$text: bytes that B copied again, and A had sent again" \
		"$(ctl_json target .result.ledger.duplicate_bytes stats)" "<=" \
		"$(ctl_json online .result.resend.bytes stats)"
	is "$text: answers other than 200 at C" \
		"$(awk '$4 != 200 && $4 != 499' "$LAB_DIR/nginx-target2/access.log" | wc -l)" 0
}

lab_up
lab_host target2 4 02:00:00:00:00:04
wait_for 5 lab_link_up target2 || lab_die "the link of target2 does not come up"
lab_nginx online
lab_nginx target
lab_nginx target2
# B may speak to C, and C to B, but neither to clients.
LEAK_EXCEPT="dst host $LAST_IP"
leak_start
capture_start last sw vtarget2 \
	"ether src 02:00:00:00:00:04 and (ip or ip6) and not dst host $TARGET_IP"
cascade_up nfqueue b_intercepts b_copies
run "B intercepts first, keep-alive" 500 /
run "B intercepts first, 32 KB posts" 200 /post -s "$(post_script 32768)"
[ "$TAP_FAILED" -eq 0 ] || show_counters
cascade_down
cascade_up tc b_copies b_intercepts
run "B copies first, keep-alive" 500 /
run "B copies first, 100 KB answers" 200 /100k
is "status of B: target and online at once" \
	"$(ctl_json target '[.result.target[0].iface, .result.online[0].iface] | join(" ")' status)" \
	"eth0 eth0"
[ "$TAP_FAILED" -eq 0 ] || show_counters
cascade_down
leak_end "all of it"
capture_stop last
is "packets leaked at the port of C" "$CAPTURED" 0
for host in online target target2; do
	is "left over at $host" "$(left_over "$host")" ""
done
tap_done

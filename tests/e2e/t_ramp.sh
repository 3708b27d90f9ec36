#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# --ramp: the share of connections grows from 0 to --percent, and while it does none is cut in two:
# who began outside of it stays outside. It waits for a target that takes copies.
# mostly waits
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

HERE=$(realpath "$(dirname "$0")")
EACH=5 # requests of a connection

# of_tap FIELD
of_tap() {
	ctl_json online ".result.online[0].$1" status
}

share_is_above() {
	awk -v a="$(of_tap percent_now)" -v b="$1" 'BEGIN { exit !(a > b) }'
}

ramp_is_over() {
	[ "$(of_tap ramp_left_s)" = 0 ]
}

# clients_start SECONDS: 100 connections a second, each of some 0.4 s.
clients_start() {
	requests_reset
	lab_spawn client "$LAB_DIR/clients.log" "$HERE/guard_load.py" "$ONLINE_IP" "$PORT" "$1" 100 \
		"$EACH" 0.1
	CLIENTS=$LAST_PID
}

clients_end() {
	try "$1: clients without error" lab_wait "$CLIENTS"
	wait_for 5 nothing_under_way || not_ok "$1: something stays under way"
	awk '{ split($3, w, /[\/-]/); got[w[3]]++ } END { for (c in got) print c, got[c] }' \
		"$LAB_DIR/nginx-target/access.log" | sort -n >"$LAB_DIR/copied"
	is "$1: connections in part" "$(awk -v n="$EACH" '$2 != n' "$LAB_DIR/copied" | wc -l)" 0
}

nothing_under_way() {
	[ "$(ctl_json online '.result.total | [.bytes, .exchanges] | map(.in_flight + .held) | add' \
		ledger)" = 0 ]
}

# copied_of FROM TO: connections copied of those with these numbers.
copied_of() {
	awk -v a="$1" -v b="$2" '$1 >= a && $1 < b' "$LAB_DIR/copied" | wc -l
}

lab_up
lab_nginx online
lab_nginx target
daemons_up
# The target does not intercept yet.
ATTACH=(--ramp 5)
attach || lab_die "attach failed"
wait_for 3 not_copying || not_ok "not copying yet"
clients_start 8
wait_for 5 requests_are online 300 || lab_die "the clients do not start"
is "without a target it stands still" "$(of_tap percent_now)" 0
BEGUN=$(of_tap 'ramp_left_s')
is "all of it is left" "$BEGUN" 5
intercept || lab_die "intercept failed"
try "it begins with the target" wait_for 5 share_is_above 0
try "it gets on" wait_for 5 share_is_above 40
compare "and is on its way" "$(of_tap ramp_left_s)" ">" 0
try "status says so" grep -q "% of connections (100 % in" <(ctl online status)
try "it comes to its end" wait_for 10 ramp_is_over
is "with all" "$(of_tap percent_now)" 100
clients_end "up"
note "copied: $(for i in {0..7}; do copied_of $((100 * i)) $((100 * i + 100)); done | xargs)"
compare "fewer at its beginning" "$(copied_of 0 200)" "<" "$(copied_of 600 800)"

clients_start 1
clients_end "behind it"
is "all" "$(wc -l <"$LAB_DIR/copied")" 100

# Down again, and broken off.
try "filter set --percent 0 --ramp 60" ask online filter set eth0 --percent 0 --ramp 60
is "it begins where it was" "$(of_tap percent_now)" 100
try "--percent 30 ends it" ask online filter set eth0 --percent 30
is "at once" "$(of_tap percent_now) $(of_tap ramp_left_s)" "30 0"
clients_start 3
clients_end "behind that"
compare "about 90 of 300" "$(wc -l <"$LAB_DIR/copied")" ">" 40
compare "at most" "$(wc -l <"$LAB_DIR/copied")" "<" 140
[ "$TAP_FAILED" -eq 0 ] || show_counters
copy_down
tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A thousand changes of targets, filters and allow-list while requests come: none is lost that
# should be copied, none is copied that should not be, no connection is cut in two, and no client
# notices anything (invariant 7: a change is in force when it is answered, and whole).
# engines: tc
# mostly waits, 30 s
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

HERE=$(realpath "$(dirname "$0")")
NET=$(lab_addr "")
SECOND=$(lab_host_port "$(lab_addr 4)" "$PORT")

target2_up() {
	lab_host target2 4 02:00:00:00:00:04
	wait_for 5 lab_link_up target2 || lab_die "target2 has no link"
	lab_nginx target2
	lab_daemon target2
	ask target2 intercept eth0 --port "$PORT" --engine "$ENGINE" || lab_die "intercept failed"
}

change_all() {
	in_ns client timeout 60 "$HERE/changes.py" "$1" "$2" "$LAB_DIR" \
		"$(run_dir online)/tcpcopyd.sock" "$(run_dir target)/tcpcopyd.sock" \
		"$ONLINE_IP" "$PORT" "$NET" "$SECOND" >"$LAB_DIR/changes.out"
}

# changes MODE NUMBER: with the load, to its end.
changes() {
	local host
	for host in online target target2; do
		: >"$LAB_DIR/nginx-$host/access.log"
	done
	try "$1: commands and clients without error" change_all "$@"
	note "$1: $(tail -n 1 "$LAB_DIR/changes.out")"
	compare "$1: changes" "$(awk '{ print $2 }' "$LAB_DIR/changes.out")" ">=" "$2"
	wait_for 10 nothing_under_way || not_ok "$1: something stays under way"
	for host in online target target2; do
		awk '$3 ~ /^\/m\// { print $3 }' "$LAB_DIR/nginx-$host/access.log" |
			sort >"$LAB_DIR/ids-$host"
	done
	is "$1: clients' errors" "$(awk '{ print $8 }' "$LAB_DIR/changes.out")" 0
	is "$1: requests of clients that the server has not seen" "$(awk '{ print $6 }' \
		"$LAB_DIR/changes.out")" "$(wc -l <"$LAB_DIR/ids-online")"
	for host in target target2; do
		is "$1: requests more than once at $host, or of nobody" \
			"$(uniq -d "$LAB_DIR/ids-$host" | wc -l) $(comm -13 "$LAB_DIR/ids-online" \
				"$LAB_DIR/ids-$host" | wc -l)" "0 0"
	done
}

nothing_under_way() {
	[ "$(ctl_json online '.result.total | [.bytes, .exchanges] | map(.in_flight + .held) | add' \
		ledger)" = 0 ]
}

# those WHAT WHICH HOST: ids of this list that are there (common) or not (missing), and how many.
those() {
	comm "$([ "$1" = common ] && echo -12 || echo -23)" "$LAB_DIR/$2" "$LAB_DIR/ids-$3" \
		>"$LAB_DIR/those"
	head -n 5 "$LAB_DIR/those" >&2
	wc -l <"$LAB_DIR/those"
}

# in_part: connections of LAB_DIR/whole of which a target has something, but not everything, or that
# are at both.
in_part() {
	awk '{ split($1, w, "-"); c = w[2] }
		FILENAME ~ /whole$/ { all[c]++; next }
		{ at[c]++; if (!((c, FILENAME) in seen)) { seen[c, FILENAME]; hosts[c]++ } }
		END { for (c in all) if (at[c] && (at[c] != all[c] || hosts[c] > 1)) {
			print c, all[c], at[c], hosts[c] >"/dev/stderr"; n++ }
			print n + 0 }' \
		"$LAB_DIR/whole" <(grep /whole- "$LAB_DIR/ids-target") \
		<([ "$1" = all ] || grep /whole- "$LAB_DIR/ids-target2")
}

lab_up
lab_nginx online
lab_nginx target
target2_up
copy_up
ask online filter set eth0 --exclude "${NET}105"
ask target allow add "${NET}106"
changes all 700
is "all: lost that had to be at the target" "$(those missing must-target target)" 0
is "all: lost that had to be at the second one" "$(those missing must-second target2)" 0
is "all: at the target that must not be" "$(those common never-target target)" 0
is "all: at the second one that must not be" "$(those common never-second target2)" 0
is "all: connections in part" "$(in_part all)" 0
compare "all: requests that had to be there" "$(wc -l <"$LAB_DIR/must-target")" ">" 1000
compare "all: ... and not" "$(wc -l <"$LAB_DIR/never-target")" ">" 500
compare "all: connections now copied, now not: requests copied" \
	"$(grep -c /whole- "$LAB_DIR/ids-target")" ">" 0
is "all: forgotten connections" "$(ctl_json online .result.online.known_lost stats)" 0

ask online detach eth0
ask target allow del "${NET}106"
ATTACH=(--mode split)
attach || lab_die "attach failed"
ask online target add eth0 "$SECOND"
changes split 400
is "split: connections in part, or at both" "$(in_part split)" 0
compare "split: requests copied" \
	"$(cat "$LAB_DIR/ids-target" "$LAB_DIR/ids-target2" | wc -l)" ">" 1000
compare "split: ... at the second one" "$(wc -l <"$LAB_DIR/ids-target2")" ">" 100
compare "split: requests not copied" "$(($(wc -l <"$LAB_DIR/ids-online") -
	$(cat "$LAB_DIR/ids-target" "$LAB_DIR/ids-target2" | wc -l)))" ">" 100
is "split: forgotten connections" "$(ctl_json online .result.online.known_lost stats)" 0
[ "$TAP_FAILED" -eq 0 ] || show_counters
tap_done

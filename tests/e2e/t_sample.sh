#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# --percent 10 over 20,000 connections: a tenth of them within three standard deviations, each whole
# or not at all; and another online host that has the same key chooses the same ones.
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

HERE=$(realpath "$(dirname "$0")")
ALL=20000 BOTH=5000 # of all, those that the other host has, too
SECOND_IP=$(lab_addr 12)
SOURCES=()
for i in $(seq 101 120); do
	SOURCES+=("$(lab_addr "$i")")
done

on_lab_exit() {
	[ ! -e "$(ns_path online2)" ] || ip netns del "$LAB_ID-online2"
}

# clients ADDRESS TAG COUNT FIRST-PORT
clients() {
	in_ns client timeout 60 "$HERE/sample.py" "$1" "$PORT" "$2" "$3" "$4" "${SOURCES[@]}" \
		>"$LAB_DIR/sample.out"
}

# copied_are TAG: connections of which the target has both requests, to FILE; and in part.
copied_are() {
	awk -v tag="$1" '{ n = split($3, w, /[\/-]/) } n == 5 && w[3] == tag { got[w[4]]++ }
		END { for (c in got) print got[c] == 2 ? "whole" : "part", c }' \
		"$LAB_DIR/nginx-target/access.log" | sort >"$LAB_DIR/copied-$1"
	grep -c '^whole' "$LAB_DIR/copied-$1" || true
}

in_part() {
	grep -vc '^whole' "$LAB_DIR/copied-$1" || true
}

# settled HOST: nothing is under way.
settled() {
	[ "$(ctl_json "$1" '.result.total | [.bytes, .exchanges] | map(.in_flight + .held) | add' \
		ledger)" = 0 ]
}

# both_attach OPTION...
both_attach() {
	local host
	for host in online online2; do
		ask "$host" detach --all
		ask "$host" attach eth0 --to "$(lab_host_port "$TARGET_IP" "$PORT")" "$@" ||
			lab_die "attach failed"
		wait_for 5 is_copying "$host" || lab_die "copying does not begin"
	done
}

is_copying() {
	[ "$(ctl_json "$1" '.result.online[0].copying' status)" = true ]
}

# a_tenth TEXT COUNT OF: within three standard deviations.
a_tenth() {
	local off
	off=$(awk -v n="$3" 'BEGIN { printf "%d", 3 * sqrt(n * 0.1 * 0.9) }')
	compare "$1: at least" "$2" ">=" $(($3 / 10 - off))
	compare "$1: at most" "$2" "<=" $(($3 / 10 + off))
}

lab_up
lab_host online2 12 02:00:00:00:00:12
wait_for 5 lab_link_up online2 || lab_die "online2 has no link"
# Always the same, or one run in 370 would be beyond three standard deviations.
(umask 077 && echo t_sample | sha256sum | cut -d ' ' -f 1 >"$LAB_DIR/key")
LAB_AUTH=(--key "$LAB_DIR/key")
for host in online online2 target; do
	lab_nginx "$host"
	lab_daemon "$host"
done
# Ports that are used again must not wait, whatever the client chose before.
in_ns client sysctl -qw net.ipv4.ip_local_port_range="50000 60000"
intercept || lab_die "intercept failed"

both_attach --percent 10
try "$ALL connections: all answered" clients "$ONLINE_IP" a "$ALL" 20000
note "$(cat "$LAB_DIR/sample.out")"
try "the same on the other host" clients "$SECOND_IP" b "$BOTH" 20000
for host in online online2; do
	wait_for 10 settled "$host" || not_ok "$host: something stays under way"
done
a_tenth "copied of $ALL" "$(copied_are a)" "$ALL"
is "not whole" "$(in_part a)" 0
note "the other host: $(copied_are b) of $BOTH"
is "the other host: not whole" "$(in_part b)" 0
awk -v n="$BOTH" '$2 < n' "$LAB_DIR/copied-a" >"$LAB_DIR/of-both"
is "other ones than the first host's" \
	"$(comm -3 "$LAB_DIR/of-both" "$LAB_DIR/copied-b" | wc -l)" 0
is "exchanges lost" "$(ctl_json online '.result.total.exchanges.lost' ledger) $(
	ctl_json online2 '.result.total.exchanges.lost' ledger)" "0 0"

# Clients with all their connections, or with none.
both_attach --percent 50 --sample-by client
try "by client" clients "$ONLINE_IP" c 400 30000
try "by client, the other host" clients "$SECOND_IP" d 400 30000
for host in online online2; do
	wait_for 10 settled "$host" || not_ok "$host: something stays under way"
done
note "by client: $(copied_are c) and $(copied_are d) of 400"
is "clients that are not copied whole" "$(awk -v n="${#SOURCES[@]}" '{ c[$2 % n]++ }
	END { for (i in c) if (c[i] != 20) bad++; print bad + 0 }' "$LAB_DIR/copied-c")" 0
try "the same on both hosts" cmp "$LAB_DIR/copied-c" "$LAB_DIR/copied-d"
[ "$TAP_FAILED" -eq 0 ] || show_counters
tap_done

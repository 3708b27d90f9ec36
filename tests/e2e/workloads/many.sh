# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Many connections: open at once, and new ones. After nginx.sh.

MANY=$(dirname "${BASH_SOURCE[0]}")/../many.py

established() {
	in_ns "$1" ss -Htn state established "sport = :$PORT" | wc -l
}

has_established() {
	[ "$(established "$1")" -ge "$2" ]
}

work_open_10k() {
	local count
	count=$(pick 3000 10000)
	nginx_both
	lab_spawn client "$LAB_DIR/many.txt" prlimit --nofile=20000 "$MANY" "$W_ONLINE_IP" "$PORT" \
		"$count" "${W_CLIENTS[@]:0:10}"
	wait_for 60 grep -q '^open' "$LAB_DIR/many.txt" ||
		work_wrong "clients: $(tail -n 1 "$LAB_DIR/many.txt")"
	W_LEAST=$count
	nginx_compare
	wait_for 5 has_established target "$count" || true
	work_same "connections open at the target" "$(established target)" "$(established online)"
	lab_stop "$LAST_PID" || true
	work_try "connections stay open at the target" wait_for 10 none_established
}

none_established() {
	[ "$(established target)" = 0 ]
}

# 100 connections at once, 20 ms from one to the next: 5,000 a second at most.
work_new_5k() {
	nginx_both
	W_LEAST=1000
	[ "$ENGINE" != nfqueue ] || W_PERCENT=99.95
	work_wrk "$(pick 3 30)" 100 / -s "$(wrk_script new "wrk.headers['Connection'] = 'close'
		function delay() return 19 end")"
	nginx_compare
}

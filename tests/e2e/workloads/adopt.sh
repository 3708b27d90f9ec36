# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Connections that are older than attach. After nginx.sh.

ADOPT_CLIENT=$(dirname "${BASH_SOURCE[0]}")/../adopt_client.py

# adopt_gaps: connections whose requests at the target are not just the last ones of those online,
# in their order; and how many there are of each side: "WRONG TARGET ONLINE REQUESTS".
adopt_gaps() {
	awk 'FILENAME == ARGV[1] { uri[$6, ++n[$6]] = $3; next }
		{ got[$6, ++m[$6]] = $3 }
		END {
			for (c in m) {
				target++
				bad = m[c] > n[c]
				for (i = 1; i <= m[c] && !bad; i++)
					bad = got[c, i] != uri[c, n[c] - m[c] + i]
				wrong += bad
				requests += m[c]
			}
			for (c in n)
				online++
			print wrong + 0, target + 0, online + 0, requests + 0
		}' "$LAB_DIR/nginx-online/access.log" "$LAB_DIR/nginx-target/access.log"
}

adopt_all() {
	[ "$(target_stat target.adopted)" -ge "$1" ]
}

adopt_begin() {
	work_nginx online
	work_nginx target
	work_copy_down
	daemons_up
	work_intercept
}

# 200 connections at full speed, each request with a number of its own.
work_adopt_busy() {
	local wrong target online requests
	adopt_begin
	work_wrk_start "$(pick 4 15)" 200 / -s "$(wrk_script numbered "n = 0
		request = function() n = n + 1 return wrk.format('GET', '/m/' .. n) end
		$(wrk_delay 20)")"
	wait_for 10 requests_are online 2000 || lab_die "the load does not start"
	work_attach
	work_try "not every connection was taken up" wait_for 5 adopt_all 200
	lab_wait "$LAST_PID" || work_wrong "wrk: $(tail -n 1 "$LAB_DIR/wrk.log")"
	work_wrk_errors
	work_settle
	W_LEAST=2000
	# Those before attach are nobody's loss: what counts is each connection's tail.
	read -r wrong target online requests < <(adopt_gaps)
	W_ONLINE=$requests W_TARGET=$requests
	work_same "connections at the target" "$target" "$online"
	work_same "connections with a gap since they were taken up" "$wrong" 0
	work_same "answers other than 200 and 499" "$(nginx_not_200 target)" 0
	work_copy_down
}

# Attach and detach in the middle of 1 MB bodies that are made of requests: the target must never
# take a part of a body for a request.
work_adopt_uploads() {
	local i seen
	adopt_begin
	lab_spawn client "$LAB_DIR/uploads.txt" "$ADOPT_CLIENT" uploads "$W_ONLINE_IP" "$PORT" 8
	wait_for 20 grep -q ready "$LAB_DIR/uploads.txt" || lab_die "$(cat "$LAB_DIR/uploads.txt")"
	for i in $(seq "$(pick 8 100)"); do
		work_attach
		seen=$(target_stat target.seen)
		wait_for 5 adopt_seen $((seen + i % 5 * 130 + 40)) || true
		ask online detach eth0 || lab_die "detach failed"
		wait_for 5 requests_are online $(($(work_requests online) + i % 4 * 2 + 1)) || true
	done
	work_attach
	wait_for 15 adopt_whole 8 || work_wrong "no whole uploads at the target since"
	lab_stop "$LAST_PID" TERM 10 || work_wrong "clients: $(tail -n 1 "$LAB_DIR/uploads.txt")"
	W_TARGET=$(adopt_whole_count) W_ONLINE=$W_TARGET W_LEAST=8
	work_same "malformed requests at the target" \
		"$(awk '$2 != "POST"' "$LAB_DIR/nginx-target/access.log" | wc -l)" 0
	work_same "requests at the target that nobody sent" "$(adopt_invented)" 0
	work_copy_down
}

adopt_seen() {
	[ "$(target_stat target.seen)" -ge "$1" ]
}

adopt_whole_count() {
	grep -c ' 200 ' "$LAB_DIR/nginx-target/access.log" || true
}

adopt_whole() {
	[ "$(adopt_whole_count)" -ge "$1" ]
}

adopt_invented() {
	awk 'FILENAME == ARGV[1] { sent[$2 $3] = 1; next } !($2 $3 in sent) { n++ }
		END { print n + 0 }' \
		"$LAB_DIR/nginx-online/access.log" "$LAB_DIR/nginx-target/access.log"
}

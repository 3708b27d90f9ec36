# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Many requests on a connection at once, and connections that stay: HTTP/2 without TLS, streams as
# in gRPC, lines both ways. After nginx.sh.

STREAMS_HERE=$(dirname "${BASH_SOURCE[0]}")

# streams_talk COMMAND...: the clients, to their end.
streams_talk() {
	lab_spawn client "$LAB_DIR/talk.txt" "$@"
	lab_wait "$LAST_PID" || work_wrong "clients: $(tail -n 1 "$LAB_DIR/talk.txt")"
}

streams_broken() {
	work_same "connections broken" "$(grep -c ^broken "$LAB_DIR/target.txt" || true)" \
		"$(grep -c ^broken "$LAB_DIR/online.txt" || true)"
}

# h2load asks so many times, 10 at once on each of 8 connections; paced, one after the other.
work_h2() {
	local at_once=10
	[ "$PACE" = full ] || at_once=1
	work_nginx online http2
	work_nginx target http2
	work_copy
	W_LEAST=$(pick 20000 300000)
	streams_talk h2load -n "$W_LEAST" -c 8 -m "$at_once" "http://$W_ONLINE_AT/m/h2"
	grep -q " $W_LEAST succeeded" "$LAB_DIR/talk.txt" ||
		work_wrong "h2load: $(grep '^requests:' "$LAB_DIR/talk.txt" || true)"
	nginx_compare 1-4,6
}

work_h2_uploads() {
	work_nginx online http2
	work_nginx target http2
	work_copy
	W_LEAST=$(pick 200 4000)
	streams_talk h2load -n "$W_LEAST" -c 4 -m 4 -d "$(body 200000 | tr -d @)" \
		"http://$W_ONLINE_AT/post/h2"
	grep -q " $W_LEAST succeeded" "$LAB_DIR/talk.txt" ||
		work_wrong "h2load: $(grep '^requests:' "$LAB_DIR/talk.txt" || true)"
	nginx_compare 1-4,6
}

work_h2_streams() {
	work_serve online "$STREAMS_HERE/h2stream.py" serve "$W_ANY" "$PORT"
	work_serve target "$STREAMS_HERE/h2stream.py" serve "$W_ANY" "$PORT"
	work_copy
	W_LEAST=$((8 * 4 * $(pick 150 3000)))
	streams_talk "$STREAMS_HERE/h2stream.py" talk "$W_ONLINE_IP" "$PORT" 8 4 "$(pick 150 3000)"
	work_settle
	work_same_log
	streams_broken
}

work_lines() {
	work_serve online "$STREAMS_HERE/lines.py" serve "$W_ANY" "$PORT" 70
	work_serve target "$STREAMS_HERE/lines.py" serve "$W_ANY" "$PORT" 70
	work_copy
	W_LEAST=500
	streams_talk "$STREAMS_HERE/lines.py" talk "$W_ONLINE_IP" "$PORT" 20 "$(pick 5 60)"
	work_settle
	work_same_log
	streams_broken
}

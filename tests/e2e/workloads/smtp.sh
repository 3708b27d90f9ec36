# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Mail: the server greets first, each in its own time.

SMTP_HERE=$(dirname "${BASH_SOURCE[0]}")

work_smtp() {
	work_serve online "$SMTP_HERE/smtp.py" serve "$W_ANY" "$PORT"
	work_serve target "$SMTP_HERE/smtp.py" serve "$W_ANY" "$PORT"
	work_copy
	W_LEAST=$(pick 200 2000)
	lab_spawn client "$LAB_DIR/smtp.txt" "$SMTP_HERE/smtp.py" send "$W_ONLINE_IP" "$PORT" \
		"$W_LEAST" 16
	lab_wait "$LAST_PID" || work_wrong "clients: $(tail -n 1 "$LAB_DIR/smtp.txt")"
	work_settle
	work_same_log
	W_ONLINE=$(grep -c '^whole' "$LAB_DIR/online.txt" || true)
	W_TARGET=$(grep -c '^whole' "$LAB_DIR/target.txt" || true)
	work_same "sessions refused" "$(grep -c '^refused' "$LAB_DIR/target.txt" || true)" 0
}

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# replay.sh - captures sent to the target, and what came of them. Sourced after lab.sh.

RESULT= # of the last replay, as JSON
TO=$(lab_host_port "$TARGET_IP" "$PORT")

# replay FILE OPTIONS...: RESULT, and requests at the target since.
replay() {
	: >"$LAB_DIR/nginx-target/access.log"
	RESULT=$(ctl online --json replay "$@" --to "$TO" 2>"$LAB_DIR/replay.err") || {
		sed 's/^/# /' "$LAB_DIR/replay.err"
		return 1
	}
}

result() {
	jq -r ".result.$1" <<<"$RESULT"
}

# arrived TEXT COUNT: all of them, as the target's server and the ledger say; nothing unaccounted.
arrived() {
	wait_for 5 requests_are target "$2" || true
	is "$1: requests at the target" "$(requests target)" "$2"
	is "$1: requests that the target has acknowledged" "$(result requests.acknowledged)" "$2"
	[ "$(result requests.acknowledged)" = "$2" ] || note "$1: $RESULT"
	is "$1: frames read = sent + skipped" "$(result read)" \
		"$(jq '.result | .sent + ([.skipped[]] | add // 0)' <<<"$RESULT")"
}

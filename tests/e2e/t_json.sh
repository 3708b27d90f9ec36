#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What --json prints is what docs/json.md says, no member more and none less: answers of every command,
# from daemons that copy, intercept, replay, and fail.
# mostly waits
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

HERE=$(dirname "$0")
PAGE=$HERE/../../docs/json.md

# answer SECTION HOST WORD...: keep what it prints, whatever its exit status.
answer() {
	ctl "$2" --json "${@:3}" >>"$ANSWERS/$1" 2>/dev/null || true
}

# every HOST: all that only looks.
every() {
	answer status "$1" status
	answer stats "$1" stats
	answer doctor "$1" doctor eth0
	answer "target list" "$1" target list
	answer "filter list" "$1" filter list
	answer "allow list" "$1" allow list
	answer version "$1" version
	answer key "$1" key
}

# requests_made COUNT: one after the other, on connections of their own.
requests_made() {
	local i
	for ((i = 0; i < $1; i++)); do
		fetch "$ONLINE_IP" / >/dev/null
	done
}

captured() {
	grep -q listening "$LAB_DIR/tcpdump.err"
}

# frames N: as many at least are in the file.
frames() {
	[ "$(tcpdump -r "$LAB_DIR/capture" 2>/dev/null | wc -l)" -ge "$1" ]
}

capture() {
	lab_spawn online "$LAB_DIR/tcpdump.err" tcpdump --immediate-mode -U -i eth0 -s 0 -w "$LAB_DIR/capture" \
		tcp port "$PORT"
	wait_for 5 captured || lab_die "tcpdump: $(cat "$LAB_DIR/tcpdump.err")"
	requests_made 5
	wait_for 5 frames 40 || lab_die "tcpdump: $(cat "$LAB_DIR/tcpdump.err")"
	lab_stop "$LAST_PID" INT || true
}

# Both hosts at work, the online one with all that is seldom there.
at_work() {
	answer text target allow add 198.19.0.0/16
	answer text target intercept eth0 --port "$PORT"
	answer text online attach eth0 --to "$TARGET_IP:$PORT" --client "$LAB_NET.0/24" --local "$ONLINE_IP" \
		--exclude 198.19.1.0/24 --max-pps 1000000
	wait_for 5 copying || lab_die "no copies: $(ctl online status)"
	requests_made 5
	answer text online target add eth0 "$LAB_NET.77:$PORT"
	answer ledger online ledger
	answer status online status
	answer "filter list" online filter list
	answer stats online stats
	answer text online record eth0 -w "$LAB_DIR/recording"
	every online
	answer text online record eth0 --stop
	every target
	answer text online target del eth0 "$LAB_NET.77:$PORT" --drain 0
	answer text online detach eth0
}

lab_up
ANSWERS=$LAB_DIR/answers
mkdir "$ANSWERS"
lab_nginx online
lab_nginx target
daemons_up
capture
every online # with nothing to tell
at_work
answer replay online replay "$LAB_DIR/capture" --to "$TARGET_IP:$PORT" --top-speed
answer text target release eth0
answer error online ledger
answer error online attach eth0
answer error online --run-dir /nonexistent status
while IFS= read -r line; do
	case $line in
	answers:*) compare "answers that were compared" "${line#answers: }" ">=" 30 ;;
	*) not_ok "docs/json.md: $line" ;;
	esac
done < <("$HERE/json_schema.py" "$PAGE" "$ANSWERS")
copy_down
tap_done

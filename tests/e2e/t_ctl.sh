#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# tcpcopyctl against a control socket that answers what this test wants: what it sends, what it
# prints, how it ends. No daemon and no network is needed.
# mostly waits, 31 s
set -euo pipefail
HERE=$(realpath "$(dirname "$0")")
# shellcheck source=tests/harness/tap.sh
. "$HERE/../harness/tap.sh"

CTL=${TCPC_BUILD:-$HERE/../../build}/tcpcopyctl
DIR=$(mktemp -d "${TMPDIR:-/tmp}/${TCPC_LAB_PREFIX:-tcpc}-ctl-XXXXXX")
RUN=$DIR/run
OUT=$DIR/out
ERR=$DIR/err
LOG=$DIR/requests
PIDS=()
STATUS=

clean_up() {
	local status=$?
	tap_on_exit "$status"
	for pid in "${PIDS[@]}"; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	rm -rf "$DIR"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# wait_for SECONDS COMMAND...: until it succeeds; 1 when the time is over.
wait_for() {
	local end=$((SECONDS + $1 + 1))
	shift
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.02
	done
}

# serve NAME: a fake daemon in $DIR/NAME.
serve() {
	mkdir "$DIR/$1"
	printf 'close\n' >"$DIR/answer-$1"
	: >"$DIR/requests-$1"
	python3 "$HERE/fake_daemon.py" "$DIR/$1/tcpcopyd.sock" "$DIR/answer-$1" \
		"$DIR/requests-$1" &
	PIDS+=($!)
	wait_for 10 test -S "$DIR/$1/tcpcopyd.sock" || exit 1
}

# answers HOW [TEXT]: what the fake daemon does from now on; ' in TEXT stands for ".
answers() {
	printf '%s\n%s\n' "$1" "${2:-}" | sed "2,\$s/'/\"/g" >"$DIR/answer-run"
}

# run OPTION-OR-WORD...: tcpcopyctl; $STATUS, $OUT and $ERR tell what came of it.
run() {
	STATUS=0
	timeout 20 "$CTL" --run-dir "$RUN" "$@" >"$OUT" 2>"$ERR" </dev/null || STATUS=$?
}

# ends TEXT STATUS OUT: as wanted, with nothing on stderr.
ends() {
	is "$1: exit status" "$STATUS" "$2"
	is "$1: output" "$(cat "$OUT")" "$3"
	is "$1: lines on stderr" "$(wc -l <"$ERR")" 0
}

# fails TEXT STATUS REGEX: nothing on stdout, one line on stderr.
fails() {
	local wrong=
	[ "$STATUS" = "$2" ] || wrong+=" exit status $STATUS, expected $2;"
	[ "$(wc -l <"$ERR")" = 1 ] || wrong+=" $(wc -l <"$ERR") lines on stderr;"
	grep -q '^tcpcopyctl: ' "$ERR" || wrong+=" does not begin with tcpcopyctl:;"
	grep -Eq -- "$3" "$ERR" || wrong+=" does not match /$3/;"
	[ ! -s "$OUT" ] || wrong+=" output: $(head -c 200 "$OUT");"
	if [ -z "$wrong" ]; then
		ok "$1: $(cat "$ERR")"
	else
		not_ok "$1:$wrong said: $(head -c 400 "$ERR")"
	fi
}

# request: the last request that came, as canonical JSON.
request() {
	tail -n 1 "$LOG" | jq -cS .
}

# The two that wait for as long as tcpcopyctl is patient run beside all else.
begin_patience() {
	serve mute
	printf 'silent\n' >"$DIR/answer-mute"
	(
		status=0 began=$SECONDS
		timeout 60 "$CTL" --run-dir "$DIR/mute" status >"$DIR/mute-out" 2>"$DIR/mute-err" ||
			status=$?
		echo "$status $((SECONDS - began))" >"$DIR/mute-result"
	) &
	MUTE=$!
	PIDS+=("$MUTE")
}

end_patience() {
	local took
	wait "$MUTE"
	read -r STATUS took <"$DIR/mute-result"
	cp "$DIR/mute-out" "$OUT"
	cp "$DIR/mute-err" "$ERR"
	fails "a daemon that does not answer" 1 '30 s'
	compare "seconds it was waited for" "$took" ">=" 29
	compare "seconds it was waited for" "$took" "<=" 40
}

answered() {
	answers line "{'ok':true,'result':{'text':'eth0 is attached'}}"
	run attach eth0 --to 10.0.0.9:8080 --percent=50
	ends "attach" 0 "eth0 is attached"
	is "attach: the request" "$(request)" \
		'{"args":["eth0"],"command":"attach","options":{"percent":"50","to":"10.0.0.9:8080"}}'
	run --json attach eth0 --to 10.0.0.9:8080
	ends "attach --json" 0 '{"ok":true,"result":{"text":"eth0 is attached"}}'
	answers bytes "{'ok':true,'result':{'text':'in pieces'}}"
	run detach --all
	ends "an answer in pieces" 0 "in pieces"
	answers line "{'ok':true,'result':{'version':'9.9','pid':7,'uptime_s':61,'rss_bytes':2000000,
'secure':true,'online':[],'target':[]}}"
	sed -i '2{N;s/\n//}' "$DIR/answer-run"
	run status
	ends "status" 0 "tcpcopyd 9.9, pid 7, up 1 min 1 s, 2.0 MB resident, feedback link with key
nothing attached, nothing intercepted"
	answers line "{'ok':true,'result':{'findings':[{'level':'warn','check':'a','detail':'b','fix':'c'}]}}"
	run doctor
	is "doctor with a warning: exit status" "$STATUS" 0
	try "doctor with a warning: the fix" grep -q 'fix: c' "$OUT"
	answers line "{'ok':true,'result':{'findings':[{'level':'fail','check':'a','detail':'b','fix':'c'}]}}"
	run doctor
	is "doctor with a failure: exit status" "$STATUS" 1
	run --json doctor
	is "doctor --json with a failure: exit status" "$STATUS" 1
	is "doctor --json: level" "$(jq -r '.result.findings[0].level' "$OUT")" fail
}

refused() {
	answers line "{'ok':false,'error':'eth0 is attached already','status':1}"
	run attach eth0 --to 10.0.0.9:8080
	fails "a failure" 1 '^tcpcopyctl: eth0 is attached already$'
	run --json attach eth0 --to 10.0.0.9:8080
	is "a failure with --json: exit status" "$STATUS" 1
	is "a failure with --json: output" "$(cat "$OUT")" \
		'{"ok":false,"error":"eth0 is attached already","status":1}'
	is "a failure with --json: stderr" "$(cat "$ERR")" "tcpcopyctl: eth0 is attached already"
	answers line "{'ok':false,'error':'no such word','status':2}"
	run status
	fails "bad usage, says the daemon" 2 'no such word'
	answers line "{'ok':false,'error':'two\\nlines\\u001b[2J','status':1}"
	run status
	fails "an error of two lines" 1 '^tcpcopyctl: two.lines.\[2J$'
	answers line "{'ok':false}"
	run status
	fails "an error without a reason" 1 'log'
	answers early "{'ok':false,'error':'busy','status':1}"
	run status
	fails "an answer before the request" 1 'busy'
}

broken() {
	answers line 'HTTP/1.1 400 Bad Request'
	run status
	fails "no JSON" 1 'understood'
	answers line '[]'
	run status
	fails "JSON, but no answer" 1 'understood'
	answers line "{'ok':1}"
	run status
	fails "ok is a number" 1 'understood'
	answers line "{'ok':true}"
	run release --all
	ends "no result" 0 "done"
	answers close
	run status
	fails "the end instead of an answer" 1 'without an answer'
	answers endless
	run status
	fails "an answer without end" 1 '64 MB'
	# What the sockets' buffers hold comes on top of what was read.
	wait_for 10 grep -q '^endless' "$LOG" || not_ok "the endless answer ends"
	compare "bytes taken of it" "$(awk '/^endless/ { print $2 }' "$LOG")" "<=" 75000000
	answers "big 8000000"
	run allow list
	is "an answer of 8 MB: exit status" "$STATUS" 0
	compare "an answer of 8 MB: lines" "$(wc -l <"$OUT")" ">=" 100000
}

# A watch goes on for more than one answer, each of them fresh, and ends with the daemon.
watch() {
	local pid
	answers numbered "{'ok':true,'result':{'online':{'seen':@N@000}}}"
	"$CTL" --run-dir "$RUN" stats --watch >"$OUT" 2>"$ERR" &
	pid=$!
	PIDS+=("$pid")
	wait_for 10 three_answers || true
	is "watch: different values in three answers" \
		"$(awk '$1 == "seen" { print $2 }' "$OUT" | head -n 3 | sort -u | wc -l)" 3
	is "watch: escape sequences into a file" "$(grep -c $'\033' "$OUT" || true)" 0
	answers line "{'ok':false,'error':'enough','status':1}"
	STATUS=0
	wait "$pid" || STATUS=$?
	is "watch: exit status when the daemon fails" "$STATUS" 1
	is "watch: stderr" "$(cat "$ERR")" "tcpcopyctl: enough"
	watch_terminal
}

three_answers() {
	[ "$(grep -c '^online' "$OUT")" -ge 3 ]
}

# drawn N: screens so far; each begins at the first column of the first line.
drawn() {
	[ "$(grep -c $'\033\\[H' "$OUT")" -ge "$1" ]
}

# terminal COMMAND...: in a terminal of 12 lines and 60 columns, to $OUT.
terminal() {
	script -qfec "stty rows 12 columns 60; $*" /dev/null >"$OUT" 2>&1 </dev/null
}

# On a terminal each answer is written over the one before, with what has counted, and how fast.
watch_terminal() {
	local pid
	answers numbered "{'ok':true,'result':{'online':{'seen':@N@000,'not_tcp':0,'copied':7}}}"
	terminal "NO_COLOR=1 '$CTL' --run-dir '$RUN' stats --watch" &
	pid=$!
	PIDS+=("$pid")
	try "watch on a terminal: a screen each second" wait_for 10 drawn 3
	is "watch on a terminal: erased once as a whole" "$(grep -c $'\033\\[2J' "$OUT")" 1
	try "watch on a terminal: what moves, and how fast" \
		grep -Eq 'online +seen +[0-9]+000 +(9[0-9][0-9]|10[0-9][0-9]) ' "$OUT"
	try "watch on a terminal: what stands still" grep -Eq 'online +copied +7 +0 ' "$OUT"
	is "watch on a terminal: what has counted nothing" "$(grep -c not_tcp "$OUT" || true)" 0
	answers line "{'ok':false,'error':'enough','status':1}"
	STATUS=0
	wait "$pid" || STATUS=$?
	is "watch on a terminal: exit status when the daemon fails" "$STATUS" 1
}

# Colours are for terminals whose user wants them.
colours() {
	local doctor="'$CTL' --run-dir '$RUN' doctor" red=$'\033\\[31mfail'
	answers line "{'ok':true,'result':{'findings':[{'level':'fail','check':'a','detail':'b','fix':'c'}]}}"
	terminal "env -u NO_COLOR TERM=xterm $doctor" || true
	is "colours on a terminal" "$(grep -c "$red" "$OUT" || true)" 1
	terminal "env NO_COLOR=1 TERM=xterm $doctor" || true
	is "colours with NO_COLOR" "$(grep -c $'\033' "$OUT" || true)" 0
	terminal "env -u NO_COLOR TERM=dumb $doctor" || true
	is "colours on a dumb terminal" "$(grep -c $'\033' "$OUT" || true)" 0
	run doctor
	is "colours into a file" "$(grep -c '[[:cntrl:]]' "$OUT" || true)" 0
}

# What takes long says what it waits for, on a terminal, and wipes that away.
waiting() {
	answers slow "{'ok':true,'result':{'text':'eth0 is released'}}"
	terminal "'$CTL' --run-dir '$RUN' release eth0" || true
	try "waiting: says what for" grep -q 'release: waiting for copied connections.* 1 s' "$OUT"
	try "waiting: the line goes" grep -q $'\r\033\\[Keth0 is released' "$OUT"
	run release eth0
	ends "waiting without a terminal" 0 "eth0 is released"
}

alone() {
	RUN=$DIR/nobody
	run key
	is "key: exit status" "$STATUS" 0
	try "key: 64 hexadecimal digits" grep -Eqx '[0-9a-f]{64}' "$OUT"
	is "key: lines" "$(wc -l <"$OUT")" 1
	cp "$OUT" "$DIR/key"
	run key
	is "key: another each time" "$(cmp -s "$OUT" "$DIR/key" && echo same || echo other)" other
	run --json key
	is "key --json: digits" "$(jq -j '.result.key' "$OUT" | wc -c)" 64
	run version
	is "version without a daemon: exit status" "$STATUS" 0
	try "version without a daemon: ours" grep -Eqx 'tcpcopyctl [0-9]+\.[0-9]+\.[0-9]+' "$OUT"
	try "version without a daemon: says so" grep -q '^tcpcopyd: no daemon at' "$OUT"
	run --json version
	is "version --json without a daemon" "$(jq -c '.ok, .result.daemon' "$OUT" | tr '\n' ' ')" \
		"true null "
	RUN=$DIR/run
	answers line "{'ok':true,'result':{'version':'9.9','abi_version':1}}"
	run version
	is "version with a daemon" "$(sed -n 2p "$OUT")" "tcpcopyd 9.9"
	run --json version
	is "version --json with a daemon" "$(jq -r '.result.daemon.version' "$OUT")" 9.9
}

no_daemon() {
	RUN=$DIR/nobody
	run status
	fails "no socket" 1 "$RUN/tcpcopyd.sock.*tcpcopyd"
	mkdir "$DIR/dead"
	RUN=$DIR/dead
	# Bound and left: the file stays, nobody listens.
	python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' \
		"$RUN/tcpcopyd.sock"
	run status
	fails "a socket that nobody listens on" 1 "$RUN/tcpcopyd.sock.*tcpcopyd"
	run --json status
	is "no daemon and --json: exit status" "$STATUS" 1
	is "no daemon and --json: answer" "$(jq -c '[.ok, .status]' "$OUT")" "[false,1]"
	is "no daemon and --json: error" "tcpcopyctl: $(jq -r .error "$OUT")" "$(cat "$ERR")"
	run --json attach eth0
	is "bad usage and --json: answer" "$(jq -c '[.ok, .status]' "$OUT")" "[false,2]"
	RUN=$DIR/run
}

not_permitted() {
	if [ "$(id -u)" != 0 ]; then
		skip "not permitted: needs root to become somebody else"
		return
	fi
	# Copies: the way to the build directory may be closed to others.
	cp "$CTL" "$DIR/tcpcopyctl"
	chmod 755 "$DIR"
	chmod 0660 "$DIR/run/tcpcopyd.sock"
	STATUS=0
	setpriv --reuid 65534 --regid 65534 --clear-groups "$DIR/tcpcopyctl" --run-dir "$DIR/run" \
		status >"$OUT" 2>"$ERR" || STATUS=$?
	fails "not permitted" 1 'not permitted.*root.*group.*\(root\)'
	chmod 0700 "$DIR/run"
	STATUS=0
	setpriv --reuid 65534 --regid 65534 --clear-groups "$DIR/tcpcopyctl" --run-dir "$DIR/run" \
		status >"$OUT" 2>"$ERR" || STATUS=$?
	fails "a directory that is closed" 1 'not permitted.*root'
}

# A long line: sent whole, and no trouble if the daemon refuses it unread.
big_request() {
	local prefixes=()
	mapfile -t prefixes < <(seq 1 8000 | awk '{ printf "198.18.%d.%d/32\n", $1 / 256, $1 % 256 }')
	answers line "{'ok':true,'result':{'text':'allowed'}}"
	run allow add "${prefixes[@]}"
	ends "a big request" 0 "allowed"
	is "a big request: prefixes that came" "$(request | jq '.args | length')" 8001
	answers early "{'ok':false,'error':'too much','status':1}"
	run allow add "${prefixes[@]}"
	fails "a big request that is refused unread" 1 'too much'
}

# Nothing of this reaches the daemon.
usage() {
	local before
	answers line "{'ok':true,'result':{'text':'the daemon was asked'}}"
	before=$(wc -l <"$LOG")
	run frobnicate
	fails "unknown command" 2 'frobnicate'
	run attach eth0
	fails "attach without --to" 2 'to'
	run attach eth0 --to 10.0.0.9
	fails "attach without a port" 2 'IP:PORT'
	run --frobnicate status
	fails "unknown option before the command" 2 '--frobnicate.*--run-dir'
	run status --run-dir
	fails "option behind the command" 2 'run-dir'
	run --run-dir
	fails "--run-dir without a directory" 2 '--run-dir'
	run --run-dir= status
	fails "--run-dir that is empty" 2 '--run-dir'
	run --run-dir "/$(printf 'd%.0s' {1..120})" status
	fails "--run-dir that is too long" 2 '--run-dir.*93 bytes'
	run
	is "no command: exit status" "$STATUS" 2
	is "no command: output" "$(cat "$OUT")" ""
	try "no command: usage on stderr" grep -q '^usage: tcpcopyctl' "$ERR"
	run --help
	is "--help: exit status" "$STATUS" 0
	try "--help: usage" grep -q '^usage: tcpcopyctl' "$OUT"
	for command in attach detach target filter intercept release allow status stats ledger \
		doctor key version; do
		try "--help names $command" grep -Eq "^ +$command " "$OUT"
		"$CTL" "$command" --help >"$DIR/help" 2>&1 || not_ok "$command --help fails"
		try "$command --help" grep -q "^usage: tcpcopyctl.* $command" "$DIR/help"
	done
	run attach -h
	try "attach -h names its options" grep -q -- '--to IP:PORT' "$OUT"
	is "requests that reached the daemon" "$(wc -l <"$LOG")" "$before"
}

no_room() {
	answers line "{'ok':true,'result':{'text':'lost'}}"
	STATUS=0
	"$CTL" --run-dir "$RUN" status >/dev/full 2>"$ERR" || STATUS=$?
	: >"$OUT"
	fails "output to a full disk" 1 'standard output'
}

[ -x "$CTL" ] || {
	not_ok "there is no $CTL: run make first"
	exit 1
}
serve run
LOG=$DIR/requests-run
begin_patience
answered
refused
broken
big_request
watch
colours
waiting
alone
no_daemon
usage
no_room
not_permitted
end_patience
tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What is copied can be recorded: every packet once, as it came, in files that others can read. Played
# again all requests arrive, at any pace. Files stay within their bounds, and neither a full disk nor
# a name that is taken harms the copying.
# mostly waits, 30 s
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

RESULT=
MAIL_PORT=2525 # of a server that speaks first
GREET=$(dirname "$0")/greet.py
SMALL= # a file system of 1 MB

on_lab_exit() {
	[ -z "$SMALL" ] || umount "$SMALL" || true
}

record() {
	ctl online record eth0 "$@"
}

# recording FIELD: of the interface's recording, as status has it.
recording() {
	ctl_json online ".result.online[0].record.$1" status
}

recording_is() {
	[ "$(recording state)" = "$1" ]
}

counter() {
	ctl_json online ".result.record.$1" stats
}

# refuses TEXT PATTERN STATUS COMMAND...: with such an error, one line, and nothing is recorded.
refuses() {
	local text=$1 pattern=$2 want=$3 status=0
	shift 3
	"$@" >"$LAB_DIR/out" 2>"$LAB_DIR/err" || status=$?
	is "$text: exit status" "$status" "$want"
	if [ "$(wc -l <"$LAB_DIR/err")" = 1 ] && grep -q -- "$pattern" "$LAB_DIR/err"; then
		ok "$text: $(cat "$LAB_DIR/err")"
	else
		not_ok "$text: expected one line with '$pattern', got: $(cat "$LAB_DIR/err")"
	fi
}

# dumped FILE [FILTER]: packets in it, as tcpdump reads it.
dumped() {
	tcpdump -nr "$1" ${2:+"$2"} 2>/dev/null | wc -l
}

# replay FILE... OPTIONS...: RESULT, and requests at the target since.
replay() {
	: >"$LAB_DIR/nginx-target/access.log"
	RESULT=$(ctl online --json replay "$@" --to "$(lab_host_port "$TARGET_IP" "$PORT")" \
		2>"$LAB_DIR/replay.err") || {
		sed 's/^/# /' "$LAB_DIR/replay.err"
		return 1
	}
}

# arrived TEXT COUNT
arrived() {
	wait_for 5 requests_are target "$2" || true
	is "$1: requests at the target" "$(requests target)" "$2"
	is "$1: requests that the target has acknowledged" \
		"$(jq .result.requests.acknowledged <<<"$RESULT")" "$2"
	note "$1: how late 99 % were at most, microseconds: $(jq .result.late_us.p99 <<<"$RESULT")"
}

lab_up
lab_nginx online
lab_nginx target
daemons_up
ask target intercept eth0 --port "$PORT,$MAIL_PORT" --engine "$ENGINE"
attach
wait_for 5 copying || lab_die "copying does not begin: $(ctl online status)"
cap=$LAB_DIR/a.pcapng

# ---- what is refused --------------------------------------------------------------------------

mkdir "$LAB_DIR/taken"
echo mine >"$LAB_DIR/taken/file"
ln -s file "$LAB_DIR/taken/link"
refuses "no file" "record needs a file, -w FILE" 2 record
refuses "another interface" "lo is not attached" 1 ctl online record lo -w "$cap"
refuses "a file that is there" "file exists; --force replaces it" 1 record -w "$LAB_DIR/taken/file"
refuses "a link, with --force" "is a symbolic link" 1 record -w "$LAB_DIR/taken/link" --force
refuses "a directory" "taken is no file" 1 record -w "$LAB_DIR/taken" --force
refuses "no directory" "its directory: No such file" 1 record -w "$LAB_DIR/none/a.pcapng"
refuses "keep what" "say with --rotate-mb or --rotate-seconds" 2 record -w "$cap" --keep 2
refuses "bounds" "is more than --limit-mb 1 allows" 2 record -w "$cap" --rotate-mb 2 --limit-mb 1
refuses "nothing to stop" "eth0 is not recorded" 1 record --stop
is "what was refused has left no file" "$(ls "$LAB_DIR"/*.pcapng 2>/dev/null)" ""
is "and has not touched that of others" "$(cat "$LAB_DIR/taken/file")" mine

# ---- all of it, once --------------------------------------------------------------------------

# Clients with pauses: 16 connections, some 1,300 requests a second.
echo 'function delay() return 10 end' >"$LAB_DIR/delay.lua"
requests_reset
before=$(ctl_json online .result.online.copied stats)
is "begun" "$(record -w "$cap")" "eth0 is recorded to $cap"
is "its mode" "$(stat -c %a "$cap")" 600
refuses "twice" "is recorded already, to a.pcapng" 1 record -w "$LAB_DIR/b.pcapng"
try "no error for the clients" load 2 16 / -s "$LAB_DIR/delay.lua"
requests_settle
n=$N_ONLINE
copied=$(($(ctl_json online .result.online.copied stats) - before))
is "ended" "$(record --stop | sed 's/ [0-9]* packets/ packets/')" \
	"eth0 is not recorded any more: packets in 1 file, 0 missing"
is "copied live" "$N_TARGET" "$n"
compare "requests recorded" "$n" ">=" 500
is "packets in the file = packets copied" "$(dumped "$cap")" "$copied"
is "as many as status and stats say" "$(recording packets) $(counter recorded)" "$copied $copied"
is "missing" "$(recording missed) $(recording behind) $(counter unwritten)" "0 0 0"
is "packets to the online host itself" "$(dumped "$cap" "dst host $ONLINE_IP and dst port $PORT")" \
	"$copied"
is "requests in the file" "$(tcpdump -nr "$cap" 2>/dev/null | grep -c "HTTP: GET ")" "$n"
wrong=$(tcpdump -vvnr "$cap" 2>/dev/null | grep "(incorrect\|bad cksum" || true)
is "checksums that are wrong" "$wrong" ""
compare "times in nanoseconds, all different" \
	"$(tcpdump --nano -ttnr "$cap" 2>/dev/null | cut -d ' ' -f 1 | sort -u | wc -l)" ">" \
	$((copied * 9 / 10))

# ---- played again -----------------------------------------------------------------------------

ask online detach eth0
# So that the programs stay loaded between two replays: that takes seconds on a busy machine.
ask online attach eth0 --to "$(lab_host_port "$TARGET_IP" 9)"
replay "$cap" && arrived "as recorded" "$n"
replay "$cap" --speed 10 && arrived "10 times as fast" "$n"
replay "$cap" --top-speed && arrived "top speed" "$n"
ask online detach eth0

# Where the server speaks first its greeting is in no recording, but how much of it was read before
# the client spoke is.
lab_spawn online "$LAB_DIR/mail-online.txt" "$GREET" serve "$MAIL_PORT" 0 60
lab_spawn target "$LAB_DIR/mail.txt" "$GREET" serve "$MAIL_PORT" 200 60
mails() {
	[ "$(wc -l <"$LAB_DIR/mail.txt")" -ge "$1" ]
}
for host in online target; do
	wait_for 5 lab_listening "$host" "$MAIL_PORT" || lab_die "greet.py does not start"
done
ask online attach eth0 --to "$(lab_host_port "$TARGET_IP" "$MAIL_PORT")"
wait_for 5 copying || lab_die "copying does not begin"
ask online record eth0 -w "$LAB_DIR/mail.pcapng"
try "mail: no error for the clients" in_ns client "$GREET" ask "$ONLINE_IP" "$MAIL_PORT" 20 10 \
	greeted >"$LAB_DIR/ask.txt"
grep . "$LAB_DIR/ask.txt"
wait_for 10 mails 20 || true
ask online record eth0 --stop
ask online detach eth0
is "mail: at the target" "$(sort "$LAB_DIR/mail.txt" | uniq -c | xargs)" "20 session"
: >"$LAB_DIR/mail.txt"
ask online replay "$LAB_DIR/mail.pcapng" --to "$(lab_host_port "$TARGET_IP" "$MAIL_PORT")"
wait_for 10 mails 20 || true
is "mail, played again: at the target" "$(sort "$LAB_DIR/mail.txt" | uniq -c | xargs)" "20 session"

# ---- bounds -----------------------------------------------------------------------------------

attach
wait_for 5 copying || lab_die "copying does not begin again"
# Some 10 MB in small connections.
head -c 60000 /dev/zero | tr '\0' x >"$LAB_DIR/body"
upload() {
	local i
	for ((i = 0; i < $1; i++)); do
		echo "next"
		echo "url = http://$(lab_host_port "$ONLINE_IP" "$PORT")/post?$i"
		echo "data-binary = @$LAB_DIR/body"
		echo "output = /dev/null"
	done | sed 1d | in_ns client curl -s --noproxy '*' --max-time 30 -K -
}
all_bytes() {
	stat -c %s "$@" | awk '{ n += $1 } END { print n + 0 }'
}
try "rotating" ask online record eth0 -w "$LAB_DIR/r.pcapng" --rotate-mb 1 --keep 3
upload 100
ask online record eth0 --stop
files=("$LAB_DIR"/r-*.pcapng)
is "files that stay" "${#files[@]}" 3
compare "files begun" "$(recording files)" ">=" 5
is "the last one is there" "${files[2]##*/}" "$(recording file)"
compare "bytes of the largest" "$(stat -c %s "${files[@]}" | sort -n | tail -n 1)" "<=" 1048576
for file in "${files[@]}"; do
	try "${file##*/} can be read to its end" tcpdump -qnr "$file" -w /dev/null
done
refuses "numbered files that are there" "exists; --force" 1 record -w "$LAB_DIR/r.pcapng" \
	--rotate-seconds 1
try "by time, replacing them" ask online record eth0 -w "$LAB_DIR/r.pcapng" --rotate-seconds 1 \
	--force
load 2 2 / -s "$LAB_DIR/delay.lua"
ask online record eth0 --stop
compare "by time: files" "$(recording files)" ">=" 2
is "by time: packets in all of them" "$(recording packets)" "$(for ((i = 1; i <= \
	$(recording files); i++)); do dumped "$LAB_DIR/r-0000$i.pcapng"; done |
	awk '{ n += $1 } END { print n }')"

try "bounded" ask online record eth0 -w "$LAB_DIR/l.pcapng" --limit-mb 1
upload 30
try "bounded: ends by itself" wait_for 5 recording_is failed
is "bounded: says why" "$(recording reason)" "--limit-mb 1 is reached"
compare "bounded: bytes" "$(all_bytes "$LAB_DIR/l.pcapng")" "<=" 1048576
compare "bounded: it is full" "$(all_bytes "$LAB_DIR/l.pcapng")" ">" 900000
refuses "bounded: --stop" "not recorded any more: --limit-mb 1" 1 record --stop

# ---- a full disk, a dead writer, a dead daemon ------------------------------------------------

SMALL=$LAB_DIR/small
mkdir "$SMALL"
mount -t tmpfs -o size=1m tmpfs "$SMALL"
ended=$(counter ended)
try "to a small disk" ask online record eth0 -w "$SMALL/a.pcapng"
requests_reset
upload 30
try "full disk: ends by itself" wait_for 5 recording_is failed
is "full disk: says why" "$(recording reason)" "cannot write a.pcapng: No space left on device"
is "full disk: is counted" "$(counter ended)" $((ended + 1))
compare "full disk: so is what is not in the file" "$(counter unwritten)" ">=" 1
is "full disk: whole packets in the file" "$(dumped "$SMALL/a.pcapng")" "$(recording packets)"
try "full disk: the file ends with a whole packet" tcpdump -qnr "$SMALL/a.pcapng" -w /dev/null
is "full disk: in status" "$(ctl online status | grep -c 'record: failed, a.pcapng.*No space left')" 1
requests_settle
is "full disk: copying goes on" "$N_TARGET" "$N_ONLINE"

try "once more" ask online record eth0 -w "$LAB_DIR/k.pcapng"
pid=$(pgrep -f "record eth0 -w $LAB_DIR/k.pcapng") || lab_die "who writes it?"
kill -KILL "$pid"
try "writer killed: is known" wait_for 5 recording_is failed
is "writer killed: says so" "$(recording reason)" "who wrote the file has gone"

try "and again" ask online record eth0 -w "$LAB_DIR/d.pcapng"
pid=$(pgrep -f "record eth0 -w $LAB_DIR/d.pcapng") || lab_die "who writes it?"
load 1 2 / -s "$LAB_DIR/delay.lua"
ask online detach eth0
try "detached: the writer ends" wait_for 5 gone "$pid"
compare "detached: the file is whole" "$(dumped "$LAB_DIR/d.pcapng" "dst port $PORT")" ">=" 20
try "detached: and can be read to its end" tcpdump -qnr "$LAB_DIR/d.pcapng" -w /dev/null

attach
wait_for 5 copying || lab_die "copying does not begin again"
try "for a daemon that dies" ask online record eth0 -w "$LAB_DIR/x.pcapng"
pid=$(pgrep -f "record eth0 -w $LAB_DIR/x.pcapng") || lab_die "who writes it?"
fetch "$ONLINE_IP" / >/dev/null
in_file() {
	[ "$(dumped "$LAB_DIR/x.pcapng")" -ge 3 ]
}
try "daemon dies: packets are in the file at once" wait_for 2 in_file
daemon_kill online
try "daemon dies: the writer ends" wait_for 5 gone "$pid"
try "daemon dies: the file can be read to its end" tcpdump -qnr "$LAB_DIR/x.pcapng" -w /dev/null

[ "$TAP_FAILED" -eq 0 ] || show_counters
copy_down
tap_done

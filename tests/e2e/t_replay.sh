#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What was captured reaches the target: at the pace of the capture, faster, as fast as can be, from
# files of all shapes. Files that are broken are told apart from those that are not, and none is a
# reason to crash. Memory does not depend on the file.
# mostly waits, 80 s
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"
# shellcheck source=tests/harness/replay.sh
. "$(dirname "$0")/../harness/replay.sh"

# refuses TEXT PATTERN STATUS FILE OPTIONS...: with such an error, one line.
refuses() {
	local text=$1 pattern=$2 want=$3 status=0
	shift 3
	ctl online replay "$@" --to "$TARGET_IP:$PORT" >"$LAB_DIR/out" 2>"$LAB_DIR/err" || status=$?
	is "$text: exit status" "$status" "$want"
	if [ "$(wc -l <"$LAB_DIR/err")" = 1 ] && grep -q -- "$pattern" "$LAB_DIR/err"; then
		ok "$text: $(cat "$LAB_DIR/err")"
	else
		not_ok "$text: expected one line with '$pattern', got: $(cat "$LAB_DIR/err")"
	fi
}

no_device() {
	! our_devices online | grep -q tcpcreplay
}

lab_up
lab_nginx online
lab_nginx target

# Clients with pauses: 16 connections, some 1,300 requests a second.
echo 'function delay() return 10 end' >"$LAB_DIR/delay.lua"
cap=$LAB_DIR/a.pcap
lab_spawn online "$LAB_DIR/dump.log" tcpdump --immediate-mode -i eth0 -s 0 -B 16384 -U \
	-w "$cap" "tcp port $PORT"
dump=$LAST_PID
wait_for 5 grep -q listening "$LAB_DIR/dump.log" || lab_die "tcpdump does not start"
try "no error for the clients" load 3 16 / -s "$LAB_DIR/delay.lua"
n=$(requests online)
captured() {
	[ "$(tcpdump -r "$cap" 2>/dev/null "dst port $PORT and tcp[tcpflags] & tcp-push != 0" |
		wc -l)" -ge "$n" ]
}
wait_for 5 captured || lab_die "tcpdump has missed some of $n requests"
lab_stop "$dump" INT || true
compare "requests captured" "$n" ">=" 1000

daemons_up
# So that the programs stay loaded between two replays: that takes seconds on a busy machine.
ask online attach eth0 --to "$(lab_host_port "$TARGET_IP" 9)"
leak_start
refuses "nobody intercepts (invariant 2)" "nothing was sent: target" 1 "$cap"
intercept

replay "$cap" && arrived "as captured" "$n"
# Below 2,000 where the processors are not all at work: a figure, since other tests run beside this.
note "as captured: how late 99 % were at most, microseconds: $(result late_us.p99)"
replay "$cap" --speed 10 && arrived "10 times as fast" "$n"
replay "$cap" --top-speed && arrived "top speed" "$n"
replay "$cap" --top-speed --loop 3 && arrived "three times" $((3 * n))
replay "$cap" --top-speed --concurrency 16 && arrived "16 requests at a time" "$n"

mkdir "$LAB_DIR/shapes"
"$(dirname "$0")/captures.py" shapes "$LAB_DIR/shapes" "$cap"
for shape in vlan.pcap cooked.pcap cooked2.pcap raw.pcap null.pcap raw.pcapng twice.pcapng; do
	replay "$LAB_DIR/shapes/$shape" --top-speed && arrived "$shape" "$n"
done
compare "twice.pcapng: retransmissions" "$(result skipped.retransmission)" ">=" "$n"
replay "$cap" --top-speed --filter "src port 1" || true
is "nothing for the filter: sent" "$(result sent)" 0
replay "$LAB_DIR/shapes/snap.pcap" --top-speed || true
compare "snap length: connections that had to end" "$(result skipped.payload_cut)" ">=" 16

refuses "another port" "no client's packet to port 81 in .*most go to ports" 1 "$cap" --port 81
refuses "truncated" "is damaged or cut short behind frame [0-9]*: .*was sent" 1 \
	"$LAB_DIR/shapes/truncated.pcap" --top-speed
refuses "damaged" "is damaged or cut short behind frame" 1 "$LAB_DIR/shapes/damaged.pcap" \
	--top-speed
refuses "no frames" "nothing was sent: no client's packet" 1 "$LAB_DIR/shapes/no_frames.pcap"
refuses "empty" "empty.pcap: .*a capture of tcpdump" 1 "$LAB_DIR/shapes/empty.pcap"
refuses "text" "unknown file format.*a capture of tcpdump" 1 "$LAB_DIR/shapes/text.pcap"
refuses "a frame of 2 GB" "is damaged" 1 "$LAB_DIR/shapes/huge_frame.pcap"
refuses "WiFi" "link headers that are not known here (IEEE802_11" 1 "$LAB_DIR/shapes/wifi.pcap"
refuses "a directory" "is a directory" 1 "$LAB_DIR/shapes"
refuses "no file" "No such file" 1 "$LAB_DIR/none.pcap"
refuses "a filter that is none" "--filter 'no such word'" 2 "$cap" --filter "no such word"
refuses "a speed that is none" "--speed is a number from 0.1" 2 "$cap" --speed 0.01

# 1 GB, of which next to nothing lies on the disk.
"$(dirname "$0")/captures.py" big "$LAB_DIR/big.pcap" $((1 << 30)) 2000
: >"$LAB_DIR/nginx-target/access.log"
rss_kb=$(in_ns online python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' \
	"$TCPC_BUILD/tcpcopyctl" --run-dir "$(run_dir online)" replay "$LAB_DIR/big.pcap" \
	--to "$TARGET_IP:$PORT" --top-speed) || true
is "1 GB: requests at the target" "$(requests target)" 2000
compare "1 GB: memory of the reader, KB" "$rss_kb" "<" 50000

# Whoever replays may die: nothing stays, and what he has not sent is not sent.
lab_spawn online "$LAB_DIR/killed.log" "$TCPC_BUILD/tcpcopyctl" --run-dir "$(run_dir online)" \
	replay "$cap" --to "$TARGET_IP:$PORT" --speed 0.1
: >"$LAB_DIR/nginx-target/access.log"
wait_for 5 requests_are target 5 || not_ok "the slow replay does not start"
lab_stop "$LAST_PID" KILL || true
try "killed: the device is gone after a while" wait_for 12 no_device
is "killed: only what was before is attached" \
	"$(ctl_json online '[.result.online[].iface] | join(" ")' status)" eth0

lab_spawn online "$LAB_DIR/stopped.log" "$TCPC_BUILD/tcpcopyctl" --run-dir \
	"$(run_dir online)" replay "$cap" --to "$TARGET_IP:$PORT" --speed 0.1
pid=$LAST_PID
: >"$LAB_DIR/nginx-target/access.log"
wait_for 5 requests_are target 5 || not_ok "the slow replay does not start"
lab_stop "$pid" INT || true
try "interrupted: says so" grep -q "interrupted; what is shown was sent until then" \
	"$LAB_DIR/stopped.log"
try "interrupted: and what was sent" grep -q "^requests [1-9]" "$LAB_DIR/stopped.log"
try "interrupted: the device is gone" wait_for 2 no_device

[ "$TAP_FAILED" -eq 0 ] || show_counters
copy_down
leak_end "replay"
tap_done

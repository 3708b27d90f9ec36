#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# IPv6: everything that is shown for IPv4 elsewhere, in short; nothing of it leaks whoever stops or
# dies; one socket for both families; and without ip6tables IPv6 is left alone while IPv4 works.
set -euo pipefail
LAB_FAMILY=6
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

HERE=$(dirname "$0")
V4_TARGET=$(lab_addr 3 4)
V4_ONLINE=$(lab_addr 2 4)

counter() {
	ctl_json target ".result.$1" stats
}

counter_is() {
	[ "$(counter "$1")" -ge "$2" ]
}

# all_of TEXT LEAST URI [WRK-OPTIONS]: a load whose requests all reach the target.
all_of() {
	local text=$1 least=$2
	shift 2
	requests_reset
	try "$text: no error for the clients" load 1 8 "$@"
	requests_settle
	compare "$text: requests online" "$N_ONLINE" ">=" "$least"
	is "$text: requests at the target" "$N_TARGET" "$N_ONLINE"
	is "$text: answers other than 200" \
		"$(awk '$4 != 200 && $4 != 499' "$LAB_DIR/nginx-target/access.log" | wc -l)" 0
}

loads() {
	# At full speed the target, which shares the processors with the load, may be far behind.
	INTERCEPT=(--hold 512 --max-lag 20)
	copy_up
	all_of "keep-alive" 2000 /
	all_of "100 KB responses" 500 /100k
	# A response that is still one large packet is not replaced in place.
	[ "$ENGINE" = tc ] || compare "ACKs through the raw socket" "$(counter queue.injected)" ">=" 1
	all_of "one connection a request" 500 / -s "$(close_script)"
	all_of "32 KB posts" 200 /post -s "$(post_script 32768)"
	[ "$TAP_FAILED" -eq 0 ] || show_counters
	INTERCEPT=()
	is "ACKs that could not be sent" "$(counter queue.inject_failed)" 0
	copy_down
}

# The online host's connections are older than attach: each is taken up at its second request.
adopted() {
	daemons_up
	intercept
	requests_reset
	lab_spawn client "$LAB_DIR/adopt.txt" "$HERE/adopt_client.py" numbers "$ONLINE_IP" "$PORT" 10
	wait_for 20 grep -q ready "$LAB_DIR/adopt.txt" || lab_die "$(cat "$LAB_DIR/adopt.txt")"
	attach
	try "adoption: all 10 connections are taken up" wait_for 5 counter_is target.adopted 10
	wait_for 5 requests_are target 500 || true
	try "adoption: no error for the clients" lab_stop "$LAST_PID" TERM 10
	compare "adoption: requests at the target" "$(requests target)" ">=" 500
	is "adoption: answers other than 200" \
		"$(awk '$4 != 200' "$LAB_DIR/nginx-target/access.log" | wc -l)" 0
	copy_down
}

allowed() {
	local client prefix
	client=$(lab_addr 110) prefix=$LAB_NET6::110/124
	copy_up
	is "not allowed: the client does not reach the target" \
		"$(fetch "$TARGET_IP" / --interface "$client" --max-time 0.4)" 000
	try "allow add $prefix" ask target allow add "$prefix"
	is "allowed: the client reaches the target" \
		"$(fetch "$TARGET_IP" / --interface "$client")" 200
	is "allowed: and the online host" "$(fetch "$ONLINE_IP" /m/in --interface "$client")" 200
	is "one beside: and the online host" \
		"$(fetch "$ONLINE_IP" /m/out --interface "$(lab_addr 120)")" 200
	try "one beside: is copied" wait_for 5 seen target /m/out
	is "allowed: is not copied" "$(requests_match ' /m/in ' target)" 0
	try "allow del $prefix" ask target allow del "$prefix"
	is "not allowed any more" "$(fetch "$TARGET_IP" / --interface "$client" --max-time 0.4)" 000
	copy_down
}

# What the target's own firewall says of copies must not reach their clients.
icmp_inside() {
	local reject=(INPUT -p tcp --dport "$PORT" ! -i lo -j REJECT)
	copy_up
	in_ns target ip6tables -w -I "${reject[@]}" --reject-with icmp6-adm-prohibited
	leak_start
	fetch "$ONLINE_IP" /m/refused >/dev/null
	try "ICMPv6 errors end in the queue" wait_for 5 counter_is queue.icmp_dropped 1
	in_ns target ip6tables -w -D "${reject[@]}" --reject-with icmp6-adm-prohibited
	leak_end "ICMPv6 errors"
	copy_down
}

rules_of_target() {
	our_rules target iptables
	our_rules target ip6tables
}

# Under load: stopped, killed, started again, released.
ends() {
	requests_reset
	leak_start
	load_start 9 8 / -s "$(close_script)"
	load_start 9 8 /
	copy_up
	wait_for 5 requests_are target 500 || not_ok "copies flow"
	try "a clean stop: exit status 0" daemon_stop target
	is "a clean stop: rules left" "$(rules_of_target)" ""
	lab_daemon target
	intercept
	wait_for 5 requests_are target $(($(requests target) + 500)) || not_ok "copies flow again"
	daemon_kill target
	is "killed: rules left, two a family" "$(rules_of_target | wc -l)" 4
	lab_daemon target
	is "the next start: rules left" "$(rules_of_target)" ""
	intercept
	wait_for 5 requests_are target $(($(requests target) + 500)) || not_ok "copies flow once more"
	try "release" ask target release eth0
	is "released: connections left at the target" "$(established)" 0
	try "no error for the clients" load_end
	copy_down
	leak_end "stopped, killed, released"
}

established() {
	in_ns target ss -Htn state established "sport = :$PORT" | wc -l
}

saw() {
	grep -cx -- "$1" "$LAB_DIR/slow.txt" || true
}

saw_requests() {
	[ "$(saw request)" -ge "$1" ]
}

ask_server() {
	in_ns client "$HERE/slow.py" ask "$1" 8081 4 20 64 keep >/dev/null
}

# ask_slowly TEXT ADDRESS: against a target that takes 30 ms for each answer.
ask_slowly() {
	local text=$1
	: >"$LAB_DIR/slow.txt"
	try "$text: no error for the clients" ask_server "$2"
	wait_for 10 saw_requests 80 || true
	is "$text: requests at the target" "$(saw request)" 80
	is "$text: that came early" "$(saw early)" 0
}

# One socket of the target's server serves both families: IPv4's connections are IPv6 sockets.
dual_stack() {
	lab_spawn online "$LAB_DIR/fast.txt" "$HERE/slow.py" serve 8081 0 300
	lab_spawn target "$LAB_DIR/slow.txt" "$HERE/slow.py" serve 8081 30 300
	wait_for 5 lab_listening online 8081 || lab_die "$(cat "$LAB_DIR/fast.txt")"
	wait_for 5 lab_listening target 8081 || lab_die "$(cat "$LAB_DIR/slow.txt")"
	daemons_up
	ask target intercept eth0 --port 8081 --engine "$ENGINE"
	ask online attach eth0 --to "[$TARGET_IP]:8081,$V4_TARGET:8081"
	wait_for 5 copying || lab_die "copying does not begin: $(ctl online status)"
	wait_for 5 both_ready || not_ok "both families are ready: $(ctl online status)"
	ask_slowly "slow target, IPv6" "$ONLINE_IP"
	ask_slowly "slow target, IPv4 client of a [::] listener" "$V4_ONLINE"
	lab_spawn client "$LAB_DIR/idle.txt" python3 -c "
import socket, time
held = [socket.create_connection((a, 8081)) for a in ('$ONLINE_IP', '$V4_ONLINE')]
for s in held: s.sendall(b'r\n'); s.recv(300)
time.sleep(20)"
	try "idle connections of both families" wait_for 5 connections_are 2
	LEAK_EXCEPT="dst host $V4_ONLINE" # the link of the IPv4 target
	leak_start
	LEAK_EXCEPT=
	try "release" ask target release eth0
	is "release ends them" "$(in_ns target ss -Htn state established 'sport = :8081' | wc -l)" 0
	leak_end "release with idle connections of both families"
	lab_stop "$LAST_PID" || true
	copy_down
}

connections_are() {
	[ "$(in_ns target ss -Htn state established 'sport = :8081' | wc -l)" -ge "$1" ]
}

both_ready() {
	[ "$(ctl_json online '[.result.online[0].targets[].state] | unique | join(",")' status)" = copying ]
}

# An address of --listen is taken literally; the link's own address may differ from the target's.
listening() {
	daemons_up
	ask target intercept eth0 --port "$PORT" --listen "[$TARGET_IP]:9999"
	is "--listen [v6]: where it listens" \
		"$(in_ns target ss -Hltn 'sport = :9999' | awk '{ print $4 }')" "[$TARGET_IP]:9999"
	ATTACH=(--feedback "[$TARGET_IP]:9999")
	attach
	ATTACH=()
	try "--feedback [v6]: copying" wait_for 5 copying
	daemon_stop target
	lab_daemon target
	ask target intercept eth0 --port "$PORT" --listen "0.0.0.0:9999"
	is "--listen 0.0.0.0: where it listens" \
		"$(in_ns target ss -Hltn 'sport = :9999' | awk '{ print $4 }')" "0.0.0.0:9999"
	copy_down
}

# One host without ip6tables: its programs are links, so leaving some out is easy.
without_ip6tables() {
	local bin=$LAB_DIR/bin name
	mkdir "$bin"
	for name in iptables iptables-save iptables-restore; do
		ln -s "$(readlink -f "$(command -v "$name")")" "$bin/$name"
	done
	requests_reset
	DAEMON_ENV=("TCPCOPY_IPTABLES=$bin/iptables")
	daemons_up
	DAEMON_ENV=()
	is "no ip6tables: intercept says so" \
		"$(ctl target intercept eth0 --port "$PORT" --engine "$ENGINE" | grep -c 'IPv6 is left alone')" 1
	is "no ip6tables: status says why" \
		"$(ctl_json target '.result.target[0].ipv6' status | grep -c 'not installed')" 1
	attach
	try "no ip6tables: an IPv6 target is not copied to, and status says why" \
		wait_for 5 reason_is 'IPv4 only'
	is "no ip6tables: IPv6 clients use the target" "$(fetch "$TARGET_IP" /m/own)" 200
	is "no ip6tables: nothing was copied" "$(fetch "$ONLINE_IP" /m/v6)" 200
	ask online detach eth0
	ask online attach eth0 --to "$V4_TARGET:$PORT"
	try "no ip6tables: IPv4 is copied" wait_for 5 copying
	is "no ip6tables: an IPv4 request" "$(fetch "$V4_ONLINE" /m/v4)" 200
	try "no ip6tables: reaches the target" wait_for 5 seen target /m/v4
	is "no ip6tables: the IPv6 request does not" "$(requests_match ' /m/v6 ' target)" 0
	copy_down
}

reason_is() {
	ctl_json online '.result.online[0].reason' status | grep -q -- "$1"
}

lab_up
lab_nginx online
lab_nginx target
loads
adopted
allowed
icmp_inside
ends
dual_stack
listening
without_ip6tables
[ "$TAP_FAILED" -eq 0 ] || note "engine $ENGINE"
tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# doctor: what is well is not complained of; each of many faults is planted, found under its name,
# mended by the very command that doctor prints, and then no more found. The live probe tells a
# network that drops foreign sources from one that drops everything. And `intercept` asks before it
# cuts clients off.
# mostly waits, 34 s
set -euo pipefail
LAB_V6=1 # both families, beside each other
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"
# shellcheck source=tests/harness/router.sh
. "$(dirname "$0")/../harness/router.sh"

FAR=198.19.77 # clients whose network lies behind the client host

# findings HOST FILTER: of a run there.
findings() {
	local host=$1 filter=$2
	shift 2
	ctl "$host" --json doctor "$@" | jq -r ".result.findings[] | $filter" || true
}

# level HOST CHECK [TEXT]: the worst level under this name whose detail has the text.
level() {
	findings "$1" "select(.check == \"$2\") | .level + \" \" + .detail" |
		grep -F -- "${3:-}" | head -n 1 | cut -d ' ' -f 1
}

level_is() {
	[ "$(level "$1" "$2" "${4:-}")" = "$3" ]
}

# mended HOST CHECK [TEXT]: no complaint any more.
mended() {
	case $(level "$1" "$2" "${3:-}") in
	warn | fail) return 1 ;;
	esac
}

complaints() {
	findings "$1" 'select(.level != "ok") | .level + ": " + .check + ": " + .detail'
}

# run_fix HOST CHECK [TEXT]: type what doctor says, there or (# there) on the target host.
run_fix() {
	local host=$1 fix
	fix=$(findings "$host" \
		"select(.check == \"$2\" and .level != \"ok\") | .detail + \"\\t\" + .fix" |
		grep -F -- "${3:-}" | head -n 1 | cut -f 2)
	note "$2: $fix"
	[[ $fix != *'# there'* ]] || host=target
	in_ns "$host" env PATH="$LAB_DIR/bin-$host:$PATH" sh -c "${fix//IFACE/eth0}" >/dev/null
}

# fault TEXT HOST CHECK LEVEL [DETAIL]: planted just now: found, mended, gone.
fault() {
	local text=$1 host=$2 check=$3 detail=${5:-}
	try "$text: found as $4: $check" wait_for 5 level_is "$host" "$check" "$4" "$detail"
	try "$text: the fix runs" run_fix "$host" "$check" "$detail"
	try "$text: is gone then" wait_for 5 mended "$host" "$check" "$detail"
}

# noticed TEXT HOST CHECK LEVEL [DETAIL]: for what no single command mends.
noticed() {
	try "$1: found as $4: $3" wait_for 5 level_is "$2" "$3" "$4" "${5:-}"
}

# commands: tcpcopyctl as the administrator of each host types it.
commands() {
	local host
	for host in online target; do
		mkdir -p "$LAB_DIR/bin-$host"
		printf '#!/bin/sh\nexec "%s" --run-dir "%s" "$@"\n' "$TCPC_BUILD/tcpcopyctl" \
			"$(run_dir "$host")" >"$LAB_DIR/bin-$host/tcpcopyctl"
		chmod +x "$LAB_DIR/bin-$host/tcpcopyctl"
	done
}

make_key() {
	(umask 077 && od -An -tx1 -N32 /dev/urandom | tr -d ' \n' >"$1")
}

target_of() {
	lab_host_port "$1" "$PORT"
}

# attach_both: one target of each family.
attach_both() {
	ask online attach eth0 --to "$(target_of "$1"),$(target_of "$2")"
	wait_for 5 copying || lab_die "copying does not begin: $(ctl online status)"
}

# From a client in a network that the target host may know nothing of.
far_fetch() {
	fetch "$ONLINE_IP" "$1" --interface "$FAR.1"
}

far_arrives() {
	is "$1: the online host answers" "$(far_fetch "$2")" 200
	try "$1: the target is asked too" wait_for 5 seen target "$2"
}

well() {
	fetch "$ONLINE_IP" /m/first >/dev/null
	fetch "$(lab_addr 2 6)" /m/first6 -g >/dev/null
	wait_for 5 seen target /m/first6 || true
	is "all is well: complaints online" "$(complaints online)" ""
	is "all is well: complaints at the target" "$(complaints target)" ""
	is "all is well: exit status" "$(ctl target doctor >/dev/null && echo 0 || echo 1)" 0
	is "all is well: probes that came back" \
		"$(findings online 'select(.check == "probe" and .level == "ok") | .detail' |
			grep -c 'receipt after')" 4
	is "the probes: nothing reached the application" \
		"$(requests_match . target)" "$(requests_match . online)"
	is "the probes: connections left" \
		"$(in_ns target ss -Hant "sport = :$PORT" | grep -vc LISTEN || true)" 0
}

ways() {
	ip -n "$LAB_ID-client" addr add "$FAR.1/32" dev lo
	ip -n "$LAB_ID-online" route add "$FAR.0/24" via "$CLIENT_IP"
	is "no route to clients: the online host answers" "$(far_fetch /m/lost)" 200
	fault "no route to clients" target "route to clients" fail "$FAR.1"
	# With engine tc answers come as far as the interface: somebody has to take them.
	if [ "$ENGINE" = tc ]; then
		ip -n "$LAB_ID-target" route replace default via "$(lab_addr 99)" dev eth0
		far_fetch /m/lost1 >/dev/null
		noticed "nobody on the way back" target "neighbour of clients" fail "$FAR.1"
		ip -n "$LAB_ID-target" route replace default dev eth0
	fi
	far_arrives "a route to clients" /m/far1
	ip -n "$LAB_ID-target" link add wrong0 type veth peer name wrong1
	ip -n "$LAB_ID-target" link set wrong1 up
	ip -n "$LAB_ID-target" link set wrong0 up
	ip -n "$LAB_ID-target" route add "$FAR.0/24" dev wrong0
	in_ns target sysctl -qw net.ipv4.conf.eth0.rp_filter=1
	far_fetch /m/lost2 >/dev/null
	noticed "strict reverse-path filter: the probe" online probe fail "did not answer"
	try "strict reverse-path filter: the kernel's own count" \
		level_is target IPReversePathFilter warn
	fault "strict reverse-path filter" target "reverse-path filter" fail "$FAR.1"
	ip -n "$LAB_ID-target" link del wrong0
	far_arrives "a loose reverse-path filter" /m/far2
}

firewall() {
	in_ns target iptables -A INPUT -p tcp --dport "$FEEDBACK_PORT" -j ACCEPT
	in_ns target iptables -P INPUT DROP
	noticed "INPUT drops copies: the probe" online probe fail "did not answer"
	fault "INPUT drops copies" target firewall fail "copies of port"
	in_ns target iptables -P INPUT ACCEPT
	in_ns target iptables -F INPUT
	if [ "$ENGINE" = nfqueue ]; then
		in_ns target iptables -A INPUT -i lo -j DROP
		fault "INPUT drops what comes in by lo" target firewall fail "by lo"
		in_ns target iptables -F INPUT
	fi
	in_ns target iptables -I OUTPUT -p tcp -j ACCEPT
	fault "a rule in front of ours" target "our rule" fail "in front of it"
	in_ns target iptables -D OUTPUT -p tcp -j ACCEPT
	wait_for 5 copying || not_ok "copying goes on"
	in_ns target iptables -t nat -A PREROUTING -p tcp --dport "$PORT" \
		-j DNAT --to "$TARGET_IP:9"
	noticed "a forwarded port" target "address translation" fail
	in_ns target iptables -t nat -F PREROUTING
	if in_ns target iptables-legacy -A INPUT -p tcp --dport 1 -j ACCEPT 2>/dev/null; then
		fault "both kinds of iptables" target iptables warn "legacy tables"
		in_ns target iptables -F INPUT
	else
		skip "both kinds of iptables: this kernel has no legacy tables"
	fi
}

settings() {
	local now
	now=$(in_ns target sysctl -n net.ipv4.tcp_rmem)
	in_ns target sysctl -qw net.ipv4.tcp_rmem='4096 16384 32768'
	fault "small receive buffers" target tcp_rmem warn
	in_ns target sysctl -qw net.ipv4.tcp_rmem="$now"
	in_ns target sysctl -qw net.ipv4.tcp_max_syn_backlog=16
	fault "few half-open connections" target tcp_max_syn_backlog warn
	try "nothing copied" ask online filter set eth0 --percent 0
	fault "a filter that leaves nothing" online filter warn
	ip -n "$LAB_ID-online" route add "$TARGET_IP" dev eth0 mtu 1400
	fault "a narrow way" online MTU warn "$TARGET_IP"
	ip -n "$LAB_ID-online" route del "$TARGET_IP"
}

ask_second() {
	in_ns online "$TCPC_BUILD/tcpcopyctl" --run-dir "$LAB_DIR/run-second" "$@" \
		>/dev/null 2>"$LAB_DIR/stderr"
}

# Another daemon goes in front of ours on the same interface.
in_front() {
	local pid
	lab_spawn online "$LAB_DIR/daemon-second.log" "$TCPC_BUILD/tcpcopyd" \
		--run-dir "$LAB_DIR/run-second" --bpffs "$LAB_DIR/bpf/second" "${LAB_AUTH[@]}"
	pid=$LAST_PID
	wait_for 5 ask_second status || lab_die "the second daemon does not answer"
	try "a program in front of ours: attach" ask_second attach eth0 \
		--to "$(target_of "$TARGET_IP")" --percent 0
	if [ "$(ctl_json online '.result.online[0].hook' status)" = tcx ]; then
		noticed "a program in front of ours" online "TC programs" warn "bpftool prog show id"
	else
		skip "a program in front of ours: this kernel has no TCX"
	fi
	lab_stop "$pid" || true
	try "a program in front of ours: is gone" mended online "TC programs"
}

service() {
	lab_stop "$TARGET_NGINX" || true
	noticed "no listener" target listener fail
	noticed "no listener: the probe" online probe fail "nobody listens"
	in_ns target sysctl -qw net.core.somaxconn=16
	lab_nginx target
	TARGET_NGINX=$LAST_PID
	try "a listener" mended target listener
	fault_restart
}

# The fix takes effect when the service starts anew.
fault_restart() {
	noticed "a small backlog" target backlog warn somaxconn
	try "a small backlog: the fix runs" run_fix target backlog
	lab_stop "$TARGET_NGINX" || true
	lab_nginx target
	TARGET_NGINX=$LAST_PID
	try "a small backlog: is gone then" mended target backlog
}

links() {
	ask target release eth0
	fault "not intercepted" online "feedback link" fail "$TARGET_IP"
	# --engine is not what an online host can know.
	[ "$ENGINE" = nfqueue ] || ask target intercept eth0 --port "$PORT" --engine tc
	try "intercepted again: copying" wait_for 5 copying
	ip -n "$LAB_ID-online" route del "$LAB_NET.0/24"
	fault "no route to the target" online route fail "$TARGET_IP"
	ip -n "$LAB_ID-online" route del "$TARGET_IP"
	ip -n "$LAB_ID-online" route add "$LAB_NET.0/24" dev eth0
	ip -n "$LAB_ID-target" link set eth0 down
	ip -n "$LAB_ID-online" neigh flush dev eth0
	noticed "the target is not there" online neighbour fail "$TARGET_IP"
	fault "the target is not there" target interface fail
	try "the target is there again: copying" wait_for 10 copying
	daemon_stop target || true
	make_key "$LAB_DIR/other"
	LAB_AUTH=(--key "$LAB_DIR/other")
	lab_daemon target
	intercept
	noticed "another key" online key fail
	LAB_AUTH=(--key "$LAB_DIR/key")
}

# The network between the hosts, seen by the probe alone.
network() {
	local v tool
	daemon_stop online || true
	daemon_stop target || true
	lab_down
	lab_up
	router_up
	commands
	LAB_AUTH=(--insecure)
	lab_nginx online
	lab_nginx target
	daemons_up
	intercept
	attach_both "$(far_addr 3 4)" "$(far_addr 3 6)"
	try "a router: both probes of both families come back" wait_for 5 probes_back 4
	for v in 4 6; do
		tool=iptables
		[ "$v" = 4 ] || tool=ip6tables
		in_ns router "$tool" -A FORWARD -p tcp --dport "$PORT" -s "$(lab_addr 2 "$v")" \
			-j ACCEPT
		in_ns router "$tool" -A FORWARD -p tcp --dport "$PORT" -j DROP
		noticed "IPv$v, foreign sources are dropped" online "foreign sources" fail \
			"$(far_addr 3 "$v")"
		is "IPv$v, foreign sources are dropped: our own arrive" \
			"$(level online probe "$(target_of "$(far_addr 3 "$v")")")" ok
		in_ns router "$tool" -D FORWARD 1
		noticed "IPv$v, everything is dropped" online probe fail \
			"$(target_of "$(far_addr 3 "$v")")"
		try "IPv$v, everything is dropped: foreign sources are not blamed" \
			mended online "foreign sources"
		in_ns router "$tool" -F FORWARD
	done
	try "the router lets all through: the probes come back" wait_for 5 probes_back 4
	is "the probes: nothing reached the application" "$(requests target)" 0
}

probes_back() {
	[ "$(findings online 'select(.check == "probe" and .level == "ok") | .detail' |
		grep -c 'receipt after')" = "$1" ]
}

# Clients that use the port when `intercept` comes.
clients() {
	local status=0
	lab_spawn client "$LAB_DIR/stay.log" bash -c \
		"exec 3<>/dev/tcp/$(lab_addr 3 4)/$PORT; echo ready; read -r -u 3"
	wait_for 5 grep -q ready "$LAB_DIR/stay.log" || lab_die "the client does not connect"
	intercept 2>"$LAB_DIR/stderr" || status=$?
	is "a client is there: exit status of intercept" "$status" 1
	is "a client is there: lines on stderr" "$(wc -l <"$LAB_DIR/stderr")" 1
	try "a client is there: it is named: $(cat "$LAB_DIR/stderr")" \
		grep -q "1 connections.*$(lab_addr 1 4):.*allow add.*--force" "$LAB_DIR/stderr"
	is "a client is there: intercepted" "$(ctl_json target '.result.target | length' status)" 0
	ask target allow add "$(lab_addr 1 4)/32"
	try "a client is allowed: intercept" intercept
	ask target release eth0
	ask target allow del "$(lab_addr 1 4)/32"
	try "a client is there: intercept --force" ask target intercept eth0 --port "$PORT" \
		--engine "$ENGINE" --force
	ask target release eth0
	lab_stop "$LAST_PID" || true
}

lab_up
commands
make_key "$LAB_DIR/key"
LAB_AUTH=(--key "$LAB_DIR/key")
lab_nginx online
lab_nginx target
TARGET_NGINX=$LAST_PID
daemons_up
clients
intercept
attach_both "$TARGET_IP" "$(lab_addr 3 6)"
well
ways
firewall
settings
in_front
service
links
network
tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# States and options of TCP, each with a server whose log must be the same on both hosts: what
# clients negotiate, how they open and close, what a target drops or has in the way.
# mostly waits
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

declare -A SERVER_PID
FIXED_PORT=22000 # below what the kernel gives to clients by itself

# server HOST [OPTIONS]: a states_server.py there, its log begun anew.
server() {
	local host=$1
	shift
	lab_spawn "$host" "$LAB_DIR/server-$host.out" "$LAB_HERE/../e2e/states_server.py" "$PORT" \
		"$LAB_DIR/lines-$host.log" "$@"
	SERVER_PID[$host]=$LAST_PID
	wait_for 5 listeners "$host" 1 ||
		lab_die "states_server.py in $host: $(tail -n 1 "$LAB_DIR/server-$host.out")"
}

listeners() {
	[ "$(in_ns "$1" ss -Hltn "sport = :$PORT" | wc -l)" -ge "$2" ]
}

server_end() {
	lab_stop "${SERVER_PID[$1]}" KILL 5 || true
}

# servers_anew ONLINE-OPTIONS -- TARGET-OPTIONS
servers_anew() {
	local online=()
	while [ "$1" != -- ]; do
		online+=("$1")
		shift
	done
	shift
	server_end online
	server_end target
	server online "${online[@]}"
	server target "$@"
}

client() {
	in_ns client "$LAB_HERE/../e2e/states_client.py" "$ONLINE_IP" "$PORT" "$@"
}

# client_later FIFO-NAME NAME CASE ...: in the background up to "ready"; CLIENT_PID.
client_later() {
	local fifo=$LAB_DIR/$1.fifo log=$LAB_DIR/client-$1.log name=$2 what=$3
	shift 3
	mkfifo "$fifo"
	lab_spawn client "$log" "$LAB_HERE/../e2e/states_client.py" "$ONLINE_IP" "$PORT" "$name" \
		"$what" "$fifo" "$@"
	CLIENT_PID=$LAST_PID
	wait_for 5 grep -q ready "$log" || lab_die "client: $(tail -n 1 "$log")"
}

lines() {
	grep -ac -- "$2" "$LAB_DIR/lines-$1.log" || true
}

counter() {
	ctl_json target ".result.target.$1" stats
}

held_counter() {
	ctl_json target ".result.hold.$1" stats
}

tcp_counter() {
	in_ns "$1" nstat -asz "$2" | awk -v name="$2" '$1 == name { print $2 }'
}

# sorted HOST PATTERN: a connection's lines keep their order, connections are sorted.
sorted() {
	grep -a -- "$2" "$LAB_DIR/lines-$1.log" | sort -s -k 1,1 || true
}

same_lines() {
	[ -n "$(sorted online "$1")" ] && [ "$(sorted online "$1")" = "$(sorted target "$1")" ]
}

# same TEXT PATTERN COUNT: COUNT lines match on both hosts, and they are the same.
same() {
	wait_for 12 same_lines "$2" || true
	is "$1: lines at the online host" "$(lines online "$2")" "$3"
	if same_lines "$2"; then
		ok "$1: the target has the same"
	else
		not_ok "$1: the target has $(lines target "$2") of $(lines online "$2") lines, or others"
		diff <(sorted online "$2") <(sorted target "$2") | head -n 5 | sed 's/^/#   /' || true
	fi
}

up() {
	daemons_up
	ask target intercept eth0 --port "$PORT" --engine "$ENGINE" "$@" || lab_die "intercept failed"
	attach || lab_die "attach failed"
	wait_for 5 copying || lab_die "copying does not begin: $(ctl online status)"
}

setting() {
	in_ns "$1" sysctl -qw "$2" || lab_die "no $2"
}

# at_target STATE: sockets of the fixed port in that state (ss's names) there.
at_target() {
	[ "$(in_ns target ss -Htan state "$1" "dport = :$FIXED_PORT" | wc -l)" -ge 1 ]
}

none_left() {
	[ -z "$(in_ns target ss -Htan state connected exclude time-wait "sport = :$PORT" |
		grep -v "$LAB_NET.1.*:$FEEDBACK_PORT" || true)" ]
}

# ---- what clients negotiate -------------------------------------------------------------------

options() {
	local stamps sack
	for stamps in 0 1; do
		for sack in 0 1; do
			setting client net.ipv4.tcp_timestamps=$stamps
			setting client net.ipv4.tcp_sack=$sack
			client "opt$stamps$sack" many 10 20000
			same "timestamps $stamps, SACK $sack" "^opt$stamps$sack-.* ask" 20
		done
	done
}

scales() {
	local shift
	setting client net.ipv4.tcp_window_scaling=0
	client "noscale" many 3 200000
	same "no window scale" "^noscale-.* ask" 6
	setting client net.ipv4.tcp_window_scaling=1
	for shift in $(seq 0 14); do
		client "scale-$shift" scale "$shift" || not_ok "window scale $shift: the client"
	done
	same "window scales 0 to 14" "^scale-.* ask" 30
}

multipath() {
	servers_anew --mptcp -- --mptcp
	client mptcp mptcp 10
	same "MPTCP" "^mptcp-.* ask" 20
	compare "MPTCP: taken by the online host" "$(tcp_counter online MPTcpExtMPCapableSYNRX)" ">=" 10
	is "MPTCP: offered to the target" "$(tcp_counter target MPTcpExtMPCapableSYNRX)" 0
	servers_anew --
}

congestion_marks() {
	setting client net.ipv4.tcp_ecn=1
	setting target net.ipv4.tcp_ecn=1
	client_later ecn ecn later
	is "ECN: negotiated online" "$(in_ns online ss -Htino "sport = :$PORT" | grep -cw ecn || true)" 1
	is "ECN: negotiated with the target" \
		"$(in_ns target ss -Htino "sport = :$PORT" | grep -cw ecn || true)" 0
	echo >"$LAB_DIR/ecn.fifo"
	try "ECN: the client" lab_wait "$CLIENT_PID"
	same "ECN" "^ecn ask" 3
	setting client net.ipv4.tcp_ecn=2
	setting target net.ipv4.tcp_ecn=2
}

signatures() {
	local before
	servers_anew --md5 "$LAB_NET.105" --
	before=$(counter md5)
	client md5 signed "$LAB_NET.105" || not_ok "MD5: the client"
	is "MD5: requests online" "$(lines online '^md5 ask')" 3
	compare "MD5: packets refused" "$(($(counter md5) - before))" ">=" 4
	is "MD5: requests at the target" "$(lines target '^md5 ask')" 0
	is "MD5: connections at the target" \
		"$(in_ns target ss -Htan "dst $LAB_NET.105" | wc -l)" 0
	servers_anew --
}

# ---- data that comes in unusual ways ----------------------------------------------------------

fast_open() {
	setting client net.ipv4.tcp_fastopen=5
	local before
	setting online net.ipv4.tcp_fastopen=1538 # for all listeners from now on, without cookies
	server_end online
	server online
	before=$(tcp_counter online TcpExtTCPFastOpenPassive)
	client "$1" fastopen 20
	compare "$2: data that the online host took with the SYN" \
		"$(($(tcp_counter online TcpExtTCPFastOpenPassive) - before))" ">=" 20
	same "$2" "^$1-.* ask" 60
	compare "$2: SYNs with data" "$(counter syn_data)" ">=" 20
}

odd_data() {
	client urgent urgent
	same "urgent data" "^urgent ask" 3
	client window window_probe 5
	same "zero-window probes" "^window ask" 5
}

# A probe is no request: what follows is not taken for the next one, and nothing waits for it.
keep_alive() {
	local before
	before=$(counter exchanges)
	client alive probe 10
	same "keep-alive probes" "^alive ask" 10
	is "keep-alive probes: exchanges begun" "$(($(counter exchanges) - before))" 10
}

closing() {
	client half half 5
	same "half close" "^half-" 10
	client both both 50
	same "close on both sides at once" "^both-" 50
	try "close: nothing is left at the target" wait_for 3 none_left
}

# ---- what the target's listener does ----------------------------------------------------------

cookies() {
	local before
	setting target net.ipv4.tcp_syncookies=2
	before=$(tcp_counter target TcpExtSyncookiesRecv)
	client cookie many 200
	same "SYN cookies" "^cookie-.* ask" 400
	compare "SYN cookies: taken back" "$(($(tcp_counter target TcpExtSyncookiesRecv) - before))" \
		">=" 200
	# With engine tc the cookie is back before anything else can come.
	[ "$ENGINE" = tc ] ||
		compare "SYN cookies: packets that had to wait" "$(counter held_early)" ">" 0
	fast_open cookieopen "SYN cookies and fast open"
	setting target net.ipv4.tcp_syncookies=1
}

early_ones() {
	[ "$(counter held_early)" -gt "$1" ]
}

dropped_ones() {
	[ "$(tcp_counter target TcpExtListenOverflows)" -gt "$1" ]
}

# The target's server accepts nothing for a while.
full_queue() {
	local cookies=$1 before overflows
	setting target net.ipv4.tcp_syncookies="$cookies"
	servers_anew -- --backlog 5
	before=$(counter reopened)
	overflows=$(tcp_counter target TcpExtListenOverflows)
	kill -STOP "${SERVER_PID[target]}"
	client "full$cookies" many 60
	try "full accept queue, cookies $cookies: SYNs dropped" wait_for 2 dropped_ones "$overflows"
	is "full accept queue: at the target meanwhile" "$(lines target "^full$cookies-")" 0
	kill -CONT "${SERVER_PID[target]}"
	same "full accept queue, cookies $cookies" "^full$cookies-.* ask" 120
	compare "full accept queue: opened again" "$(($(counter reopened) - before))" ">" 0
	is "full accept queue: given up" "$(held_counter lost)" 0
	setting target net.ipv4.tcp_syncookies=1
	servers_anew --
}

reuse_port() {
	local i
	servers_anew -- --reuseport
	for i in 2 3 4; do
		lab_spawn target "$LAB_DIR/server-$i.out" "$LAB_HERE/../e2e/states_server.py" "$PORT" \
			"$LAB_DIR/lines-target.log" --reuseport
		SERVER_PID[$i]=$LAST_PID
	done
	wait_for 5 listeners target 4 || lab_die "four listeners do not come up"
	setting target net.ipv4.tcp_syncookies=2
	client reuse many 200
	same "four listeners of one port" "^reuse-.* ask" 400
	setting target net.ipv4.tcp_syncookies=1
	for i in 2 3 4; do
		server_end "$i"
	done
	servers_anew --
}

target_rule() {
	in_ns target iptables -w "$@"
}

# invalid CHAIN: packets that the target's connection tracking could make nothing of.
invalid() {
	in_ns target iptables -w -nvxL "$1" | awk '/INVALID/ { n += $1 } END { print n + 0 }'
}

tracking() {
	target_rule -A INPUT -m conntrack --ctstate INVALID -j DROP
	target_rule -A INPUT -p tcp --dport "$FEEDBACK_PORT" -j ACCEPT
	target_rule -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
	target_rule -A INPUT -p tcp --dport "$PORT" -m conntrack --ctstate NEW -j ACCEPT
	target_rule -A INPUT -j DROP
	target_rule -A OUTPUT -m conntrack --ctstate INVALID -j DROP
	client tracked many 50 300
	client tracked-large many 10 300000
	client tracked-half half 5
	client tracked-ports ports "$FIXED_PORT" 5
	same "connection tracking" "^tracked-[0-9]* ask" 100
	same "connection tracking, large answers" "^tracked-large-.* ask" 20
	same "connection tracking, half close" "^tracked-half-.* late" 5
	same "connection tracking, one port" "^tracked-ports-.* bye" 5
	is "connection tracking: invalid, in and out" "$(invalid INPUT) $(invalid OUTPUT)" "0 0"
	target_rule -F INPUT
	target_rule -D OUTPUT -m conntrack --ctstate INVALID -j DROP
}

# ---- old connections --------------------------------------------------------------------------

time_wait() {
	local host
	for host in client online target; do
		setting "$host" net.ipv4.tcp_tw_reuse=1
	done
	client wait ports "$FIXED_PORT" 30
	same "TIME_WAIT, one port 30 times" "^wait-.* bye" 30
}

# in_the_way TEXT STATE NAME: such a socket is there; a new connection from its port makes it go.
in_the_way() {
	local before
	before=$(counter old_ended)
	try "$1: is in the way" wait_for 3 at_target "$2"
	client "$3" port_once "$FIXED_PORT" reset
	same "$1" "^$3 ask" 1
	compare "$1: ended" "$(($(counter old_ended) - before))" ">=" 1
}

no_fins() {
	target_rule "$1" OUTPUT -p tcp --sport "$PORT" --tcp-flags FIN FIN -j DROP
}

old_states() {
	servers_anew -- --deaf
	client old1 port_once "$FIXED_PORT" close
	in_the_way "CLOSE_WAIT" close-wait new1
	servers_anew --
	no_fins -I
	client old2 port_once "$FIXED_PORT" close
	in_the_way "LAST_ACK" last-ack new2
	ask online detach eth0
	client gap port_once "$FIXED_PORT" reset
	attach && wait_for 5 copying
	no_fins -D
	servers_anew -- --idle 0.2
	client_later finwait old3 later
	try "FIN_WAIT_2 comes" wait_for 3 waits_for_fin
	echo >"$LAB_DIR/finwait.fifo"
	try "data for FIN_WAIT_2: the client" lab_wait "$CLIENT_PID"
	same "data for a connection that the target closed when idle" "^old3 ask" 3
	servers_anew --
}

waits_for_fin() {
	[ "$(in_ns target ss -Htan state fin-wait-2 "sport = :$PORT" | wc -l)" -ge 1 ]
}

# The target's server is started anew: it knows nothing of a connection that its client still uses.
# A probe before the next request does not keep that from being taken up.
half_open() {
	client_later restart again later 2
	server_end target
	server target
	echo >"$LAB_DIR/restart.fifo"
	try "target started anew: the client" lab_wait "$CLIENT_PID"
	same "target started anew" "^again ask" 3
}

lab_up
: >"$LAB_DIR/lines-online.log"
: >"$LAB_DIR/lines-target.log"
setting client net.ipv4.tcp_syn_retries=2
server online
server target
leak_start
up --adopt any
CASES=(options scales multipath congestion_marks signatures odd_data keep_alive closing
	"fast_open open fast-open" cookies "full_queue 1" "full_queue 2" reuse_port tracking time_wait
	old_states half_open)
for case in "${CASES[@]}"; do
	if [ $# -gt 0 ] && ! [[ " $* " == *" ${case%% *} "* ]]; then
		continue
	fi
	began=$(now_us)
	# shellcheck disable=SC2086
	$case
	note "$case: $((($(now_us) - began) / 1000)) ms"
done
[ "$TAP_FAILED" -eq 0 ] || show_counters
copy_down
leak_end "all of it"
tap_done

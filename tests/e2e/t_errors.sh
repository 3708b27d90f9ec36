#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Invariant 7: bad input gets one clear line and exit status 1 (failed) or 2 (bad usage), and
# changes nothing: neither what `status` says nor what the kernel holds.
# mostly waits
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

ERR=
declare -A BEFORE

# state HOST: what the daemon says and what the kernel holds there. Times pass by themselves.
state() {
	ctl "$1" --json status 2>&1 |
		jq -RS '(fromjson? // .) | del(.. | objects | .uptime_s?, .hosts?, .rss_bytes?)' || true
	ctl "$1" --json allow list 2>&1 || true
	kernel_state "$1"
}

remember() {
	BEFORE[$1]=$(state "$1")
}

# changes HOST STATE: what is new or gone, on one line.
changes() {
	diff <(echo "${BEFORE[$1]}") <(echo "$2") | grep '^[<>]' | head -n 3 | tr '\n' ' ' || true
}

# judge TEXT HOST STATUS WANTED REGEX: what the command just run did. $ERR holds its stderr.
judge() {
	local text=$1 host=$2 status=$3 wanted=$4 regex=$5 after wrong=
	after=$(state "$host")
	[ "$status" = "$wanted" ] || wrong+=" exit status $status, expected $wanted;"
	[ "$(wc -l <"$ERR")" = 1 ] || wrong+=" $(wc -l <"$ERR") lines on stderr;"
	grep -Eiq -- "$regex" "$ERR" || wrong+=" does not mention /$regex/;"
	[ "$after" = "${BEFORE[$host]}" ] || wrong+=" changed: $(changes "$host" "$after");"
	if [ -z "$wrong" ]; then
		ok "$text: $(head -n 1 "$ERR")"
	else
		not_ok "$text:$wrong said: $(head -c 300 "$ERR")"
	fi
	BEFORE[$host]=$after
}

# fails HOST STATUS REGEX COMMAND...: tcpcopyctl with these words fails like that.
fails() {
	local host=$1 wanted=$2 regex=$3 status=0
	shift 3
	ctl "$host" "$@" >/dev/null 2>"$ERR" || status=$?
	judge "$*" "$host" "$status" "$wanted" "$regex"
}

# daemon_fails HOST TEXT STATUS REGEX COMMAND...: a daemon that does not start, and says why. What
# it logs besides, that it starts and stops, is none of the error.
daemon_fails() {
	local host=$1 text=$2 wanted=$3 regex=$4 status=0
	shift 4
	in_ns "$host" timeout 5 "$@" >/dev/null 2>"$LAB_DIR/daemon-out" || status=$?
	grep -Ev ' (info|debug)  ?' "$LAB_DIR/daemon-out" >"$ERR" || true
	judge "daemon: $text" "$host" "$status" "$wanted" "$regex"
}

usage() {
	fails online 2 'frobnicate' frobnicate
	fails online 2 'frobnicate' attach eth1 --to "$TARGET_IP:80" --frobnicate 1
	fails online 2 -- attach eth1
	fails online 2 'to' attach eth1 --to
	fails online 2 'interface|iface' attach --to "$TARGET_IP:80"
	fails online 2 'port' attach eth1 --to "$TARGET_IP:0"
	fails online 2 '65536' attach eth1 --to "$TARGET_IP:65536"
	fails online 2 '80x' attach eth1 --to "$TARGET_IP:80x"
	fails online 2 'port' attach eth1 --to "$TARGET_IP"
	fails online 2 'port' attach eth1 --to "$TARGET_IP:80" --port 0
	fails online 2 '65536' attach eth1 --to "$TARGET_IP:80" --port 65536
	fails online 2 '80x' attach eth1 --to "$TARGET_IP:80" --port 81,80x
	fails online 2 '198.18.300.1' attach eth1 --to 198.18.300.1:80
	fails online 2 '198.18.18' attach eth1 --to 198.18.18:80
	fails online 2 'no host' attach eth1 --to 0.0.0.0:80
	fails online 2 'no client' attach eth1 --to "$TARGET_IP:80" --source 0.0.0.0/0
	fails online 2 'two dashes' attach eth1 -to "$TARGET_IP:80"
	fails online 2 'before the command' status --json
	fails online 2 '2001:db8::g' attach eth1 --to '[2001:db8::g]:80'
	fails online 2 '101' attach eth1 --to "$TARGET_IP:80" --percent 101
	fails online 2 '/33' attach eth1 --to "$TARGET_IP:80" --client 198.18.0.0/33
	fails online 2 'force' attach eth1 --to "$TARGET_IP:80" --feedback none
	fails target 2 '/33' allow add 198.18.0.0/33
	fails target 2 '/129' allow add 2001:db8::/129
	fails target 2 '198.18.18.0/24' allow add 198.18.18.1/24
	fails target 2 'prefix|cidr|address' allow add
	fails target 2 'nonsense' allow add 198.18.1.0/24 nonsense
	fails target 2 '65536' intercept eth1 --port 65536
	fails target 2 'port' intercept eth1
	fails target 2 'strict' intercept eth1 --port 80 --order relaxed --hold 5
	fails target 2 'all' release
}

world() {
	fails online 1 'nosuch0' attach nosuch0 --to "$TARGET_IP:80"
	fails online 1 'down0.*(down|up)' attach down0 --to "$TARGET_IP:80"
	fails online 1 "$ONLINE_IP" attach eth1 --to "$ONLINE_IP:80"
	fails online 1 '127.0.0.1' attach eth1 --to 127.0.0.1:80
	fails online 1 'eth0' attach eth0 --to "$TARGET_IP:80"
	fails online 1 'eth1' detach eth1
	fails online 1 'eth1' target add eth1 "$TARGET_IP:81"
	fails online 1 'no such target' target del eth0 "$TARGET_IP:99"
	fails online 1 'last target' target del eth0 "$(lab_host_port "$TARGET_IP" "$PORT")"
	fails online 1 'eth0' release eth0
	fails target 1 'eth0' detach eth0
	fails target 1 'nosuch0' intercept nosuch0 --port 80
	fails target 1 'down0.*(down|up)' intercept down0 --port 80
	fails target 1 'eth0' intercept eth0 --port 80
	fails target 1 'eth1' release eth1
	fails target 1 '198.18.99.0/24' allow del 198.18.99.0/24
	peer target queue 77
	fails target 1 '77' intercept eth1 --port 80 --queue 77
	lab_stop "$PEER_PID" || true
}

# Where nothing is intercepted yet: the first intercept opens the feedback port and the rules.
first_intercept() {
	peer client port "$FEEDBACK_PORT"
	DAEMON_ENV=(TCPCOPY_IPTABLES=/nonexistent/iptables)
	lab_daemon client
	remember client
	fails client 1 "$FEEDBACK_PORT" intercept eth0 --port 80
	lab_stop "$PEER_PID" || true
	fails client 1 'iptables' intercept eth0 --port 80
	daemon_stop client || true
	DAEMON_ENV=(PATH=/nonexistent)
	lab_daemon client
	remember client
	fails client 1 'iptables' intercept eth0 --port 80
	daemon_stop client || true
	DAEMON_ENV=()
}

no_socket() {
	local bin=$LAB_DIR/bin status=0
	in_ns online "$TCPC_BUILD/tcpcopyctl" --run-dir "$LAB_DIR/nobody-there" status \
		>/dev/null 2>"$ERR" || status=$?
	judge "daemon not running" online "$status" 1 'tcpcopyd|daemon'
	# A copy: the way to the build directory may be closed to others.
	mkdir "$bin"
	cp "$TCPC_BUILD/tcpcopyctl" "$bin/"
	status=0
	in_ns online setpriv --reuid 65534 --regid 65534 --clear-groups "$bin/tcpcopyctl" \
		--run-dir "$(run_dir online)" status >/dev/null 2>"$ERR" || status=$?
	judge "control socket not permitted" online "$status" 1 'permi|root|sudo'
}

# What the daemon needs and does not find: it says so at its start, or when it is first asked to
# work.
daemon_start() {
	local run=$LAB_DIR/run-client conf=$LAB_DIR/bad.conf hide
	local daemon=("$TCPC_BUILD/tcpcopyd" --run-dir "$run" --bpffs "$(pins client)")
	remember client
	daemon_fails client "unknown option" 2 'frobnicate' "${daemon[@]}" --insecure --frobnicate
	daemon_fails client "neither --key nor --insecure" 1 'key' "${daemon[@]}"
	daemon_fails client "key file missing" 1 'nosuchkey' "${daemon[@]}" --key "$LAB_DIR/nosuchkey"
	printf '%064d' 1 >"$LAB_DIR/open-key"
	chmod 644 "$LAB_DIR/open-key"
	daemon_fails client "key file that others can read" 1 'open-key' \
		"${daemon[@]}" --key "$LAB_DIR/open-key"
	mkdir "$LAB_DIR/plain"
	daemon_fails client "bpf file system not mounted at --bpffs" 1 'mount -t bpf' \
		"$TCPC_BUILD/tcpcopyd" --run-dir "$run" --bpffs "$LAB_DIR/plain/pins" --insecure
	# shellcheck disable=SC2016
	hide='mount --bind "$0" /sys/kernel/btf && exec "$@"'
	daemon_fails client "no BTF" 1 'BTF' unshare -m sh -c "$hide" "$LAB_DIR/plain" \
		"${daemon[@]}" --insecure
	printf '# one\nintercept eth0 --port 8080\nallow add 198.18.0.0/33\n' >"$conf"
	daemon_fails client "config with an error in line 3" 1 'bad\.conf.*3.*/33' \
		"${daemon[@]}" --insecure --config "$conf"
	printf '# one\n\n\nintercept nosuch0 --port 8080\n' >"$conf"
	daemon_fails client "config with a command that fails in line 4" 1 'bad\.conf.*4.*nosuch0' \
		"${daemon[@]}" --insecure --config "$conf"
	daemon_fails client "config file missing" 1 'nosuchconf' \
		"${daemon[@]}" --insecure --config "$LAB_DIR/nosuchconf"
	remember online
	daemon_fails online "another one runs already" 1 'another' "$TCPC_BUILD/tcpcopyd" \
		--run-dir "$(run_dir online)" --bpffs "$(pins online)" --insecure
	daemon_fails online "again: the first attempt took no lock away" 1 'another' \
		"$TCPC_BUILD/tcpcopyd" --run-dir "$(run_dir online)" --bpffs "$(pins online)" --insecure
	daemon_fails online "another one has these pins" 1 'another' \
		"$TCPC_BUILD/tcpcopyd" --run-dir "$run" --bpffs "$(pins online)" --insecure
}

lab_up
lab_nginx online
lab_nginx target
for host in online target; do
	ip -n "$LAB_ID-$host" link add down0 type veth peer name down1
	ip -n "$LAB_ID-$host" link add eth1 type veth peer name eth2
	ip -n "$LAB_ID-$host" link set eth1 up
	ip -n "$LAB_ID-$host" link set eth2 up
done
ERR=$LAB_DIR/stderr
copy_up
remember online
remember target
usage
world
no_socket
is "copying, after all" "$(ctl_json online '.result.online[0].copying' status)" true
first_intercept
daemon_start
copy_down
tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What the daemon keeps of root's powers, and who may command it: four capabilities, in it and in
# the programs that it runs; no core, no way back; root and one group at the control socket.
# mostly waits
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

FOUR=000000c000003000 # CAP_NET_ADMIN 12, CAP_NET_RAW 13, CAP_PERFMON 38, CAP_BPF 39
ONLY=-all,+bpf,+net_admin,+net_raw,+perfmon
GROUP=users
USER_ID=65533 # of nobody on this machine

# field PID NAME: of /proc/PID/status.
field() {
	awk -v name="$2:" '$1 == name { print $2 }' "/proc/$1/status"
}

# as_user GROUP-IDS COMMAND...: as somebody who is not root.
as_user() {
	local groups=$1
	shift
	setpriv --reuid "$USER_ID" --regid "$USER_ID" --groups "$groups" --inh-caps=-all \
		--bounding-set=-all --no-new-privs "$@"
}

quietly() {
	"$@" >/dev/null
}

# refused TEXT REGEX COMMAND...: fails with exit status 1 and one line that matches.
refused() {
	local text=$1 regex=$2 status=0
	shift 2
	"$@" >/dev/null 2>"$LAB_DIR/stderr" || status=$?
	is "$text: exit status" "$status" 1
	is "$text: lines on stderr" "$(wc -l <"$LAB_DIR/stderr")" 1
	try "$text: says $(cat "$LAB_DIR/stderr")" grep -Eq "$regex" "$LAB_DIR/stderr"
}

# One that notes the capabilities it was given, and goes on as iptables.
make_iptables() {
	cat >"$LAB_DIR/iptables" <<-END
		#!/bin/sh
		sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status >>"$LAB_DIR/caps"
		exec $(command -v iptables) "\$@"
	END
	chmod 755 "$LAB_DIR/iptables"
	ln -s "$(command -v ip6tables)" "$LAB_DIR/ip6tables"
	for program in iptables ip6tables; do
		ln -s "$(command -v $program-save)" "$LAB_DIR/$program-save"
		ln -s "$(command -v $program-restore)" "$LAB_DIR/$program-restore"
	done
	DAEMON_ENV=(TCPCOPY_IPTABLES="$LAB_DIR/iptables")
}

make_key() {
	(umask 077 && od -An -tx1 -N32 /dev/urandom | tr -d ' \n' >"$LAB_DIR/key")
	LAB_AUTH=(--key "$LAB_DIR/key")
}

capabilities() {
	local pid=${DAEMON_PID[target]} set
	for set in CapEff CapPrm CapBnd; do
		is "the daemon's $set" "$(field "$pid" "$set")" "$FOUR"
	done
	is "the daemon's CapInh" "$(field "$pid" CapInh)" 0000000000000000
	is "no new privileges" "$(field "$pid" NoNewPrivs)" 1
	is "largest core, bytes" "$(awk '/Max core file size/ { print $5 }' "/proc/$pid/limits")" 0
	refused_ptrace "$pid"
	is "what iptables was given" "$(sort -u "$LAB_DIR/caps")" "$FOUR"
}

# A root with the daemon's own capabilities, but without CAP_SYS_PTRACE, may not touch its memory.
refused_ptrace() {
	local open=(dd if="/proc/$1/mem" of=/dev/null count=0 status=none)
	if setpriv --inh-caps=-all --bounding-set="$ONLY" "${open[@]}" 2>/dev/null; then
		not_ok "an equal of the daemon opens its memory"
	else
		ok "an equal of the daemon does not open its memory"
	fi
	try "control: root does" "${open[@]}"
}

secrets() {
	local key
	key=$(cat "$LAB_DIR/key")
	is "the key in the process list" "$(tr '\0' ' ' <"/proc/${DAEMON_PID[target]}/cmdline" |
		grep -c "$key" || true)" 0
	is "the key in the logs" "$(cat "$LAB_DIR"/daemon-*.log | grep -c "$key" || true)" 0
	is "the target says that its links use the key" "$(ctl_json target .result.secure status)" true
	compare "locked memory of the daemon, kB" "$(field "${DAEMON_PID[target]}" VmLck)" ">=" 4
}

control() {
	local sock ctl=("$TCPC_BUILD/tcpcopyctl" --run-dir "$(run_dir target)")
	sock=$(run_dir target)/tcpcopyd.sock
	is "owner and mode of the socket" "$(stat -c '%U %G %a' "$sock")" "root $GROUP 660"
	try "a member of the group: status" quietly as_user "$(id -g nobody),$GROUP_ID" \
		"${ctl[@]}" status
	try "a member of the group: allow add" quietly as_user "$GROUP_ID" "${ctl[@]}" allow add \
		198.18.99.0/24
	try "who did it is in the log" grep -Eq \
		"user $USER_ID \(process [0-9]+\): allow \[\"add\",\"198.18.99.0/24\"\]" \
		"$LAB_DIR/daemon-target.log"
	is "who only looked is not" "$(grep -c "user $USER_ID .*status" "$LAB_DIR/daemon-target.log" ||
		true)" 0
	refused "somebody else" "not permitted.*root.*$GROUP" as_user "$(id -g nobody)" \
		"${ctl[@]}" status
	chmod 666 "$sock"
	refused "somebody else, the mode changed by hand" "not permitted for user $USER_ID" \
		as_user "$(id -g nobody)" "${ctl[@]}" allow add 198.18.98.0/24
	is "what he wanted is not done" "$(ctl_json target '.result.allow | index("198.18.98.0/24")' \
		allow list)" null
	try "and is in the log" grep -q "user $USER_ID .*refused" "$LAB_DIR/daemon-target.log"
	refused "a group that is not there" "groupadd" "$TCPC_BUILD/tcpcopyd" --insecure \
		--run-dir "$LAB_DIR/run-none" --bpffs "$(pins none)" --group no-such-group
}

# Nothing more is needed, not even at the start after a crash: a unit may give just these.
from_the_start() {
	copy_up
	requests_reset
	is "with four capabilities from the start: a request" "$(fetch "$ONLINE_IP" /m/four)" 200
	try "with four capabilities from the start: it is copied" wait_for 5 seen target /m/four
	daemon_kill target
	try "killed: the filter of engine tc is left" filter_left
	copy_down
	lab_daemon target
	try "the next start has cleared it" wait_for 5 no_filter_left
	copy_down
}

# Its pinned TCX link, or the clsact filter of kernels before 6.6.
filter_left() {
	our_pins target | grep -q '/absorb-' ||
		in_ns target tc filter show dev eth0 egress | grep -q absorb
}

no_filter_left() {
	! filter_left
}

lab_up
lab_nginx online
lab_nginx target
GROUP_ID=$(getent group "$GROUP" | cut -d: -f3)
make_iptables
make_key
lab_daemon online
lab_daemon target --group "$GROUP"
intercept
attach
wait_for 5 copying || not_ok "copying begins"
capabilities
secrets
control
copy_down

# lab_daemon_start ends with the program's path: env takes a command before it.
DAEMON_ENV=(setpriv --inh-caps=-all --bounding-set="$ONLY")
ENGINE=tc
from_the_start
refused "without CAP_BPF" "CAP_BPF" setpriv --bounding-set=-bpf "$TCPC_BUILD/tcpcopyd" --insecure \
	--run-dir "$LAB_DIR/run-none" --bpffs "$(pins none)"
tap_done

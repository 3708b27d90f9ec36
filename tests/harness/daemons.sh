# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# daemons.sh - tcpcopyd and tcpcopyctl in a lab, and what the kernel holds of theirs. Sourced by
# lab.sh.

TCPC_BUILD=$(realpath -m "${TCPC_BUILD:-$LAB_HERE/../../build}")
LAB_AUTH=(--insecure) # or (--key FILE)
DAEMON_ENV=()         # environment of daemons started from now on: NAME=VALUE...
ATTACH=()             # options of attach from now on
INTERCEPT=()          # options of intercept from now on
# shellcheck disable=SC2034
ENGINE=${TCPC_ENGINE:-nfqueue} # of the target; scripts/test runs some scripts with each
declare -A DAEMON_PID

run_dir() {
	echo "$LAB_DIR/run-$1"
}

pins() {
	echo "$LAB_DIR/bpf/$1"
}

# lab_daemon HOST [OPTIONS]: start it and wait until it answers.
lab_daemon() {
	local host=$1
	shift
	lab_daemon_start "$host" "$@"
	wait_for 5 ctl_answers "$host" || {
		sed 's/^/# /' "$LAB_DIR/daemon-$host.log" >&2
		lab_die "tcpcopyd in $host does not answer"
	}
}

lab_daemon_start() {
	local host=$1 log=$LAB_DIR/daemon-$1.log
	shift
	[ ! -e "$log" ] || cat "$log" >>"${log%.log}-before.log"
	lab_spawn "$host" "$log" env "${DAEMON_ENV[@]}" \
		"$TCPC_BUILD/tcpcopyd" --run-dir "$(run_dir "$host")" \
		--bpffs "$(pins "$host")" "${LAB_AUTH[@]}" "$@"
	DAEMON_PID[$host]=$LAST_PID
}

ctl_answers() {
	alive "${DAEMON_PID[$1]}" || lab_die "tcpcopyd in $1: $(tail -n 3 "$LAB_DIR/daemon-$1.log")"
	ctl "$1" status >/dev/null 2>&1
}

# ctl HOST COMMAND...: ask the daemon there.
ctl() {
	local host=$1
	shift
	in_ns "$host" "$TCPC_BUILD/tcpcopyctl" --run-dir "$(run_dir "$host")" "$@"
}

# ask HOST COMMAND...: the same without what it prints when all is well.
ask() {
	ctl "$@" >/dev/null
}

# ctl_json HOST FILTER COMMAND...: one value of the answer.
ctl_json() {
	local host=$1 filter=$2
	shift 2
	ctl "$host" --json "$@" | jq -r "$filter"
}

# daemon_stop HOST [SIGNAL]: its exit status.
daemon_stop() {
	local pid=${DAEMON_PID[$1]:-}
	DAEMON_PID[$1]=
	[ -z "$pid" ] || lab_stop "$pid" "${2:-TERM}" 10
}

# daemon_kill HOST: kill -9, as the out-of-memory killer would.
daemon_kill() {
	daemon_stop "$1" KILL || true
}

daemons_up() {
	lab_daemon target
	lab_daemon online
}

# intercept: with the options in INTERCEPT.
intercept() {
	ask target intercept eth0 --port "$PORT" --engine "$ENGINE" "${INTERCEPT[@]}"
}

# attach: with the options in ATTACH.
attach() {
	ask online attach eth0 --to "$(lab_host_port "$TARGET_IP" "$PORT")" "${ATTACH[@]}"
}

# copying: the online daemon says that copies may flow.
copying() {
	[ "$(ctl_json online '.result.online[0].copying' status 2>/dev/null)" = true ]
}

not_copying() {
	[ "$(ctl_json online '.result.online[0].copying' status 2>/dev/null)" = false ]
}

# copy_up: both daemons, intercept, attach, in force.
copy_up() {
	daemons_up
	intercept || lab_die "intercept failed"
	attach || lab_die "attach failed"
	wait_for 5 copying || lab_die "copying does not begin: $(ctl online status)"
}

# copy_down: both daemons stopped, the online one first.
copy_down() {
	daemon_stop online || true
	daemon_stop target || true
}

# our_rules HOST [IPTABLES]: our iptables rules there, one a line.
our_rules() {
	in_ns "$1" "${2:-iptables}-save" 2>/dev/null | grep 'tcpcopyd:' || true
}

# our_devices HOST: devices of ours there.
our_devices() {
	in_ns "$1" ip -o link show | awk -F': ' '$2 ~ /^tcpc/ { print $2 }'
}

# our_pins HOST: pinned objects (and directories) left there.
our_pins() {
	local dir
	dir=$(pins "$1")
	[ ! -e "$dir" ] || find "$dir" -mindepth 1
}

# kernel_state HOST: what a command could have changed there, in a form that can be compared.
# Links and programs are read from the daemon's descriptors: the machine's other ones are not ours.
kernel_state() {
	local host=$1 pid=${DAEMON_PID[$1]:-}
	echo "== devices"
	in_ns "$host" ip -d -o link show | sed 's/promiscuity.*//'
	echo "== filters"
	in_ns "$host" tc qdisc show | grep -v 'noqueue' || true
	in_ns "$host" tc filter show dev eth0 ingress 2>/dev/null || true
	in_ns "$host" tc filter show dev eth0 egress 2>/dev/null || true
	echo "== rules"
	our_rules "$host" iptables
	our_rules "$host" ip6tables
	echo "== pins"
	our_pins "$host" | sort
	echo "== files"
	find "$(run_dir "$host")" -mindepth 1 2>/dev/null | sort || true
	echo "== links and programs"
	if [ -n "$pid" ] && alive "$pid"; then
		held_by "$pid" link_type
		held_by "$pid" prog_id
	fi
}

# held_by PID WORD: lines of /proc/PID/fdinfo that begin with WORD: link_id, link_type, prog_id.
held_by() {
	grep -hs "^$2:" /proc/"$1"/fdinfo/* | sort || true
}

# left_over HOST: everything of ours that the kernel and the file system still hold there.
left_over() {
	local host=$1 tool
	our_devices "$host"
	for tool in iptables-nft iptables-legacy ip6tables-nft ip6tables-legacy; do
		our_rules "$host" "$tool"
	done
	our_pins "$host"
	find "$(run_dir "$host")" -mindepth 1 2>/dev/null || true
	in_ns "$host" tc filter show dev eth0 ingress 2>/dev/null || true
	in_ns "$host" tc filter show dev eth0 egress 2>/dev/null || true
	in_ns "$host" tc qdisc show dev eth0 | grep clsact || true
	in_ns "$host" ss -Hltn "sport = :$FEEDBACK_PORT"
}

# peer HOST WHAT ARGUMENT...: a peer.py there that holds what a daemon will want; PEER_PID.
peer() {
	local host=$1 log=$LAB_DIR/peer.log
	shift
	lab_spawn "$host" "$log" "$LAB_HERE/../e2e/peer.py" "$@"
	# shellcheck disable=SC2034
	PEER_PID=$LAST_PID
	wait_for 5 grep -q ready "$log" || lab_die "peer.py: $(tail -n 1 "$log")"
}

# show_counters: of both daemons and of the target's TCP, for the reader of a failure.
show_counters() {
	local host
	for host in online target; do
		note "counters of the daemon in $host:"
		ctl "$host" --json stats | jq -r '.result | to_entries[] | .key as $part |
			.value | to_entries[] | select(.value != 0) |
			"#   \($part) \(.key) \(.value)"' || true
	done
	note "TCP at the target:"
	in_ns target nstat -az 2>/dev/null |
		awk '$2 > 0 && /Overflow|Drop|Challenge|PAWS|Beyond|Prune|Abort|OfoQ|Rejected|Cookie/ {
			print "#   " $1, $2 }'
}

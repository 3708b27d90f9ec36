# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# lab.sh - a client, an online host and a target host as network namespaces on one bridge, with
# real servers and daemons in them. Sourced by the tests and by the demo.
#
#	client .1, .101-.120      online .2      target .3      in 198.18.18.0/24, eth0 each
#	               \            |           /
#	                bridge in a fourth namespace (sw): vclient, vonline, vtarget
#
# Nothing is shared between two labs that run at once: names carry a random part, the bpf file
# system is our own mount, and only processes recorded here are ever signalled.
# No route leads out of a lab.

# LAB_FAMILY, 4 or 6, is what clients, copies and the feedback link speak: scripts that take
# addresses from here run over either.

LAB_FAMILY=${LAB_FAMILY:-4}
LAB_NET=198.18.18
LAB_NET6=2001:2:0:18 # only in labs with LAB_V6 set, last part as in IPv4
[ "$LAB_FAMILY" = 4 ] || LAB_V6=1

# lab_addr NUMBER [FAMILY]: the address of a host, .NUMBER or ::NUMBER.
lab_addr() {
	if [ "${2:-$LAB_FAMILY}" = 6 ]; then
		echo "$LAB_NET6::$1"
	else
		echo "$LAB_NET.$1"
	fi
}

# lab_host_port ADDRESS PORT: as endpoints and URLs are written.
lab_host_port() {
	case $1 in
	*:*) echo "[$1]:$2" ;;
	*) echo "$1:$2" ;;
	esac
}

# shellcheck disable=SC2034
CLIENT_IP=$(lab_addr 1) CLIENT_MAC=02:00:00:00:00:01
ONLINE_IP=$(lab_addr 2) ONLINE_MAC=02:00:00:00:00:02
TARGET_IP=$(lab_addr 3) TARGET_MAC=02:00:00:00:00:03
LAB_IPTABLES=iptables # of the family
[ "$LAB_FAMILY" = 4 ] || LAB_IPTABLES=ip6tables
PORT=8080 FEEDBACK_PORT=36524

# bpftool, iptables and nginx live in sbin, which is not in every user's path.
PATH=$PATH:/usr/sbin:/sbin

LAB_ID=     # names of namespaces begin with it
LAB_DIR=    # everything written on disk
LAB_PIDS=() # leaders of the process groups that were started and not yet stopped
LAST_PID=   # the one started last

LAB_HERE=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/harness/servers.sh
. "$LAB_HERE/servers.sh"
# shellcheck source=tests/harness/daemons.sh
. "$LAB_HERE/daemons.sh"
# shellcheck source=tests/harness/capture.sh
. "$LAB_HERE/capture.sh"

# now_us: wall clock in microseconds, without a process.
now_us() {
	printf '%s' "${EPOCHREALTIME/[.,]/}"
}

# wait_for SECONDS COMMAND...: until the command succeeds; 1 when the time is over.
wait_for() {
	local end=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
	shift
	until "$@"; do
		if ((${EPOCHREALTIME/[.,]/} > end)); then
			return 1
		fi
		sleep 0.02
	done
}

# lab_die TEXT: the lab itself could not be built; nothing after this would mean anything.
lab_die() {
	echo "lab: $*" >&2
	exit 1
}

ns_path() {
	echo "/run/netns/$LAB_ID-$1"
}

# in_ns HOST COMMAND...: run there. Not `ip netns exec`: that mounts a new /sys, in which pinned
# BPF objects are not to be seen.
in_ns() {
	local ns=$1
	shift
	nsenter --net="$(ns_path "$ns")" -- "$@"
}

# lab_spawn HOST LOG COMMAND...: in the background as leader of its own process group; LAST_PID.
lab_spawn() {
	local ns=$1 log=$2
	shift 2
	: >"$log"
	setsid nsenter --net="$(ns_path "$ns")" -- "$@" >"$log" 2>&1 </dev/null &
	LAST_PID=$!
	LAB_PIDS+=("$LAST_PID")
}

# alive PID: neither gone nor a zombie.
alive() {
	local stat
	[ -r "/proc/$1/stat" ] && read -r stat 2>/dev/null <"/proc/$1/stat" &&
		[[ ${stat##*) } != Z* ]]
}

gone() {
	! alive "$1"
}

# lab_stop PID [SIGNAL [SECONDS]]: end a process that lab_spawn started, by force when the time is
# over. Returns its exit status, 137 if it had to be killed.
lab_stop() {
	lab_stop_quietly "$@" 2>/dev/null # the shell's own remark "Killed"
}

lab_stop_quietly() {
	local pid=$1 signal=${2:-TERM} limit=${3:-5} left=() p status=0
	kill -"$signal" "$pid" || true
	if ! wait_for "$limit" gone "$pid"; then
		kill -KILL -- "-$pid" || true
	fi
	wait "$pid" || status=$?
	# What is left of its group (a server's workers) must not outlive it.
	kill -KILL -- "-$pid" || true
	for p in "${LAB_PIDS[@]}"; do
		[ "$p" = "$pid" ] || left+=("$p")
	done
	LAB_PIDS=("${left[@]}")
	return $status
}

# lab_wait PID: until it ends by itself; its exit status.
lab_wait() {
	local status=0 p left=()
	wait "$1" 2>/dev/null || status=$?
	for p in "${LAB_PIDS[@]}"; do
		[ "$p" = "$1" ] || left+=("$p")
	done
	LAB_PIDS=("${left[@]}")
	return $status
}

# lab_lacks TEXT: what the lab is made of is not here. A skip for a test, a failure for the demo.
lab_lacks() {
	declare -F skip >/dev/null || lab_die "this needs $1"
	skip "this needs $1"
	tap_done
	exit 0
}

# lab_address HOST NUMBER: give its eth0 the address with this number, in each family of the lab.
lab_address() {
	ip -n "$LAB_ID-$1" addr add "$(lab_addr "$2" 4)/24" dev eth0
	# No duplicate address detection: an address must be usable at once.
	[ -z "${LAB_V6:-}" ] ||
		ip -n "$LAB_ID-$1" addr add "$(lab_addr "$2" 6)/64" dev eth0 nodad
}

# lab_host HOST NUMBER MAC: one namespace with its eth0 on the bridge.
lab_host() {
	local ns=$LAB_ID-$1 mac=$3
	ip netns add "$ns"
	# IPv6 is off where no test asks for it: its neighbour discovery is noise in the captures.
	if [ -z "${LAB_V6:-}" ]; then
		in_ns "$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 \
			net.ipv6.conf.default.disable_ipv6=1
	fi
	ip -n "$ns" link set lo up
	ip link add eth0 netns "$ns" address "$mac" type veth peer name "v$1" netns "$LAB_ID-sw"
	ip -n "$LAB_ID-sw" link set "v$1" master br0 up
	lab_address "$1" "$2"
	ip -n "$ns" link set eth0 up
}

# lab_link_up HOST: carrier on both ends, so that the first packet is not lost.
lab_link_up() {
	in_ns "$1" ip -o link show dev eth0 | grep -q 'state UP' &&
		in_ns sw ip -o link show dev "v$1" | grep -q 'state forwarding\|state UP'
}

lab_rule() {
	in_ns target "$LAB_IPTABLES" -w "$1" OUTPUT -p tcp --sport 1 -j NFQUEUE
}

# lab_up: the namespaces and the wires. Registers the clean-up.
lab_up() {
	local i
	[ "$(id -u)" = 0 ] || lab_die "network namespaces and BPF need root"
	LAB_ID=${TCPC_LAB_PREFIX:-tcpc}-$(printf '%04x%04x' "$RANDOM" "$RANDOM")
	trap lab_on_exit EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	trap 'exit 141' PIPE # whoever reads our output has gone
	LAB_DIR=$(mktemp -d "${TMPDIR:-/tmp}/$LAB_ID.XXXXXX")
	chmod 755 "$LAB_DIR" # a server's workers may run as another user
	mkdir "$LAB_DIR/bpf"
	mount -t bpf bpf "$LAB_DIR/bpf" || lab_lacks "a bpf file system (CONFIG_BPF_SYSCALL)"
	ip netns add "$LAB_ID-sw" || lab_lacks "network namespaces (CONFIG_NET_NS)"
	ip -n "$LAB_ID-sw" link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0 ||
		lab_lacks "bridges (CONFIG_BRIDGE)"
	# A switch does not look into packets: br_netfilter, where it is there, drops malformed ones.
	in_ns sw sysctl -qw net.bridge.bridge-nf-call-iptables=0 \
		net.bridge.bridge-nf-call-ip6tables=0 2>/dev/null || true
	ip -n "$LAB_ID-sw" link set br0 up
	ip -n "$LAB_ID-sw" link add probe0 type veth peer name probe1 ||
		lab_lacks "pairs of devices (CONFIG_VETH)"
	ip -n "$LAB_ID-sw" link del probe0
	lab_host client 1 "$CLIENT_MAC"
	lab_host online 2 "$ONLINE_MAC"
	lab_host target 3 "$TARGET_MAC"
	for i in $(seq 101 120); do
		lab_address client "$i"
	done
	if ! lab_rule -I || ! lab_rule -D; then
		lab_lacks "iptables with NFQUEUE (CONFIG_NETFILTER_XT_TARGET_NFQUEUE)"
	fi
	for i in client online target; do
		wait_for 5 lab_link_up "$i" || lab_die "the link of $i does not come up"
	done
}

# lab_down: everything away, also after a failure half-way.
lab_down() {
	local pid ns
	[ -n "$LAB_ID" ] || return 0
	for pid in "${LAB_PIDS[@]}"; do
		kill -TERM "$pid" 2>/dev/null || true
	done
	for pid in "${LAB_PIDS[@]}"; do
		lab_stop "$pid" TERM 5 || true
	done
	for ns in client online target target2 target3 sw router box; do
		if [ -e "$(ns_path "$ns")" ]; then
			ip netns del "$LAB_ID-$ns" || true
		fi
	done
	if [ -n "$LAB_DIR" ]; then
		# The mount goes with every pin in it.
		umount "$LAB_DIR/bpf" 2>/dev/null || true
		rm -rf --one-file-system "$LAB_DIR"
	fi
	LAB_ID=
}

lab_on_exit() {
	local status=$?
	trap '' INT TERM HUP PIPE
	set +e
	if declare -F on_lab_exit >/dev/null; then
		on_lab_exit # of the script itself
	fi
	if declare -F tap_on_exit >/dev/null; then
		tap_on_exit "$status"
		[ "$TAP_FAILED" -eq 0 ] || lab_show_logs
		# A script that was cut short is a failure even if its last command was none.
		[ "$TAP_FAILED" -eq 0 ] || status=1
	fi
	lab_down
	exit "$status"
}

# lab_show_logs: what the daemons said, for the reader of a failure.
lab_show_logs() {
	local log
	for log in "$LAB_DIR"/daemon-*.log; do
		[ -s "$log" ] || continue
		note "${log##*/}, last lines:"
		tail -n 25 "$log" | sed 's/^/#   /'
	done
}

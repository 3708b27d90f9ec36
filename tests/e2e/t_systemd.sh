#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The unit under systemd itself, booted in a fresh Debian root: ready when its commands are in force,
# with all of its sandbox; reload, kill -9 and what ExecStopPost= clears, restart, stop.
# by hand: make test-install
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"
# shellcheck source=tests/harness/root.sh
. "$(dirname "$0")/../harness/root.sh"

SCRIPTS=$(realpath "$(dirname "$0")/../../scripts")
CONF=/etc/tcpcopy/tcpcopyd.conf
CGROUP= # that systemd has to itself
INIT=   # pid of the systemd

# Whoever is killed as pid 1 takes its processes with it.
on_lab_exit() {
	[ -z "$INIT" ] || kill -KILL "$INIT" || true
	[ -z "$INIT" ] || wait_for 5 gone "$INIT" || true
	[ -z "$CGROUP" ] || find "$CGROUP" -depth -type d -exec rmdir {} + 2>/dev/null || true
}

# with_network COMMAND...: in the root, with this machine's way to the mirror.
with_network() {
	nsenter --mount="/proc/${ROOT_PID[target]}/ns/mnt" -- env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		HOME=/root DEBIAN_FRONTEND=noninteractive chroot "$LAB_DIR/root-target" "$@" \
		>"$LAB_DIR/apt.log" 2>&1 </dev/null
}

boot() {
	local root=$LAB_DIR/root-target unified
	unified=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
	[ -n "$unified" ] || lab_lacks "a cgroup2 file system"
	CGROUP=$unified/$LAB_ID
	mkdir "$CGROUP"
	lab_spawn target "$LAB_DIR/boot.log" nsenter --mount="/proc/${ROOT_PID[target]}/ns/mnt" -- \
		sh -c "echo 0 >$CGROUP/cgroup.procs && exec unshare --cgroup --pid --fork --ipc --uts --mount \
		--propagation slave sh -ec 'umount -l $root/proc; mount -t proc proc $root/proc
		mount -t cgroup2 none $root/sys/fs/cgroup
		exec env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot $root /lib/systemd/systemd --log-target=console'"
	wait_for 5 child_of "$LAST_PID" || lab_lacks "namespaces for a systemd: $(tail -n 1 "$LAB_DIR/boot.log")"
	INIT=$(pgrep -P "$LAST_PID")
	wait_for 60 running || lab_lacks "a systemd that boots: $(tail -n 1 "$LAB_DIR/boot.log")"
}

child_of() {
	pgrep -P "$1" >/dev/null
}

# inside COMMAND...: as somebody who is logged in there.
inside() {
	nsenter -t "$INIT" -m -p -n -i -u -C -r -w -- env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb "$@"
}

running() {
	inside systemctl is-system-running 2>/dev/null | grep -Eqx 'running|degraded'
}

show() {
	inside systemctl show -P "$1" tcpcopyd
}

shows() {
	[ "$(show "$1")" = "$2" ]
}

restarted() {
	[ "$(show NRestarts)" = 1 ] && shows ActiveState active
}

allows() {
	inside tcpcopyctl allow list | grep -q "$1"
}

# kernel_things: rules, devices and pins of ours.
kernel_things() {
	our_rules target iptables
	our_devices target
	inside find /sys/fs/bpf -mindepth 1 ! -name '*.debug'
}

# What the sandbox took away would be an EPERM in the log or with doctor.
lacks_no_right() {
	! (inside tcpcopyctl doctor eth0; journal) 2>&1 | grep -i 'not permitted\|permission denied'
}

journal() {
	inside journalctl --no-pager -o cat -u tcpcopyd
}

life() {
	local pid via
	inside systemctl start tcpcopyd || true
	is "without a key: not started, and no failure" "$(show ActiveState) $(show ConditionResult)" \
		"inactive no"
	inside sh -c "umask 077; tcpcopyctl key >/etc/tcpcopy/tcpcopy.key
		echo 'intercept eth0 --port $PORT' >>$CONF"
	try "systemctl start" inside systemctl start tcpcopyd
	is "state, and what the daemon says" "$(show ActiveState) $(show StatusText)" "active ready"
	compare "in force when start returns: rules" "$(our_rules target iptables | wc -l)" ">=" 1
	is "the socket" "$(inside stat -c '%U %G %a' /run/tcpcopy/tcpcopyd.sock)" "root tcpcopy 660"
	inside sh -c "echo 'allow add 198.18.99.0/24' >>$CONF"
	try "systemctl reload" inside systemctl reload tcpcopyd
	try "what is new is in force" wait_for 10 allows 198.18.99.0/24
	# The other role, with all that it opens in the kernel: programs, journal, raw sockets, a device.
	for via in "" "--via vxlan"; do
		# shellcheck disable=SC2086 # words
		try "attach $via" inside tcpcopyctl attach eth0 --to "$ONLINE_IP:81" $via
		try "doctor finds no failure of rights" lacks_no_right
		try "detach" inside tcpcopyctl detach eth0
	done
	pid=$(show MainPID)
	inside systemctl kill -s KILL tcpcopyd
	try "kill -9: started again" wait_for 20 restarted
	is "by another process" "$([ "$(show MainPID)" != "$pid" ] && echo yes)" yes
	try "and what the killed one left was cleared before" grep -q 'that one had left are cleared' \
		<(journal)
	try "systemctl stop" inside systemctl stop tcpcopyd
	is "how it ended" "$(show Result)" success
	is "left in the kernel" "$(kernel_things)" ""
	is "left in /run" "$(inside find /run -name 'tcpcopy*')" ""
}

if [ "$(id -u)" != 0 ] || ! root_base; then
	skip "this needs ${ROOT_LACKS:-root}"
	tap_done
	exit 0
fi
DEB=$("$SCRIPTS/deb" "$TCPC_BUILD" "$("$TCPC_BUILD/tcpcopyctl" --run-dir /none version |
	awk 'NR == 1 { print $2 }')")
lab_up
root_up target
in_root target tee "/tmp/${DEB##*/}" <"$DEB" >/dev/null
with_network sh -ec "apt-get update -qq
	apt-get install -y -qq --no-install-recommends systemd '/tmp/${DEB##*/}'" ||
	lab_lacks "a mirror for systemd: $(tail -n 1 "$LAB_DIR/apt.log")"
boot
life
tap_done

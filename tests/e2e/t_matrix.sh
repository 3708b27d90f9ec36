#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Invariants 2 and 3 against everything that can happen to a daemon: under load, no client sees an
# error, nothing leaks, copying stops within a second, and comes back. See t_matrix_net.sh for what
# can happen around it.
#	MATRIX_RUNS=3 MATRIX_ONLY=stop tests/e2e/t_matrix.sh
# mostly waits, 110 s
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"
# shellcheck source=tests/harness/matrix.sh
. "$(dirname "$0")/../harness/matrix.sh"

# killed HOST: and a new one, perhaps of another version, is started.
killed() {
	broke
	daemon_kill "$1"
	stays_broken
	healed
	daemon_up "$1"
}

online_killed() { killed online; }
target_killed() { killed target; }

# stopped HOST: as an upgrade does it.
stopped() {
	broke
	daemon_stop "$1" || not_ok "$2: exit status $?"
	stays_broken
	healed
	daemon_up "$1"
}

online_stopped() { stopped online "$1"; }
target_stopped() { stopped target "$1"; }

# paused HOST: it lives, but does not run.
paused() {
	broke
	kill -STOP "${DAEMON_PID[$1]}"
	stays_broken
	healed
	kill -CONT "${DAEMON_PID[$1]}"
}

online_paused() { paused online; }
target_paused() { paused target; }

# both_restarted FIRST SECOND
both_restarted() {
	broke
	daemon_stop "$1" || not_ok "$3: exit status $?"
	daemon_stop "$2" || not_ok "$3: exit status $?"
	stays_broken
	healed
	daemon_up "$2"
	daemon_up "$1"
}

online_then_target() { both_restarted online target "$1"; }
target_then_online() { both_restarted target online "$1"; }

both_killed() {
	broke
	daemon_kill target
	daemon_kill online
	stays_broken
	healed
	daemon_up online
	daemon_up target
}

# memory_group: a control group of our own for memory, in GROUP; fails where there are none.
memory_group() {
	local v1=/sys/fs/cgroup/memory
	GROUP=/sys/fs/cgroup/$LAB_ID
	LIMIT=memory.max
	if [ -e "$v1/memory.limit_in_bytes" ]; then
		GROUP=$v1/$LAB_ID
		LIMIT=memory.limit_in_bytes
	elif ! grep -qs memory /sys/fs/cgroup/cgroup.subtree_control; then
		return 1
	fi
	mkdir "$GROUP" 2>/dev/null
}

on_lab_exit() {
	[ -z "${GROUP:-}" ] || rmdir "$GROUP" 2>/dev/null || true
}

# starved PID: the group's memory goes to three neighbours, each smaller than the daemon seems to be.
# The kernel, not we, ends it.
starved() {
	local hogs=() i status=0
	echo $((32 << 20)) >"$GROUP/$LIMIT" && echo "$1" >"$GROUP/cgroup.procs" &&
		echo 1000 >"/proc/$1/oom_score_adj" || return 1
	for i in 1 2 3; do
		(
			echo "$BASHPID" >"$GROUP/cgroup.procs"
			exec timeout 3 python3 -c 'import time; x = b"x" * (14 << 20); time.sleep(2)'
		) >/dev/null 2>&1 &
		hogs+=($!)
	done
	wait_for 3 gone "$1" || status=1
	broke
	wait "${hogs[@]}" 2>/dev/null || true
	return $status
}

# out_of_memory HOST NAME
out_of_memory() {
	if ! memory_group; then
		skip "$2: this machine has no control groups for memory; kill -9 all the same"
		killed "$1"
		return 0
	fi
	try "$2: the kernel has killed it" starved "${DAEMON_PID[$1]}"
	daemon_kill "$1"
	stays_broken
	healed
	daemon_up "$1"
	rmdir "$GROUP"
	GROUP=
}

online_starved() { out_of_memory online "$1"; }
target_starved() { out_of_memory target "$1"; }

# cleared HOST COMMAND NAME: a daemon that was killed is not started again, but cleared away.
cleared() {
	BACK=no
	broke
	daemon_kill "$1"
	sleep 0.3
	try "$3: $2 --all without a daemon" ask "$1" "$2" --all
	is "$3: left over" "$(left_over "$1")" ""
	stays_broken
	is "$3: once more" "$(ctl "$1" "$2" --all)" \
		"no daemon runs, and none has left anything"
}

online_cleared() { cleared online detach "$1"; }
target_cleared() { cleared target release "$1"; }

# Nobody's rules are left: absorb alone keeps responses inside.
target_flushed_and_cleared() {
	BACK=no
	broke
	daemon_kill target
	in_ns target iptables -F OUTPUT
	in_ns target ip6tables -F OUTPUT
	sleep 0.3
	try "$1: release --all without a daemon" ask target release --all
	is "$1: left over" "$(left_over target)" ""
	stays_broken
}

lab_up
lab_nginx online
lab_nginx target
matrix_config
matrix_control
matrix_case "kill -9 of the online daemon" online_killed
matrix_case "kill -9 of the target's daemon" target_killed
matrix_case "stop and start of the online daemon" online_stopped
matrix_case "stop and start of the target's daemon" target_stopped
matrix_case "SIGSTOP of the online daemon" online_paused
matrix_case "SIGSTOP of the target's daemon" target_paused
matrix_case "both stopped, online first" online_then_target
matrix_case "both stopped, target first" target_then_online
matrix_case "kill -9 of both" both_killed
matrix_case "online daemon out of memory" online_starved
matrix_case "target's daemon out of memory" target_starved
matrix_case "kill -9, then detach --all" online_cleared
matrix_case "kill -9, then release --all" target_cleared
matrix_case "kill -9, rules flushed, then release --all" target_flushed_and_cleared
matrix_show
tap_done

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# hosts.sh - what each host of a lab costs, though all share one machine: client and online host have
# the first processor, the target the second, with the packets that come in there. A host's cost is
# then
#
#	busy	 how long its processor was not idle: everything, the kernel's work for packets too. It
#		 needs a machine that does nothing else
#	threads	 the processor time of its processes. In this is what the kernel did for packets while
#		 they ran, which is most: veth devices hand packets on in the sender's time. It bears a
#		 machine that is shared
#
# Sourced after bench.sh.

CPU_ONLINE=0
CPU_TARGET=1

# hosts_begin CPU: what is started from now on runs there.
hosts_begin() {
	taskset -pc "$1" $BASHPID >/dev/null
}

# hosts_steer HOST CPU: packets that come in by its eth0 are processed there.
hosts_steer() {
	ip netns exec "$LAB_ID-$1" sh -c \
		"printf %x $((1 << $2)) >/sys/class/net/eth0/queues/rx-0/rps_cpus" ||
		lab_lacks "CONFIG_RPS"
}

# hosts_up: to be called after lab_up.
hosts_up() {
	[ "$(nproc)" -ge 2 ] || lab_lacks "a second processor, for the target"
	hosts_steer client $CPU_ONLINE
	hosts_steer online $CPU_ONLINE
	hosts_steer target $CPU_TARGET
}

# hosts_idle_us CPU: how long it has been idle since the machine began. Without cpuidle it comes in
# steps of 10 ms.
hosts_idle_us() {
	local states=/sys/devices/system/cpu/cpu$1/cpuidle
	if [ -d "$states" ]; then
		cat "$states"/state*/time | awk '{ us += $1 } END { printf "%.0f", us }'
	else
		awk -v cpu="cpu$1" '$1 == cpu { printf "%.0f", ($5 + $6) * 10000 }' /proc/stat
	fi
}

# hosts_note ROW CPU NS ARRIVED: figures of a load: processor time of what CPU did, and of processes NS,
# a request; ARRIVED requests of a hundred.
hosts_note() {
	bench_note "$1" rate "$((LOAD_REQUESTS / BENCH_SECONDS))"
	bench_note "$1" busy "$(bench_ratio "${BUSY_US[$2]}" "$LOAD_REQUESTS")"
	bench_note "$1" threads "$(bench_ratio "$3" "$((LOAD_REQUESTS * 1000))")"
	bench_note "$1" arrived "$(bench_ratio "$(($4 * 100))" "$LOAD_REQUESTS")"
}

# hosts_above RATE FLOOR VARIANT...: what each has more than FLOOR, in both measures.
hosts_above() {
	local rate=$1 floor=$2 variant
	for variant in "${@:3}"; do
		bench_above "$rate-$variant" "$rate-$floor" busy
		bench_above "$rate-$variant" "$rate-$floor" threads
	done
}

# hosts_load SECONDS ADDRESS PORT SCRIPT: the load, from the client. Sets LOAD_REQUESTS, LOAD_NS (of
# the client's process) and BUSY_US, by processor.
hosts_load() {
	local log=$LAB_DIR/hosts.log times=$LAB_DIR/hosts.time cpu begin idle=() TIMEFORMAT='%3U %3S'
	begin=$(now_us)
	for cpu in $CPU_ONLINE $CPU_TARGET; do
		idle[cpu]=$(hosts_idle_us "$cpu")
	done
	{
		time in_ns client wrk -t 1 -c 16 -d "${1}s" --timeout 5s -s "$4" \
			"http://$(lab_host_port "$2" "$3")/index.html" >"$log" 2>&1
	} 2>"$times" || lab_die "the load failed: $(tail -n 1 "$log")"
	for cpu in $CPU_ONLINE $CPU_TARGET; do
		# shellcheck disable=SC2034
		BUSY_US[cpu]=$(($(now_us) - begin - $(hosts_idle_us "$cpu") + idle[cpu]))
	done
	! grep -q 'Socket errors\|Non-2xx' "$log" || lab_die "$(grep 'Socket\|Non' "$log")"
	# shellcheck disable=SC2034
	LOAD_REQUESTS=$(awk '/requests in/ { print $1 }' "$log")
	# shellcheck disable=SC2034
	LOAD_NS=$(awk 'NF == 2 { printf "%.0f", ($1 + $2) * 1e9 }' "$times")
}

# hosts_ns PID...: processor time of these and their children (a server's workers).
hosts_ns() {
	local pid child ns=0
	for pid in "$@"; do
		[ -n "$pid" ] || continue
		for child in "$pid" $(pgrep -P "$pid"); do
			ns=$((ns + $(process_ns "$child")))
		done
	done
	echo $ns
}

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The Debian package in two fresh roots: installed with what it depends on, started as its unit says,
# README.md's way from the key to the end between two hosts, removed while it works; a purge leaves
# nothing.
# by hand: make test-install
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"
# shellcheck source=tests/harness/root.sh
. "$(dirname "$0")/../harness/root.sh"

HERE=$(dirname "$0")
UNIT=/usr/lib/systemd/system/tcpcopyd.service
CONF=/etc/tcpcopy/tcpcopyd.conf
REQUESTS=50
OTHERS='/etc/gshadow-|/etc/hosts' # of groupdel, and of a package that we depend on
declare -A BEFORE SERVICE

# value HOST NAME: of the installed unit.
value() {
	in_root "$1" sed -n "s/^$2=//p" "$UNIT"
}

# socket HOST: where the daemon listens, if it does.
socket() {
	in_root "$1" test -S /run/tcpcopy/tcpcopyd.sock
}

no_socket() {
	! socket "$1"
}

say() {
	in_root "$1" tcpcopyctl "${@:2}"
}

copies_flow() {
	[ "$(say online --json status | jq -r '.result.online[0].copying')" = true ]
}

# ---- installing ---------------------------------------------------------------------------------

install_on() {
	local host=$1
	BEFORE[$host]=$(root_files "$host"; in_root "$host" cat /etc/group)
	in_root "$host" tee "/tmp/${DEB##*/}" <"$DEB" >/dev/null
	try "$host: apt-get install, with what it depends on" quiet_in "$host" \
		apt-get install -y -qq --no-install-recommends "/tmp/${DEB##*/}"
	# shellcheck disable=SC2016
	is "$host: state of the package" \
		"$(in_root "$host" dpkg-query -W -f='${Status}' tcpcopy)" "install ok installed"
	try "$host: nothing runs" no_socket "$host"
	is "$host: units that are enabled" \
		"$(in_root "$host" find /etc/systemd -name 'tcpcopyd*' 2>/dev/null || true)" ""
	is "$host: libraries that are missing" \
		"$(in_root "$host" sh -c 'ldd /usr/sbin/tcpcopy*' | grep -c 'not found' || true)" 0
	is "$host: commands in the configuration" \
		"$(in_root "$host" grep -cv '^#\|^$' "$CONF" || true)" 0
	is "$host: mode of the configuration's directory" \
		"$(in_root "$host" stat -c '%U %G %a' /etc/tcpcopy)" "root root 700"
	try "$host: the group" quiet_in "$host" getent group tcpcopy
	is "$host: files that differ from the package's" \
		"$(in_root "$host" dpkg --verify tcpcopy 2>&1 || true)" ""
}

quiet_in() {
	in_root "$@" >"$LAB_DIR/said" 2>&1 </dev/null || {
		sed 's/^/# /' "$LAB_DIR/said"
		return 1
	}
}

# ---- starting, as the unit says -----------------------------------------------------------------

# start HOST: run what the unit runs, with its group and capabilities; what systemd provides before,
# we do.
start() {
	local host=$1 line words keep
	keep=$(value "$host" CapabilityBoundingSet | sed 's/CAP_/+/g; s/ /,/g' | tr '[:upper:]' '[:lower:]')
	in_root "$host" mkdir -p -m "$(value "$host" RuntimeDirectoryMode)" \
		"/run/$(value "$host" RuntimeDirectory)"
	while IFS= read -r line; do
		# Prefixes: a failure is none, and: with full privileges.
		read -r -a words <<<"${line##[-+]}"
		words[0]=${words[0]##*[-+]}
		in_root "$host" "${words[@]}" >/dev/null 2>&1 || true
	done < <(value "$host" ExecStartPre)
	read -r -a words < <(value "$host" ExecStart)
	lab_spawn "$host" "$LAB_DIR/daemon-$host.log" nsenter \
		--mount="/proc/${ROOT_PID[$host]}/ns/mnt" -- env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		chroot "$LAB_DIR/root-$host" setpriv --regid "$(value "$host" Group)" --clear-groups \
		--no-new-privs --inh-caps=-all --bounding-set="-all,$keep" "${words[@]}"
	SERVICE[$host]=$LAST_PID
	wait_for 10 socket "$host" || {
		sed 's/^/# /' "$LAB_DIR/daemon-$host.log"
		lab_die "the unit's command does not start in $host"
	}
}

# stop HOST [SIGNAL]: and then what the unit runs.
stop() {
	local line words status=0
	lab_stop "${SERVICE[$1]}" "${2:-TERM}" 15 || status=$?
	while IFS= read -r line; do
		read -r -a words <<<"${line##[-+]}"
		in_root "$1" "${words[@]}" >"$LAB_DIR/swept" 2>&1 || not_ok "$1: $line: $(cat "$LAB_DIR/swept")"
	done < <(value "$1" ExecStopPost)
	return $status
}

# ---- README.md ----------------------------------------------------------------------------------

# page: the command lines of "Two real hosts", one a line: "HOST COMMAND", HOST - for both. What
# builds or installs is done here in the package's way, and the daemons are started as services;
# --watch has no end.
page() {
	awk '/^## / { inside = $0 == "## Two real hosts" }
		inside && /^    / { sub(/^ +/, ""); print }' "$HERE/../../README.md" |
		sed -E 's/ +# .*//' |
		grep -Ev '^(make |apt-get |tcpcopyd |systemd-)|--watch' |
		sed -E 's/^(online|target)# +/\1 /; t; s/^/- /'
}

# substituted LINE: with the lab's addresses in place of the page's.
substituted() {
	sed -e "s/10\.0\.0\.9:/$TARGET_IP:/g" -e "s/10\.0\.0\.10:/$LAB_NET.4:/g" <<<"$1"
}

# on HOST COMMAND: what stands in the page, there.
on() {
	local words
	read -r -a words <<<"$2"
	case $2 in
	"systemctl enable --now tcpcopyd") start "$1" ;;
	"scp "*)
		in_root "$1" cat "${words[-2]}" >"$LAB_DIR/carried"
		in_root target sh -c "umask 077; cat >${words[-1]#*:}/${words[-2]##*/}" <"$LAB_DIR/carried"
		;;
	*) in_root "$1" sh -ec "$2" ;;
	esac >"$LAB_DIR/said" 2>&1 </dev/null
}

run_line() {
	local status=0
	on "$1" "$2" || status=$?
	is "README.md, $1# $2" "$status" 0
	[ "$status" = 0 ] || sed 's/^/# /' "$LAB_DIR/said"
}

# All of it, line by line. Requests are sent when it has begun to copy.
walk() {
	local host line each n=0
	while read -r host line; do
		line=$(substituted "$line")
		n=$((n + 1))
		for each in ${host/-/online target}; do
			run_line "$each" "$line"
		done
		[[ $line != *" attach "* ]] || requests_flow
	done < <(page)
	compare "lines of README.md that were run" "$n" ">=" 16
}

requests_flow() {
	local i bad=0
	try "copying begins" wait_for 10 copies_flow
	for i in $(seq "$REQUESTS"); do
		[ "$(fetch "$ONLINE_IP" "/m/$i")" = 200 ] || bad=$((bad + 1))
	done
	requests_settle
	is "requests that failed" "$bad" 0
	is "requests at the target" "$N_TARGET" "$REQUESTS"
}

# ---- the end ------------------------------------------------------------------------------------

# kernel_things HOST: rules, devices and pins of ours.
kernel_things() {
	our_rules "$1" iptables
	our_rules "$1" ip6tables
	our_devices "$1"
	in_root "$1" find /sys/fs/bpf -mindepth 1 ! -name '*.debug' # the kernel's own
}

# What was configured begins with the service, and ends when the package goes.
removal() {
	in_root target sh -c "echo 'intercept eth0 --port $PORT' >>$CONF"
	in_root online sh -c "echo 'attach eth0 --to $TARGET_IP:$PORT' >>$CONF"
	start target
	start online
	try "configured in $CONF: copying" wait_for 10 copies_flow
	# One is killed and leaves what it has; the package clears it.
	lab_stop "${SERVICE[online]}" KILL || true
	compare "online: left behind by kill -9" "$(kernel_things online | wc -l)" ">=" 1
	for host in online target; do
		try "$host: apt-get remove" quiet_in "$host" apt-get remove -y -qq tcpcopy
		is "$host: left in the kernel" "$(kernel_things "$host")" ""
	done
	try "target: its daemon has ended" wait_for 5 gone "${SERVICE[target]}"
	lab_stop "${SERVICE[target]}" || true
	try "target: the configuration that was changed stays" in_root target test -e "$CONF"
	for host in online target; do
		try "$host: apt-get purge" quiet_in "$host" apt-get purge -y -qq --autoremove tcpcopy
		is "$host: left by the purge" "$(diff <(echo "${BEFORE[$host]}") \
			<(root_files "$host"; in_root "$host" cat /etc/group) |
			grep '^[<>]' | grep -vxE "> ($OTHERS)" | xargs || true)" ""
	done
}

if [ "$(id -u)" != 0 ] || ! root_base; then
	skip "this needs ${ROOT_LACKS:-root}"
	tap_done
	exit 0
fi
DEB=$("$HERE/../../scripts/deb" "$TCPC_BUILD" "$("$TCPC_BUILD/tcpcopyctl" --run-dir /none version |
	awk 'NR == 1 { print $2 }')")
if ! root_fetch "$DEB"; then
	skip "this needs a mirror for what the package depends on"
	tap_done
	exit 0
fi
lab_up
lab_address target 4
lab_nginx online
lab_nginx target
for host in online target; do
	root_up "$host"
	install_on "$host"
done
leak_start
walk
leak_end "all of it"
for host in target online; do
	try "$host: systemctl stop" stop "$host"
	is "$host: left in the kernel" "$(kernel_things "$host")" ""
done
removal
tap_done

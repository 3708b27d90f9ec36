#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Every command that README.md and docs/operations.md show is run, in their order, as it stands there:
# on two hosts of a lab, with the lab's addresses and directories in place of the real ones. What is
# indented by four columns is a command; the host it is for stands before it, or it is for both.
# shellcheck disable=SC2016 # backquotes fence what is no command
# mostly waits, 40 s
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

TOP=$(realpath "$(dirname "$0")/../..")
UNIT=$TOP/scripts/systemd/tcpcopyd.service
OTHER_IP=$(lab_addr 4) # 10.0.0.10 of the pages: nobody is there

# blocks PAGE: the commands, one a line, "HOST COMMAND"; HOST is both where none is named.
blocks() {
	sed -nE '/^```/,/^```/d
		s/^    (online|target)# +([^ ].*)/\1 \2/p; t
		s/^    ([^ ].*)/both \1/p' "$1"
}

# here HOST COMMAND: with the lab's addresses, and this host's own directories.
here() {
	local pid
	pid=$(cat "$LAB_DIR/nginx-$1/nginx.pid")
	sed -e "s|10\.0\.0\.9|$TARGET_IP|g; s|10\.0\.0\.10|$OTHER_IP|g; s|10\.0\.0\.2|$ONLINE_IP|g" \
		-e "s|/etc/tcpcopy|$LAB_DIR/etc-$1|g; s|/run/tcpcopy-1|$LAB_DIR/run-1|g" \
		-e "s|/run/tcpcopy|$(run_dir "$1")|g; s|/sys/fs/bpf/tcpcopy|$(pins "$1")|g" \
		-e "s|/tmp/today|$LAB_DIR/today|g" -e "s|--netns PID|--netns $pid|g" <<<"$2"
}

# tools HOST: what is installed there, and the programs that the pages use and a lab has not.
tools() {
	local host=$1 bin=$LAB_DIR/bin-$1
	mkdir "$bin"
	# The directory comes first; a word --run-dir of the page's own comes later and counts.
	printf '#!/bin/sh\nexec "%s/tcpcopyctl" --run-dir "%s" "$@"\n' "$TCPC_BUILD" \
		"$(run_dir "$host")" >"$bin/tcpcopyctl"
	# scp -p FILE HOST:DIRECTORY: the other host's directory has another name here.
	cat >"$bin/scp" <<-'END'
		#!/bin/sh
		[ $# = 3 ] && [ "$1" = -p ] || exit 2
		exec cp -p "$2" "$(echo "${3#*:}" | sed 's|/etc-online/|/etc-target/|')"
	END
	printf '#!/bin/sh\n[ "$*" = "-u tcpcopyd -n 20" ] && exec tail -n 20 "%s/daemon-%s.log"\n' \
		"$LAB_DIR" "$host" >"$bin/journalctl"
	chmod 755 "$bin"/*
}

# build COMMAND: `make setup all install`, `make deb`: what was built is used, packages are not
# touched, and it is installed below the lab's directory.
build() {
	make -C "$TOP" -n "${@:2}" >/dev/null &&
		case " $* " in
		*" install "*) make -C "$TOP" -s -o all install BUILD="$TCPC_BUILD" DESTDIR="$LAB_DIR/root" ;;
		esac
}

# daemon HOST WORD...: tcpcopyd in the foreground; here it goes on beside the rest.
daemon() {
	local host=$1 LAB_AUTH=()
	shift
	alive_daemon "$host" && daemon_stop "$host"
	lab_daemon "$host" "$@"
}

alive_daemon() {
	[ -n "${DAEMON_PID[$1]:-}" ] && alive "${DAEMON_PID[$1]}"
}

# other_daemon HOST COMMAND: one with directories of its own.
other_daemon() {
	lab_spawn "$1" "$LAB_DIR/daemon-other.log" bash -c "PATH=$TCPC_BUILD:\$PATH; exec ${*:2} \
		--insecure"
	wait_for 5 test -S "$LAB_DIR/run-1/tcpcopyd.sock"
}

reloaded() {
	grep -q 'configuration reloaded, 0 commands failed' "$LAB_DIR/daemon-$1.log"
}

# systemctl_ HOST WORD...: what the unit says, without systemd.
systemctl_() {
	local host=$1 words
	shift
	case $* in
	"enable --now tcpcopyd")
		# The package has brought it.
		[ -e "$LAB_DIR/etc-$host/tcpcopyd.conf" ] ||
			cp "$TOP/scripts/systemd/tcpcopyd.conf" "$LAB_DIR/etc-$host/"
		read -r -a words < <(sed -n 's/^ExecStart=[^ ]*tcpcopyd //p' "$UNIT" |
			sed "s|/etc/tcpcopy/[a-z]*\.conf|/etc/tcpcopy/tcpcopyd.conf|; s|--group [a-z]*||")
		read -r -a words < <(here "$host" "${words[*]}")
		daemon "$host" "${words[@]}"
		;;
	"status tcpcopyd") alive_daemon "$host" ;;
	"reload tcpcopyd") kill -HUP "${DAEMON_PID[$host]}" && wait_for 5 reloaded "$host" ;;
	*) return 2 ;;
	esac
}

# run HOST COMMAND: one line of a page.
run() {
	local host=$1 line words status=0
	line=$(here "$host" "$2")
	read -r -a words <<<"${line%% #*}"
	case $line in
	make\ *) build "${words[@]}" ;;
	tcpcopyd\ --netns*) other_daemon "$host" "$line" ;;
	tcpcopyd\ *) daemon "$host" "${words[@]:1}" ;;
	systemctl\ *) systemctl_ "$host" "${words[@]:1}" ;;
	*--watch*)
		in_ns "$host" env PATH="$LAB_DIR/bin-$host:$PATH" timeout 0.7 bash -c "exec $line" ||
			status=$?
		[ "$status" = 124 ]
		;;
	*) in_ns "$host" env PATH="$LAB_DIR/bin-$host:$PATH" bash -c "$line" ;;
	esac >"$LAB_DIR/out" 2>&1
}

# What the pages take for granted before some of their commands.
before() {
	case $1 in
	*bpftool*) copying || { intercept && attach && wait_for 5 copying; } || lab_die "no copies" ;;
	*"release eth0"* | *"detach eth0"*) requests_settle ;;
	esac >/dev/null 2>&1
}

# made COUNT: requests, one after the other, on connections of their own.
made() {
	local i
	for ((i = 0; i < $1; i++)); do
		fetch "$ONLINE_IP" / >/dev/null
	done
}

# The reader's question after these: does the target get what clients ask for?
after() {
	case $2 in
	*" record eth0 -w "*)
		wait_for 5 copying || true
		made 10
		requests_settle
		return 0
		;;
	"tcpcopyctl attach eth0 --to 10.0.0.9:8080" | *" --percent 100 "*) ;;
	"tcpcopyctl attach "*" --via vxlan") ;;
	*) return 0 ;;
	esac
	wait_for 5 copying || true
	requests_reset
	made 20
	requests_settle
	is "$1: requests online" "$N_ONLINE" 20
	is "$1: after this line each request reaches the target" "$N_TARGET" "$N_ONLINE"
}

# What is fenced is no command line, or one that stands indented, too.
fenced() {
	local line
	while read -r line; do
		grep -qxF "$line" <(blocks "$TOP/$1" | cut -d ' ' -f 2-) ||
			not_ok "$1: nobody runs: $line (indent it by four columns)"
	done < <(sed -n '/^```/,/^```/s/^\(online# *\|target# *\|\)\(tcpcopyctl\|tcpcopyd\) /\2 /p' \
		"$TOP/$1" | grep -v '\[--')
}

has_vxlan() {
	in_ns sw ip link add probe0 type vxlan id 1 dstport 4789 && ip -n "$LAB_ID-sw" link del probe0
}

page() {
	local page=$1 host line hosts n=0
	while read -r host line; do
		if [[ $line == *"--via vxlan"* ]] && ! has_vxlan 2>/dev/null; then
			skip "$page: $line: this needs VXLAN devices (CONFIG_VXLAN)"
			continue
		fi
		hosts=$host
		[ "$host" != both ] || hosts="online target"
		for host in $hosts; do
			before "$line"
			if run "$host" "$line"; then
				ok "$page: $host# $line"
			else
				not_ok "$page: $host# $line: $(tail -n 3 "$LAB_DIR/out" | xargs -0)"
			fi
		done
		after "$page" "$line"
		n=$((n + 1))
	done < <(blocks "$TOP/$page")
	fenced "$page"
	compare "command lines of $page that were run" "$n" ">=" 20
}

lab_up
lab_nginx online
lab_nginx target
tools online
tools target
for name in README.md docs/operations.md; do
	page "$name"
	copy_down
	is "left behind at the end of $name" "$(left_over online; left_over target)" ""
	rm -rf "$LAB_DIR"/etc-*
done
tap_done

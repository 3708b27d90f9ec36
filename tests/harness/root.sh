# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# root.sh - fresh Debian roots for the hosts of a lab. Sourced after lab.sh by scripts of
# `make test-install`.
#
# A base is bootstrapped once, from the mirror that this machine's apt uses, and kept in BUILD. Each
# host has a layer of its own above it, and a mount namespace of its own that a process of the lab
# holds: all mounts go with that process.

ROOT_BASE=          # directory of the base
ROOT_LACKS=         # why there is none
declare -A ROOT_PID # holder of a host's mount namespace

# debian_sources: "URI SUITE" of the distribution's main archive, as apt knows it.
debian_sources() {
	# shellcheck disable=SC2016 # apt expands it
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT) $(LABEL) $(CODENAME)' \
		'Identifier: Packages' 2>/dev/null |
		awk '$3 == "main" && $4 == "Debian" && $2 == $5 { print $1, $2; exit }'
}

# root_base: make it, if it is not there; ROOT_BASE. Otherwise 1, and ROOT_LACKS says what is lacking.
root_base() {
	local uri suite new
	if ! command -v debootstrap >/dev/null; then
		ROOT_LACKS=debootstrap
		return 1
	fi
	read -r uri suite < <(debian_sources) || true
	if [ -z "${suite:-}" ]; then
		ROOT_LACKS="a Debian archive in apt's sources"
		return 1
	fi
	ROOT_BASE=$TCPC_BUILD/root-$suite
	[ ! -e "$ROOT_BASE/made" ] || return 0
	new=$ROOT_BASE.$$
	mkdir -p "$new"
	if ! debootstrap --variant=minbase "$suite" "$new/root" "$uri" >"$new/log" 2>&1 ||
		! chroot "$new/root" apt-get update -qq >>"$new/log" 2>&1; then
		ROOT_LACKS="a mirror that answers (the log is $new/log)"
		return 1
	fi
	rm -rf "$ROOT_BASE"
	mv "$new" "$ROOT_BASE"
	touch "$ROOT_BASE/made"
}

# root_fetch PACKAGE-FILE: what it depends on, into the base's cache of packages: hosts of a lab
# have no way to a mirror.
root_fetch() {
	cp "$1" "$ROOT_BASE/root/tmp/"
	chroot "$ROOT_BASE/root" apt-get install -y -qq --no-install-recommends --download-only \
		"/tmp/${1##*/}" >"$ROOT_BASE/fetch.log" 2>&1 </dev/null || {
		tail -n 3 "$ROOT_BASE/fetch.log" >&2
		return 1
	}
	rm "$ROOT_BASE/root/tmp/${1##*/}"
}

# root_hold ROOT LAYER: what the holder does in its new mount namespace: a root as a booted host has.
root_hold() {
	local root=$1 layer=$2
	mkdir -p "$root" "$layer/upper" "$layer/work"
	mount -t overlay overlay -o "lowerdir=$ROOT_BASE/root,upperdir=$layer/upper,workdir=$layer/work" \
		"$root"
	mount -t proc proc "$root/proc"
	mount -t sysfs sysfs "$root/sys"
	mount -t bpf bpf "$root/sys/fs/bpf"
	mount --rbind /dev "$root/dev"
	mount -t tmpfs tmpfs "$root/run"
	# debootstrap leaves this to the installer.
	[ -e "$root/etc/hosts" ] || printf '%s\tlocalhost\n' 127.0.0.1 ::1 >"$root/etc/hosts"
	echo ready
	exec sleep infinity
}

# root_up HOST: give it one.
root_up() {
	local log=$LAB_DIR/root-$1.log
	export ROOT_BASE
	export -f root_hold
	lab_spawn "$1" "$log" unshare --mount --propagation private \
		bash -ec 'root_hold "$@"' bash "$LAB_DIR/root-$1" "$LAB_DIR/layer-$1"
	# shellcheck disable=SC2034
	ROOT_PID[$1]=$LAST_PID
	wait_for 10 grep -q ready "$log" || lab_die "no root for $1: $(cat "$log")"
}

# in_root HOST COMMAND...: run there, in its root, its network, with the environment of a service.
in_root() {
	local host=$1
	shift
	nsenter --mount="/proc/${ROOT_PID[$host]}/ns/mnt" --net="$(ns_path "$host")" -- \
		env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C \
		DEBIAN_FRONTEND=noninteractive TERM=dumb \
		chroot "$LAB_DIR/root-$host" "$@"
}

# root_files HOST: what is there but what the package manager keeps for itself.
root_files() {
	in_root "$1" find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run \
		-o -path /tmp -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/cache -o -path /var/log \
		\) -prune -o ! -path '*/__pycache__*' -print | sort
}

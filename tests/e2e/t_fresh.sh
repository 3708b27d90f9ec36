#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What a newcomer types first, in a fresh Debian root that has nothing but make: the targets named in
# FRESH_TARGETS (demo; "demo check test" takes half an hour) install what they need themselves.
# by hand: make test-install
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"
# shellcheck source=tests/harness/root.sh
. "$(dirname "$0")/../harness/root.sh"

SOURCE=$(realpath "$(dirname "$0")/../..")
WITHIN=1700 # seconds
read -r -a TARGETS <<<"${FRESH_TARGETS:-demo}"

# The files of the repository, as they are now, and nothing that was built.
sources() {
	(cd "$SOURCE" && tar c --exclude=./build --exclude=./.git .) |
		in_root client tar x --one-top-level=/src -f -
}

# with_network COMMAND...: in the root, but in the network of this machine, which has the way to the
# mirror. The labs that the targets make are namespaces in it, as always.
with_network() {
	nsenter --mount="/proc/${ROOT_PID[client]}/ns/mnt" -- env -i \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb \
		chroot "$LAB_DIR/root-client" timeout "$WITHIN" "$@"
}

if [ "$(id -u)" != 0 ] || ! root_base; then
	skip "this needs ${ROOT_LACKS:-root}"
	tap_done
	exit 0
fi
lab_up
root_up client
sources
with_network sh -c 'apt-get update -qq && apt-get install -y -qq --no-install-recommends make' \
	>"$LAB_DIR/make.log" 2>&1 </dev/null || {
	skip "this needs a mirror for make: $(tail -n 1 "$LAB_DIR/make.log")"
	tap_done
	exit 0
}
for target in "${TARGETS[@]}"; do
	began=$SECONDS
	status=0
	with_network make -C /src "$target" >"$LAB_DIR/$target.log" 2>&1 </dev/null || status=$?
	is "make $target: exit status, after $((SECONDS - began)) s" "$status" 0
	note "$(grep -v '^make' "$LAB_DIR/$target.log" | tail -n 1)"
	grep -E 'skip -|# SKIP' "$LAB_DIR/$target.log" | sort | uniq -c | sed 's/^/# /' || true
	[ "$status" = 0 ] || tail -n 40 "$LAB_DIR/$target.log" | sed 's/^/# /'
	[ -z "${FRESH_LOGS:-}" ] || cp "$LAB_DIR/$target.log" "$FRESH_LOGS/"
done
tap_done

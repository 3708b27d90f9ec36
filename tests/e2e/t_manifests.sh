#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The recipe of a container image and the manifests for Kubernetes: as far as can be said without
# either. Needs no network and no root.
# mostly waits
set -euo pipefail
HERE=$(realpath "$(dirname "$0")")
# shellcheck source=tests/harness/tap.sh
. "$HERE/../harness/tap.sh"
TCPC_BUILD=$(realpath -m "${TCPC_BUILD:-$HERE/../../build}")
trap 'tap_on_exit $?' EXIT
cd "$HERE/../.."

MANIFESTS=scripts/kubernetes
RECIPE=scripts/container/Dockerfile
SPOILED= # a copy that is made wrong

read_with() {
	"$HERE/manifests.py" "$@"
}

version() {
	"$TCPC_BUILD/tcpcopyctl" --run-dir /nonexistent version | awk 'NR == 1 { print $2 }'
}

# noticed TEXT SED FILE: the checker finds it when that is done to a copy of the file.
noticed() {
	local said
	rm -rf "$SPOILED/copy"
	cp -r "$(dirname "$3")" "$SPOILED/copy"
	sed -i "$2" "$SPOILED/copy/$(basename "$3")"
	if cmp -s "$3" "$SPOILED/copy/$(basename "$3")"; then
		not_ok "control: $1: nothing to spoil in $3"
		return
	fi
	case $3 in
	*.yaml) said=$(read_with kubernetes "$SPOILED/copy" 2>&1 | tail -n 1) || true ;;
	*) said=$(read_with dockerfile "$SPOILED/copy/Dockerfile" 2>&1 | tail -n 1) || true ;;
	esac
	if [ -n "$said" ]; then
		ok "control: $1: $said"
	else
		not_ok "control: $1 is not noticed"
	fi
}

controls() {
	SPOILED=$(mktemp -d)
	trap 'status=$?; rm -rf "$SPOILED"; tap_on_exit $status' EXIT
	noticed "an indentation that is wrong" 's/^  name: tcpcopy-online/ name: x/' $MANIFESTS/online.yaml
	noticed "a field with a slip" 's/hostNetwork/hostNetwrok/' $MANIFESTS/online.yaml
	noticed "a selector that selects nothing" '/^      labels:/,/^    spec/s/component: target/component: other/' \
		$MANIFESTS/target.yaml
	noticed "one capability more" 's/PERFMON\]/PERFMON, SYS_ADMIN]/' $MANIFESTS/sidecar.yaml
	noticed "a volume that is not there" '0,/- name: bpffs/s//- name: other/' $MANIFESTS/sidecar.yaml
	noticed "a key that others may read" 's/0400/0444/' $MANIFESTS/target.yaml
	noticed "an instruction with a slip" 's/^STOPSIGNAL/STOPSINGAL/' $RECIPE
	noticed "a shell line that does not end" 's/^RUN make/RUN if make/' $RECIPE
}

# Words that the programs themselves judge: commands (2 is bad usage), options.
words() {
	local line words n=0 status
	while IFS= read -r line; do
		read -r -a words <<<"$line"
		n=$((n + 1))
		status=0
		"$TCPC_BUILD/tcpcopyctl" --run-dir /nonexistent "${words[@]}" >/dev/null 2>&1 || status=$?
		is "tcpcopyctl takes: $line" "$status" 1 # there is no daemon
	done < <(read_with commands $MANIFESTS)
	compare "commands in ConfigMaps" "$n" ">=" 3
	is "options in manifests and recipe that tcpcopyd has not" \
		"$( (read_with arguments $MANIFESTS; grep '^CMD' $RECIPE | grep -Eo -- '--[a-z-]+') | sort -u |
			comm -23 - <("$TCPC_BUILD/tcpcopyd" --help | grep -Eo -- '--[a-z-]+' | sort -u) | xargs)" ""
}

if ! python3 -c 'import yaml' 2>/dev/null; then
	skip "this needs python3-yaml"
	tap_done
	exit 0
fi
is "what is wrong with the manifests" "$(read_with kubernetes $MANIFESTS 2>&1)" ""
is "what is wrong with the recipe" "$(read_with dockerfile $RECIPE 2>&1)" ""
is "images" "$(read_with images $MANIFESTS)" "tcpcopy:$(version)"
is "images that the recipe's comments speak of" "$(grep -Eo 'tcpcopy:[0-9][0-9.]*' $RECIPE | sort -u)" \
	"tcpcopy:$(version)"
is "capabilities in the recipe's comments" "$(grep -Eo -- '--cap-add [A-Z_]+' $RECIPE | sort | xargs)" \
	"--cap-add BPF --cap-add NET_ADMIN --cap-add NET_RAW --cap-add PERFMON"
words
controls
tap_done

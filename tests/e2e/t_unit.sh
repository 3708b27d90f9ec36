#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The systemd unit gives the daemon what it keeps anyway, and little else. No network.
# mostly waits
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"

UNIT=$(dirname "$0")/../../scripts/systemd/tcpcopyd.service
EXPOSURE=25 # tenths. What is left: uid 0, the host's network, NET_ADMIN, NET_RAW, BPF, /dev/net/tun

trap 'tap_on_exit $?' EXIT
is "capabilities in the unit" "$(sed -n 's/^CapabilityBoundingSet=//p' "$UNIT")" \
	"CAP_BPF CAP_NET_ADMIN CAP_NET_RAW CAP_PERFMON"
if ! command -v systemd-analyze >/dev/null ||
	! systemd-analyze security --help 2>/dev/null | grep -q -- --offline; then
	skip "this needs systemd-analyze security --offline (systemd 250)"
	tap_done
	exit 0
fi
said=$(systemd-analyze security --offline=true --no-pager --threshold="$EXPOSURE" "$UNIT" 2>&1) &&
	status=0 || status=$?
is "exposure is at most $EXPOSURE tenths: $(tail -n 1 <<<"$said" | tr -dc ' -~'): exit status" \
	"$status" 0
is "lines that systemd does not know" "$(grep -ci 'unknown' <<<"$said" || true)" 0
tap_done

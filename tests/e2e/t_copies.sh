#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# --copies: live traffic, several times over. Each copy of each request reaches the target, exactly:
# ten of keep-alive traffic and of one connection a request, a hundred at a low rate. Copies come
# from sources of their own, whose answers stay inside as all others do (invariant 2).
# engines: nfqueue
# mostly waits
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

POOL=198.19.0.0/16
[ "$LAB_FAMILY" = 4 ] || POOL=2001:2:1::/48

# requests_at COUNT PARALLEL: each has its own connection, so many at once.
requests_at() {
	local n=$1 parallel=$2
	seq "$n" | in_ns client xargs -P "$parallel" -I{} curl -s -o /dev/null \
		--noproxy '*' --max-time 10 --interface "$CLIENT_IP" "http://$(lab_host_port "$ONLINE_IP" "$PORT")/m/{}"
}

# all_there TEXT COPIES: the target has had just so many times what the online host had.
all_there() {
	local want
	want=$(($(requests online) * $2))
	wait_for 20 requests_are target "$want" || true
	is "$1: requests at the target" "$(requests target)" "$want"
}

counter() {
	ctl_json online ".result.online.$1" stats
}

no_loss() {
	is "$1: collisions" "$(counter source_collision)" 0
	is "$1: exchanges lost" "$(ctl_json online '.result.total.exchanges.lost' ledger)" 0
}

# with_copies N SOURCE: attach anew.
with_copies() {
	ask online detach eth0 2>/dev/null || true
	requests_reset
	ATTACH=(--copies "$1" --source "$2")
	attach
	wait_for 5 copying || lab_die "copying does not begin: $(ctl online status)"
}

lab_up
lab_nginx online
lab_nginx target
# The way back to mapped sources: a router that is there, for engine tc sends at it.
ip -n "$LAB_ID-target" route add "$POOL" via "$CLIENT_IP"
DEFAULT_POOL=198.18.0.0/15
[ "$LAB_FAMILY" = 4 ] || DEFAULT_POOL=2001:2::/64 # the part of it that is used
ip -n "$LAB_ID-target" route add "$DEFAULT_POOL" via "$CLIENT_IP"
leak_start
daemons_up
intercept

with_copies 10 "$POOL"
is "status shows it" "$(ctl_json online '.result.online[0] | "\(.copies) \(.source)"' status)" \
	"10 $POOL"
cat >"$LAB_DIR/paced.lua" <<'END'
function delay() return 20 end
END
try "10 copies, keep-alive: no error" load 3 8 / -s "$LAB_DIR/paced.lua"
compare "10 copies, keep-alive: requests online" "$(requests online)" ">=" 500
all_there "10 copies, keep-alive" 10
no_loss "10 copies, keep-alive"
requests_reset
try "10 copies, one connection a request: no error" requests_at 300 4
compare "10 copies, one connection a request: requests online" "$(requests online)" "==" 300
all_there "10 copies, one connection a request" 10
no_loss "10 copies, one connection a request"
is "all from the pool" "$(counter mapped)" "$(counter copied)"

with_copies 100 keep
try "100 copies: no error" requests_at 40 1
all_there "100 copies, the first one from its client" 100
no_loss "100 copies"
is "requests from the client itself" "$(requests_match "^$CLIENT_IP " target)" 40
is "each request a hundred times" \
	"$(awk '{ n[$3]++ } END { for (i in n) print n[i] }' \
		"$LAB_DIR/nginx-target/access.log" | sort -u)" 100
[ "$TAP_FAILED" -eq 0 ] || show_counters
copy_down
leak_end "all of it"
tap_done

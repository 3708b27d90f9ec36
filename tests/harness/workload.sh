# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# workload.sh - what the workloads (tests/e2e/workloads/*.sh) share: copying with an engine and a
# family, servers that go with the cell, counts, and what may explain a missing request. Sourced
# after lab.sh.
#
# A workload NAME is a function work_NAME (- is written _). It starts its servers, calls work_copy,
# makes its load, and says what both applications saw: W_ONLINE and W_TARGET, and work_wrong for
# whatever else is not as it ought to be. `work NAME` runs one, with daemons of its own.

ENGINE=${TCPC_ENGINE:-nfqueue} # nfqueue, tc
FAMILY=${TCPC_FAMILY:-4}       # 4, 6
SCALE=${TCPC_SCALE:-short}     # short: a few seconds; long: what scripts/table runs
PACE=${TCPC_PACE:-full}        # full: as fast as it goes; paced: with pauses, so that CPUs idle
LOSS=${TCPC_LOSS:-}            # percent of copies and of the link's packets that a router loses

W_ONLINE= W_TARGET= # requests that the applications saw
W_LEAST=            # requests online below which a run would prove little
W_PERCENT=          # of the requests that must arrive
W_WRONG=()          # everything else that is not as it ought to be
W_SERVERS=()        # processes of this cell
W_FACTS=            # figures for the reader, no results
W_KEEP=             # set: the daemons stay for the next cell, which saves 4 s
W_COPYING=none      # the options of intercept that are in force

# shellcheck source=tests/harness/loss.sh
[ -z "$LOSS" ] || . "$LAB_HERE/loss.sh"

if [ "$FAMILY" = 6 ]; then
	# shellcheck disable=SC2034 # read by lab.sh
	LAB_V6=yes
	W_ONLINE_IP=$LAB_NET6::2 W_TARGET_IP=$LAB_NET6::3 W_ANY=:: W_LO=::1
	W_ONLINE_AT="[$W_ONLINE_IP]:$PORT" W_TARGET_AT="[$W_TARGET_IP]:$PORT"
	W_CLIENTS=("$LAB_NET6::1" "$LAB_NET6"::{101..120})
else
	W_ONLINE_IP=$ONLINE_IP W_TARGET_IP=$TARGET_IP W_ANY=0.0.0.0 W_LO=127.0.0.1
	W_ONLINE_AT=$ONLINE_IP:$PORT W_TARGET_AT=$TARGET_IP:$PORT
	W_CLIENTS=("$CLIENT_IP" "$LAB_NET".{101..120})
fi

# work_lab: the lab, with the clients' addresses of the family, and the router that loses packets.
work_lab() {
	local address
	lab_up
	[ -z "$LOSS" ] || loss_lab
	[ "$FAMILY" = 6 ] || return 0
	for address in "${W_CLIENTS[@]}"; do
		ip -n "$LAB_ID-client" addr replace "$address/64" dev eth0 nodad
	done
}

# pick SHORT LONG: the one for this scale.
pick() {
	if [ "$SCALE" = long ]; then echo "$2"; else echo "$1"; fi
}

# work_wrong TEXT: counts as a failure of the cell.
work_wrong() {
	W_WRONG+=("$*")
}

# work_fact NAME=VALUE: for the reader.
work_fact() {
	W_FACTS+=" $*"
}

# work_try TEXT COMMAND...: it is wrong when the command fails.
work_try() {
	local text=$1
	shift
	"$@" || work_wrong "$text"
}

# work_same TEXT TARGET ONLINE: it is wrong when both differ.
work_same() {
	[ "$2" = "$3" ] || work_wrong "$1: ${2:-nothing}, online ${3:-nothing}"
}

# ---- copying ----------------------------------------------------------------------------------

# work_intercept [OPTIONS]: the target's side.
work_intercept() {
	ask target intercept eth0 --port "$PORT" --engine "$ENGINE" "$@" ||
		lab_die "intercept --engine $ENGINE failed"
}

# work_attach: the online side; returns when copies flow.
work_attach() {
	ask online attach eth0 --to "$W_TARGET_AT" || lab_die "attach failed"
	wait_for 5 copying || lab_die "copying does not begin: $(ctl online status)"
}

# work_copy [OPTIONS OF intercept]: both daemons, in force.
work_copy() {
	[ "$W_COPYING" != "$*" ] || return 0
	work_copy_down
	W_COPYING=$*
	daemons_up
	work_watch
	work_intercept "$@"
	work_attach
	[ -z "$LOSS" ] || loss_begin
}

# work_watch: with TCPC_CAPTURE=FILE, everything that the target sees on any device, for the finder of
# a cause: copies as they come, those that come back from the hold queue, and reflected ACKs on lo.
work_watch() {
	[ -z "${TCPC_CAPTURE:-}" ] || lab_spawn target "$LAB_DIR/watch.txt" tcpdump -i any -n -s 200 \
		-B 65536 -Z root -w "$TCPC_CAPTURE" "tcp port $PORT"
}

work_copy_down() {
	W_COPYING=none
	copy_down
}

# target_stat PART.NAME: a counter of the target's daemon.
target_stat() {
	ctl_json target ".result.$1" stats
}

hold_empty() {
	[ "$(target_stat hold.connections)" = 0 ]
}

# ---- servers ----------------------------------------------------------------------------------

# work_serve HOST COMMAND...: a server on PORT there, for this cell. Its output is HOST.txt.
work_serve() {
	local host=$1
	lab_spawn "$host" "$LAB_DIR/$host.txt" "${@:2}"
	W_SERVERS+=("$LAST_PID")
	wait_for 10 lab_listening "$host" "$PORT" ||
		lab_die "$2 in $host does not listen: $(tail -n 3 "$LAB_DIR/$host.txt")"
}

# work_log HOST: what the server there wrote: one line a request.
work_log() {
	if [ -e "$LAB_DIR/nginx-$1/access.log" ]; then
		echo "$LAB_DIR/nginx-$1/access.log"
	else
		echo "$LAB_DIR/$1.txt"
	fi
}

# work_requests HOST: lines there.
work_requests() {
	wc -l <"$(work_log "$1")"
}

# work_settle [SECONDS]: until the target has as many as the online host, or for SECONDS (2) nothing
# has come and nothing has left its hold queue: what waits there is late, not lost. Sets W_ONLINE and
# W_TARGET.
work_settle() {
	local quiet=${1:-2} before=-1 now
	while :; do
		W_ONLINE=$(work_requests online)
		W_TARGET=$(work_requests target)
		now=$(work_progress)
		[ "$W_TARGET" -lt "$W_ONLINE" ] && [ "$now" -gt "$before" ] || break
		before=$now
		wait_for "$quiet" work_moved "$before" || true
	done
}

# work_progress: a number that grows while anything goes on at the target.
work_progress() {
	local released
	released=$(ctl_json target .result.hold.released stats 2>&1) || released=0
	echo "$(($(work_requests target) + released))"
}

work_moved() {
	[ "$(work_progress)" -gt "$1" ]
}

# work_same_log [FIELDS]: both servers' logs have the same lines, whatever their order (fields as
# cut knows them).
work_same_log() {
	local fields=${1:-1-} differ
	differ=$(comm -3 <(work_sorted online "$fields") <(work_sorted target "$fields") |
		awk -F'\t' '$1 != "" { lost++ } $1 == "" { more++ }
			NR == 1 { first = $0; sub(/^\t/, "", first) }
			END { if (NR) printf "%d lines online only, %d at the target only, first: %s",
				lost, more, first }')
	[ -z "$differ" ] || work_wrong "logs differ: $differ"
}

work_sorted() {
	cut -d ' ' -f "$2" "$(work_log "$1")" | LC_ALL=C sort
}

# ---- cells ------------------------------------------------------------------------------------

# work NAME: run one workload and report it (work_report is the caller's).
work() {
	W_ONLINE=0 W_TARGET=0 W_LEAST=1 W_PERCENT=100 W_WRONG=() W_FACTS= LOSS_EXCHANGES=1
	rm -rf "$LAB_DIR"/nginx-* "$LAB_DIR"/{online,target}.txt
	work_nstat >"$LAB_DIR/nstat-before"
	"work_${1//-/_}"
	work_report "$1"
	work_servers_stop
	[ -n "$W_KEEP" ] || work_copy_down
}

work_servers_stop() {
	local pid
	for pid in "${W_SERVERS[@]}"; do
		lab_stop "$pid" || true
	done
	W_SERVERS=()
}

# work_nstat: what the target's TCP had to refuse, drop or give up: NAME VALUE.
work_nstat() {
	in_ns target nstat -asz --json | jq -r '.kernel | to_entries[] | select(.key | test(
		"Overflow|Drop|Challenge|PAWS|Beyond|Prun|Abort|OFO|Reject|Cookie|RetransSegs|CsumErr"
		)) | "\(.key) \(.value)"'
}

# work_reasons: on one line, all that may explain a missing request.
work_reasons() {
	work_nstat | awk 'NR == FNR { before[$1] = $2; next }
		$2 > before[$1] { printf "%s=%d ", $1, $2 - before[$1] }' "$LAB_DIR/nstat-before" -
	work_counters online 'clone_failed|not_armed|no_heartbeat|unreadable|malformed|fragment|stray|
		|target_not_ready|target_no_route|rewrite_failed|resets'
	work_counters target 'no_connection|no_listener|early_reset|unreadable|rewrite_failed|adopted|
		|old_ended|held|held_window|bad_options|draining|malformed|fragment|icmp_dropped|enobufs|
		|overflow|send_failed|inject_failed|released_quiet|released_late|shed_lag|shed_full|lost|
		|device_dropped|write_failed|connections|bytes'
}

# work_counters HOST NAMES: those that are not zero.
work_counters() {
	ctl "$1" --json stats | jq -rj --arg names "^(${2//[$'\n\t']/})$" '.result | to_entries[] |
		.key as $part | select($part != "feedback") | .value | to_entries[] |
		select(.value != 0 and (.key | test($names))) | "\($part).\(.key)=\(.value) "'
}

# work_percent: of the requests, with as many digits as tell one missing from none.
work_percent() {
	awk -v t="$W_TARGET" -v o="$W_ONLINE" 'BEGIN { printf "%.4f", o ? 100 * t / o : 0 }'
}

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# matrix.sh - one fault after another under load, and how long copying took to end and to come back.
# Sourced by the t_matrix*.sh, behind tap.sh and lab.sh.
#
# A case is a function. It makes things break after `broke`, mends them (or has them mended) after
# `healed`, and leaves judging to matrix_case: no client may see an error, nothing may leak, copying
# must have stopped within a second where STOPS is yes, and be back by the end unless BACK is no.

MATRIX_RUNS=${MATRIX_RUNS:-1}
MATRIX_ONLY=${MATRIX_ONLY:-} # a pattern: cases whose name matches
MATRIX_TABLE=()
SERVICE_FILTER="tcp dst port $PORT and not dst host $ONLINE_IP"
declare -A CONFIG # HOST: the commands of its daemon, one a line
BROKE_AT=0 HEALED_AT=0
STOPS=yes BACK=yes

# matrix_config: what both daemons do from their start on, so that a new one does it by itself.
matrix_config() {
	CONFIG[target]="intercept eth0 --port $PORT --engine $ENGINE"
	CONFIG[online]="attach eth0 --to $(lab_host_port "$TARGET_IP" "$PORT") ${ATTACH[*]}"
}

# daemon_up HOST: with its configuration.
daemon_up() {
	local file=$LAB_DIR/$1.conf
	printf '%s\n' "${CONFIG[$1]}" >"$file"
	lab_daemon "$1" --config "$file"
}

# broke: now. Set it just before the fault.
broke() {
	BROKE_AT=$(now_us)
}

# healed: from now on it should come back. Without it: it should be back all the time.
healed() {
	HEALED_AT=$(now_us)
}

# stays_broken: long enough to see whether copying stops.
stays_broken() {
	sleep 1.3
}

# matrix_load: what clients do all the time, 500 requests a second at most, a third of them with a
# connection of its own.
matrix_load() {
	local delay='function delay() return 10 end'
	echo "$delay" >"$LAB_DIR/paced.lua"
	printf 'wrk.headers["Connection"] = "close"\n%s\n' "$delay" >"$LAB_DIR/paced-close.lua"
	load_start 40 4 / -s "$LAB_DIR/paced.lua"
	load_start 40 2 / -s "$LAB_DIR/paced-close.lua"
}

# flows: some requests have come to the target from now on.
flows() {
	local before
	before=$(requests target)
	wait_for 10 requests_are target $((before + 30))
}

# wires_watched: on every port of the switch, since ports come and go with their interfaces.
wires_watched() {
	capture_start copies sw any "$SERVICE_FILTER"
	capture_start leak sw any "(tcp src port $PORT and not src host $ONLINE_IP) or
		(icmp and src host $TARGET_IP and not dst host $ONLINE_IP)"
}

# matrix_control: a detector that sees nothing would pass everything.
matrix_control() {
	wires_watched
	is "control: without us the target answers the client" "$(fetch "$TARGET_IP" /)" 200
	wires_end
	compare "control: leaked packets seen" "$LEAKED" ">=" 3
}

# wires_end: sets LEAKED, STOP_MS and BACK_MS.
wires_end() {
	capture_stop leak
	LEAKED=$CAPTURED
	capture_stop copies
	read -r STOP_MS BACK_MS < <("$LAB_HERE/../e2e/gap.py" "$LAB_DIR/copies.pcap" \
		"$BROKE_AT" "$HEALED_AT")
}

# matrix_judge NAME ERRORS
matrix_judge() {
	is "$1: errors of clients" "$2" 0
	is "$1: packets leaked" "$LEAKED" 0
	[ "$LEAKED" = 0 ] || capture_show leak
	if [ "$STOPS" = yes ]; then
		compare "$1: ms until copying stopped" "$STOP_MS" "<" 1000
	else
		STOP_MS="goes on"
	fi
	if [ "$BACK" = yes ]; then
		compare "$1: ms until copying was back" "$BACK_MS" "<" 10000
	fi
	MATRIX_TABLE+=("$(printf '%-42s %7s %7s %9s %9s' "$1" "$2" "$LEAKED" "$STOP_MS" \
		"$BACK_MS")")
}

# matrix_once NAME FUNCTION
matrix_once() {
	local errors=0
	requests_reset
	STOPS=yes BACK=yes BROKE_AT=0 HEALED_AT=0
	wires_watched
	daemon_up target
	daemon_up online
	wait_for 5 copying || not_ok "$1: copying does not begin"
	matrix_load
	flows || not_ok "$1: no copies arrive"
	"$2" "$1"
	if [ "$BACK" = yes ]; then
		flows || not_ok "$1: copies do not arrive again"
	fi
	load_goes_on_slowly || errors=1
	load_stop || errors=1
	copy_down
	wires_end
	matrix_judge "$1" "$errors"
	is "$1: left over" "$(left_over target)$(left_over online)" ""
}

load_goes_on_slowly() {
	wait_for 10 requests_are online $(($(requests online) + 30))
}

# matrix_case NAME FUNCTION: as often as MATRIX_RUNS says.
matrix_case() {
	local i
	[[ $1 =~ $MATRIX_ONLY ]] || return 0
	for ((i = 0; i < MATRIX_RUNS; i++)); do
		matrix_once "$@"
	done
}

# matrix_show: one row a run.
matrix_show() {
	local row
	note "$(printf '%-42s %7s %7s %9s %9s' "case" errors leaked "stop ms" "back ms")"
	for row in "${MATRIX_TABLE[@]}"; do
		note "$row"
	done
}

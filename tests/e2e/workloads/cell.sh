#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# One cell of the table in a lab of its own; scripts/table runs it.
#
#	TCPC_ENGINE= TCPC_FAMILY= TCPC_SCALE= TCPC_PACE= cell.sh WORKLOAD	one line
#	cell.sh --list								all workloads
#
# Exit status: 0 the cell is as it ought to be, 1 it is not, 2 the lab cannot be built.
set -euo pipefail
CELL_HERE=$(dirname "$0")
CELL_SCALE=${TCPC_SCALE:-long}
TCPC_SCALE=$CELL_SCALE
# shellcheck source=tests/harness/lab.sh
. "$CELL_HERE/../../harness/lab.sh"
# shellcheck source=tests/harness/workload.sh
. "$CELL_HERE/../../harness/workload.sh"
for group in nginx streams redis slow postgres smtp adopt many; do
	# shellcheck source=/dev/null
	. "$CELL_HERE/$group.sh"
done

CELLS="keepalive close answers-100k answers-10m pipelined post-32k upload-10m chunked expect
	h2 h2-uploads h2-streams lines redis redis-pipelined
	slow-keep slow-close slow-reset slow-half overload
	pgbench-1 pgbench-4 pgbench-8 pgbench-prepared pgbench-connect
	smtp adopt-busy adopt-uploads open-10k new-5k"

# work_report NAME: engine, family, workload, pace, target / online, percent, figures; what is wrong;
# what may explain it.
work_report() {
	local wrong=() reasons
	awk -v p="$(work_percent)" -v w="$W_PERCENT" 'BEGIN { exit !(p + 0 >= w + 0) }' ||
		wrong+=("requests are missing")
	[ "$W_TARGET" -le "$W_ONLINE" ] || wrong+=("more at the target than online")
	[ "$W_ONLINE" -ge "$W_LEAST" ] || wrong+=("too few requests to tell")
	wrong+=("${W_WRONG[@]}")
	printf '%-7s v%s %-16s %-5s %9s / %-9s %8s %%%s' "$ENGINE" "$FAMILY" "$1" "$PACE" \
		"$W_TARGET" "$W_ONLINE" "$(work_percent)" "$W_FACTS"
	if [ "${#wrong[@]}" -gt 0 ]; then
		CELL_STATUS=1
		reasons=$(work_reasons)
		printf ' WRONG: %s WHY: %s' "$(printf '%s; ' "${wrong[@]}")" "${reasons:-no counter}"
	fi
	printf '\n'
}

# shellcheck disable=SC2317 # called by lab.sh
# note TEXT: what the lab has to say to the reader of a failure.
note() {
	printf '# %s\n' "$*" >&2
}

if [ "${1:-}" = --list ]; then
	xargs -n 1 <<<"$CELLS"
	exit 0
fi
declare -F "work_${1//-/_}" >/dev/null || {
	echo "cell: '${1:-}' is no workload; there are: $(xargs <<<"$CELLS")" >&2
	exit 2
}
CELL_STATUS=0
work_lab
work "$1"
# With TCPC_KEEP_LOGS=DIRECTORY, what daemons, servers and clients wrote.
if [ -n "${TCPC_KEEP_LOGS:-}" ]; then
	mkdir -p "$TCPC_KEEP_LOGS"
	find "$LAB_DIR" -maxdepth 2 -name '*.log' -exec cp --backup=numbered {} "$TCPC_KEEP_LOGS" \;
	find "$LAB_DIR" -maxdepth 1 -name '*.txt' -exec cp {} "$TCPC_KEEP_LOGS" \;
fi
exit "$CELL_STATUS"

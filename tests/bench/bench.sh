# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# bench.sh - what the benchmarks in labs share. A benchmark compares variants within one run: they
# take turns, so that what else the machine does hits all of them, and the medians are shown. Sourced
# after lab.sh. Nothing here passes or fails.

BENCH_ROUNDS=${BENCH_ROUNDS:-3}   # of each variant
BENCH_SECONDS=${BENCH_SECONDS:-2} # of load, each time
declare -A BENCH_ROWS=()          # figures by "VARIANT COLUMN", separated by blanks

# bench_note VARIANT COLUMN VALUE: one more figure.
bench_note() {
	BENCH_ROWS["$1 $2"]+=" $3"
}

# bench_median VARIANT COLUMN: - if there is none.
bench_median() {
	xargs -n 1 <<<"${BENCH_ROWS["$1 $2"]:-}" | sort -g | awk '
		NF { v[++n] = $1 }
		END { print n ? (n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2) : "-" }'
}

# bench_spread VARIANT COLUMN: lowest and highest.
bench_spread() {
	xargs -n 1 <<<"${BENCH_ROWS["$1 $2"]:-}" | sort -g | awk '
		NF { if (!n++) low = $1; high = $1 } END { print n ? low ".." high : "-" }'
}

# bench_turns COMMAND VARIANT...: run each variant BENCH_ROUNDS times; every second round backwards,
# so that none always comes first.
bench_turns() {
	local command=$1 round variant
	shift
	local forth=("$@") back=()
	for variant in "$@"; do
		back=("$variant" "${back[@]}")
	done
	for ((round = 0; round < BENCH_ROUNDS; round++)); do
		if ((round % 2)); then set -- "${back[@]}"; else set -- "${forth[@]}"; fi
		for variant in "$@"; do
			"$command" "$variant"
		done
	done
}

# bench_pace MS: a script for wrk whose connections wait so long before each request; 0: do not.
bench_pace() {
	if [ "$1" = 0 ]; then
		echo "" >"$LAB_DIR/pace.lua"
	else
		echo "function delay() return $1 end" >"$LAB_DIR/pace.lua"
	fi
	echo "$LAB_DIR/pace.lua"
}

# bench_ratio A B: A as a multiple of B.
bench_ratio() {
	awk -v a="$1" -v b="$2" 'BEGIN { if (b > 0) printf "%.2f", a / b; else print "-" }'
}

# bench_each VARIANT FLOOR COLUMN NAME FORMULA: a column "COLUMN-NAME": in each round, the awk formula
# of VARIANT's figure, a, and FLOOR's, b. What else the machine does changes from round to round.
bench_each() {
	local value i=0 floor
	read -ra floor <<<"${BENCH_ROWS["$2 $3"]:-}"
	BENCH_ROWS["$1 $3-$4"]=
	for value in ${BENCH_ROWS["$1 $3"]:-}; do
		bench_note "$1" "$3-$4" "$(awk -v a="$value" -v b="${floor[i]}" \
			"BEGIN { printf \"%.3f\", ($5) }")"
		i=$((i + 1)) # not above: that is a shell of its own
	done
}

# bench_above VARIANT FLOOR COLUMN: "COLUMN-above", what VARIANT has more.
bench_above() {
	bench_each "$@" above 'a - b'
}

# bench_times VARIANT FLOOR COLUMN: "COLUMN-times", VARIANT as a multiple.
bench_times() {
	bench_each "$@" times 'b > 0 ? a / b : 0'
}

# bench_figure TEXT LIMIT VALUE: a line for the table of figures that have a limit, see scripts/bench.
bench_figure() {
	echo "= $1 | $2 | $3"
}

# process_ns PID: processor time that all its threads have had, in nanoseconds.
process_ns() {
	cat /proc/"$1"/task/*/schedstat | awk '{ ns += $1 } END { printf "%.0f", ns }'
}

# skip TEXT: what lab.sh says when the machine lacks something.
skip() {
	echo "skip - $*"
}

tap_done() {
	:
}

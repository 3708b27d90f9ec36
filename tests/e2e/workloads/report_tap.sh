# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Results of workloads as results of a test (t_work_*.sh). Sourced after workload.sh.

# work_report NAME: the cell that has just been run.
work_report() {
	local failed=$TAP_FAILED
	if [ "$W_PERCENT" = 100 ]; then
		is "$1: requests at the target" "$W_TARGET" "$W_ONLINE"
	else
		compare "$1: percent of $W_ONLINE requests at the target" "$(work_percent)" ">=" \
			"$W_PERCENT"
	fi
	compare "$1: requests online" "$W_ONLINE" ">=" "$W_LEAST"
	is "$1: wrong otherwise" "$(printf '%s; ' "${W_WRONG[@]}" | sed 's/^; $//')" ""
	[ -z "$W_FACTS" ] || note "$1:$W_FACTS"
	[ "$TAP_FAILED" -eq "$failed" ] || note "$1: $(work_reasons)"
}

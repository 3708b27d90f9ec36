# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# loss.sh - workloads over a way that loses packets: every request has an id (its URI, or what stands
# behind the question mark), each must be at the target just once, and what the ledger says must be
# true. Sourced by workload.sh when TCPC_LOSS is set.
# shellcheck source=tests/harness/router.sh
. "$LAB_HERE/router.sh"

LOSS_EXCHANGES=1 # a request
LOSS_SETTLE=30	 # seconds: eight timeouts in a row take 18, the last of a connection come after

# loss_lab: the router, once lab_up is done. Copies go to the target behind it.
loss_lab() {
	LAB_FAMILY=$FAMILY LAB_IPTABLES=iptables
	[ "$FAMILY" = 4 ] || LAB_IPTABLES=ip6tables
	router_up
	W_TARGET_IP=$TARGET_IP
	W_TARGET_AT=$(lab_host_port "$TARGET_IP" "$PORT")
}

# loss_begin: behind attach: a link that does not come up at once is another matter.
loss_begin() {
	router_loses "$LOSS"
	loss_ledger >"$LAB_DIR/ledger-before"
}

# loss_ledger: exchanges copied and lost, and what is not settled yet.
loss_ledger() {
	ctl_json online '.result | [.total.exchanges.copied, .total.exchanges.lost,
		([.total.bytes, .total.exchanges] | map(.in_flight + .held) | add),
		.ledger.resent, .ledger.spurious, .ledger.timeouts] | @tsv' ledger
}

loss_settled() {
	[ "$(loss_ledger | cut -f 3)" = 0 ]
}

# loss_settle: until nothing is under way any more.
loss_settle() {
	wait_for "$LOSS_SETTLE" loss_settled ||
		work_wrong "the ledger still has something under way: $(ctl online ledger | tail -n 3)"
}

# loss_ids HOST: a line a request.
loss_ids() {
	awk '{ print $1, $6, $3, $7 }' "$(work_log "$1")" | LC_ALL=C sort
}

# loss_sizes HOST: the same with their bytes.
loss_sizes() {
	awk '{ print $1, $6, $3, $7, $5 }' "$(work_log "$1")" | LC_ALL=C sort -u
}

# loss_compare: ids, and whether the ledger knows what happened to them.
loss_compare() {
	local missing twice foreign cut
	loss_ids online >"$LAB_DIR/ids-online"
	loss_ids target >"$LAB_DIR/ids-target"
	missing=$(comm -23 "$LAB_DIR/ids-online" <(uniq "$LAB_DIR/ids-target") | wc -l)
	twice=$(uniq -d "$LAB_DIR/ids-target" | wc -l)
	foreign=$(comm -13 "$LAB_DIR/ids-online" <(uniq "$LAB_DIR/ids-target") | wc -l)
	# A server notes a request of which it got only a part, too.
	cut=$(($(comm -13 <(loss_sizes online) <(loss_sizes target) | wc -l) - foreign))
	[ "$(uniq -d "$LAB_DIR/ids-online" | wc -l)" = 0 ] || work_wrong "ids that are not unique"
	work_fact "loss=$LOSS% missing=$missing cut=$cut twice=$twice foreign=$foreign"
	[ "$missing$cut$twice$foreign" = 0000 ] ||
		work_wrong "ids: $missing missing, $cut cut, $twice twice, $foreign foreign"
	loss_judge_ledger "$missing" "$cut"
}

# loss_judge_lost EXCHANGES MISSING CUT: those of a missing request are lost, or but for one that the
# server had and did not note; of one that was cut the last is.
loss_judge_lost() {
	local least=$(($2 + $3)) most=$(($2 * LOSS_EXCHANGES + $3))
	if [ "$1" -lt "$least" ] || [ "$1" -gt "$most" ]; then
		work_wrong "exchanges the ledger has lost: $1, where $2 requests are missing, $3 cut"
	fi
}

# loss_judge_ledger MISSING CUT: copied is what online had, lost what is missing, and sums add up.
loss_judge_ledger() {
	local copied lost before lost_before resent spurious timeouts
	read -r before lost_before _ <"$LAB_DIR/ledger-before"
	read -r copied lost _ resent spurious timeouts < <(loss_ledger)
	work_same "exchanges the ledger has copied" "$((copied - before))" \
		"$(($(work_requests online) * $LOSS_EXCHANGES))"
	loss_judge_lost "$((lost - lost_before))" "$@"
	work_same "sums of the ledger that do not add up" "$(ctl_json online '.result |
		[.total, .targets[]] | map(.bytes, .exchanges) | map(select(.copied !=
		.acknowledged + .held + .in_flight + .lost or .lost != (.reasons | add))) | length' \
		ledger)" 0
	work_fact "dropped=$(router_lost) resent=$resent spurious=$spurious timeouts=$timeouts"
	work_fact "links=$(grep -c 'link lost' "$LAB_DIR/daemon-online.log")"
	[ "$lost" = "$lost_before" ] || work_fact "reasons=$(ctl_json online '.result.total.exchanges
		.reasons | to_entries | map(select(.value > 0) | "\(.key):\(.value)") | join(",")' ledger)"
}

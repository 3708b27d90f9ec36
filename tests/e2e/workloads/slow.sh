# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Targets that are slower than the online host: in the time that each answer takes, and in the number
# of requests they can bear. After nginx.sh.

SLOW=$(dirname "${BASH_SOURCE[0]}")/../slow.py

slow_said() {
	grep -cx -- "$2" "$LAB_DIR/$1.txt" || true
}

# slow_whole HOST COUNT: clients that do not read their answers are done before the servers are.
slow_whole() {
	[ "$(slow_said "$1" request)" -ge "$2" ]
}

# slow_run HOW [WORDS]: 2 ms online, 40 ms at the target; none of WORDS may be said there.
slow_run() {
	local how=$1 word each
	shift
	work_serve online "$SLOW" serve "$PORT" 2 300
	work_serve target "$SLOW" serve "$PORT" 40 300
	work_copy
	each=$(pick 20 200)
	W_LEAST=$((each * 16))
	lab_spawn client "$LAB_DIR/ask.txt" "$SLOW" ask "$W_ONLINE_IP" "$PORT" 16 "$each" 512 "$how"
	lab_wait "$LAST_PID" || work_wrong "clients: $(tail -n 1 "$LAB_DIR/ask.txt")"
	wait_for 10 slow_whole online "$W_LEAST" || true
	W_ONLINE=$(slow_said online request)
	wait_for $((each / 10 + 20)) slow_whole target "$W_ONLINE" || true
	W_TARGET=$(slow_said target request)
	work_try "packets are still held" wait_for 5 hold_empty
	for word in "$@"; do
		work_same "'$word' at the target" "$(slow_said target "$word")" 0
	done
}

work_slow_keep() {
	slow_run keep early early-end early-reset broken
}

work_slow_close() {
	slow_run close early early-end early-reset broken
}

work_slow_reset() {
	slow_run reset early early-end early-reset broken
}

# The FIN comes early by the client's wish; nothing was read before it.
work_slow_half() {
	slow_run half early early-reset broken
}

# resident HOST FIELD: of the daemon there, kB.
resident() {
	awk -v f="$2:" '$1 == f { print $2 }' "/proc/${DAEMON_PID[$1]}/status"
}

HOLD_MB=64
CAPACITY=300 # requests a second at the target: limit_req in nginx.sh

# connections_behind: on how many the target has fewer requests than the online host.
connections_behind() {
	awk 'FILENAME == ARGV[1] { n[$6]++; next } { n[$6]-- }
		END { for (c in n) behind += n[c] > 0; print behind + 0 }' \
		"$LAB_DIR/nginx-online/access.log" "$LAB_DIR/nginx-target/access.log"
}

# slowest_share: requests at the target on the connection that has the fewest there, in percent of
# an equal share.
slowest_share() {
	awk 'FILENAME == ARGV[1] { n[$6] += 0; next } { n[$6]++; all++ }
		END {
			for (c in n) {
				connections++
				if (least == "" || n[c] < least)
					least = n[c]
			}
			print int(100 * least / (all / connections))
		}' "$LAB_DIR/nginx-online/access.log" "$LAB_DIR/nginx-target/access.log"
}

# 32 KB requests as fast as they go at a target that takes 300 a second. What does not fit is given
# up, and said so; all else goes on at the target's own pace, and it catches up afterwards.
work_overload() {
	local seconds rate lost shed
	seconds=$(pick 5 30)
	W_LEAST=2000
	work_nginx online
	work_nginx target "" "limit_req zone=slow burst=100000;"
	work_copy --hold $HOLD_MB
	work_wrk "$seconds" 32 /post -s "$(wrk_script post "wrk.method = 'POST'
		wrk.body = string.rep('x', 32768)")"
	rate=$(($(work_requests target) / seconds))
	work_fact "target=$rate/s"
	[ "$rate" -ge $((CAPACITY * 8 / 10)) ] || work_wrong "the target has but $rate requests a second"
	work_try "packets are still held after 30 s" wait_for 30 hold_empty
	work_settle
	work_same "not 200 at the target" "$(nginx_not_200 target)" 0
	lost=$((W_ONLINE - W_TARGET))
	shed=$(($(target_stat hold.shed_lag) + $(target_stat hold.shed_full)))
	work_fact "lost=$lost shed=$shed adopted=$(target_stat target.adopted)"
	[ "$lost" -le 0 ] || W_PERCENT=0 # by design; what is asked for is below
	[ "$lost" -le 0 ] || [ "$shed" -ge 1 ] || work_wrong "$lost requests lost and nothing shed"
	[ "$(connections_behind)" -le "$shed" ] ||
		work_wrong "$(connections_behind) connections lack requests, $shed were shed"
	# A connection that stands still gets nothing, or what it had before.
	work_fact "slowest=$(slowest_share)%"
	[ "$(slowest_share)" -ge 20 ] || work_wrong "a connection has $(slowest_share) % of its share"
	work_fact "memory=$(resident target VmHWM)kB"
	[ "$(resident target VmHWM)" -le $(((HOLD_MB + 20) * 1024)) ] ||
		work_wrong "the daemon took $(resident target VmHWM) kB, --hold $HOLD_MB MB"
}

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# HTTP/1.1 between nginx and nginx. Each line of the access log is a request; the sixth field is the
# client's port, so that connections can be compared as well, the seventh the request's id where it
# has one (loss.sh).

# work_nginx HOST [OPTIONS OF listen [LINES OF location /post]]: a server for this cell.
work_nginx() {
	local host=$1 dir=$LAB_DIR/nginx-$1
	mkdir -p "$dir/www" "$dir/tmp"
	printf 'one small file\n' >"$dir/www/index.html"
	head -c 102400 /dev/zero | tr '\0' 'x' >"$dir/www/100k"
	head -c 10485760 /dev/zero | tr '\0' 'x' >"$dir/www/10m"
	: >"$dir/access.log"
	lab_nginx_config "$dir" 16000 "${2:-}" "${3:-}" "\$remote_port \$args" >"$dir/nginx.conf"
	# Descriptors for 10,000 connections; of this process alone.
	work_serve "$host" prlimit --nofile=20000 nginx -p "$dir" -e "$dir/error.log" \
		-c "$dir/nginx.conf"
}

# nginx_both: servers on both sides, copying.
nginx_both() {
	work_nginx online
	work_nginx target
	work_copy
}

# nginx_forgive_cut AT_ONCE: wrk resets its connections at its end. What was under way on one, AT_ONCE
# requests at most, a server may have read or not: on each connection so many may differ, either way.
nginx_forgive_cut() {
	local online target cut
	read -r online target cut < <(awk -v most="$1" '
		FILENAME == ARGV[1] { online[$6]++; all[$6]; next }
		{ target[$6]++; all[$6] }
		END {
			for (c in all) {
				differ = online[c] - target[c]
				if (differ >= -most && differ <= most) {
					cut += differ < 0 ? -differ : differ
					online[c] = target[c] = differ < 0 ? online[c] : target[c]
				}
				o += online[c]
				t += target[c]
			}
			print o + 0, t + 0, cut + 0
		}' "$LAB_DIR/nginx-online/access.log" "$LAB_DIR/nginx-target/access.log")
	W_ONLINE=$online W_TARGET=$target
	[ "$cut" = 0 ] || work_fact "cut=$cut"
}

# nginx_compare: counts; the target answered as the online server did, on the same connections.
# wrk cuts off what is under way at its end: that may be a 499 on one side and not on the other.
nginx_compare() {
	[ -z "$LOSS" ] || loss_settle
	work_settle
	[ -z "$LOSS" ] || loss_compare
	[ "$W_ONLINE" != "$W_TARGET" ] || work_same_log "${1:-1-3,6}"
	work_same "answers other than 200 and 499" "$(nginx_not_200 target)" "$(nginx_not_200 online)"
}

nginx_not_200() {
	awk '$4 != 200 && $4 != 499' "$LAB_DIR/nginx-$1/access.log" | wc -l
}

# wrk_script NAME LINES: a script for wrk.
wrk_script() {
	printf '%s\n' "$2" >"$LAB_DIR/$1.lua"
	echo "$LAB_DIR/$1.lua"
}

# wrk_delay MS: what makes a script a paced one.
wrk_delay() {
	[ "$PACE" = full ] || echo "function delay() return $1 end"
}

# wrk_ids SECONDS [MOST]: lines that give each request an id and end before wrk does, after MOST or
# SECONDS, so that no request is cut off: an empty one sends nothing. Only with loss: it costs wrk.
wrk_ids() {
	[ -n "$LOSS" ] || return 0
	cat <<-END
		local id, stop, none = 0, os.time() + $1, ''
		function next_id()
			id = id + 1
			if os.time() < stop and id <= ${2:-1e9} then return id end
		end
		function request()
			local i = next_id()
			return i and wrk.format(nil, wrk.path .. '?' .. i) or none
		end
	END
}

# work_wrk SECONDS CONNECTIONS URI [OPTIONS]: from start to end, without an error for the clients.
work_wrk() {
	work_wrk_start "$@"
	lab_wait "$LAST_PID" || work_wrong "wrk: $(tail -n 1 "$LAB_DIR/wrk.log")"
	work_wrk_errors
}

work_wrk_start() {
	local seconds=$1
	[ -z "$LOSS" ] || seconds=$((seconds + 2)) # see wrk_ids
	lab_spawn client "$LAB_DIR/wrk.log" wrk -t 1 -c "$2" -d "${seconds}s" --timeout 10s "${@:4}" \
		"http://$W_ONLINE_AT$3"
}

work_wrk_errors() {
	if ! grep -q 'requests in' "$LAB_DIR/wrk.log" ||
		grep -q 'Socket errors\|Non-2xx' "$LAB_DIR/wrk.log"; then
		work_wrong "wrk: $(grep 'Socket errors\|Non-2xx' "$LAB_DIR/wrk.log" || true)"
	fi
	work_fact "rate=$(awk '/Requests\/sec/ { print $2 }' "$LAB_DIR/wrk.log")/s"
}

work_keepalive() {
	nginx_both
	W_LEAST=1000
	local seconds
	seconds=$(pick 2 15)
	work_wrk "$seconds" 32 / -s "$(wrk_script keepalive "$(wrk_ids "$seconds") $(wrk_delay 20)")"
	nginx_compare
}

# Server and client close at once, in either order; the ports of the long version come round.
work_close() {
	local wanted script
	wanted=$(pick 3000 200000)
	nginx_both
	W_LEAST=$wanted
	[ "$PACE" = paced ] || [ "$ENGINE" != nfqueue ] || W_PERCENT=99.95
	in_ns client sysctl -qw net.ipv4.ip_local_port_range="20000 27999"
	script=$(wrk_script close "wrk.headers['Connection'] = 'close'
		$(wrk_ids 300 $((wanted + 1))) $(wrk_delay 20)") # wrk asks for one to look at it
	work_wrk_start 300 32 / -s "$script"
	close_from_many "$wanted" || work_wrong "no $wanted requests in 300 s"
	kill -INT "$LAST_PID"
	lab_wait "$LAST_PID" || true
	work_wrk_errors
	nginx_compare
}

# close_from_many COUNT: the source of new connections goes round, until so many were answered.
close_from_many() {
	local i=0 address
	until requests_are online "$1"; do
		alive "$LAST_PID" || return 1
		address=${W_CLIENTS[i++ % 20 + 1]}
		ip -n "$LAB_ID-client" route replace "$W_ONLINE_IP" dev eth0 src "$address"
		wait_for 1 requests_are online "$1" || true
	done
}

work_answers_100k() {
	nginx_both
	W_LEAST=200
	local seconds
	seconds=$(pick 2 15)
	work_wrk "$seconds" 16 /100k -s "$(wrk_script 100k "$(wrk_ids "$seconds") $(wrk_delay 20)")"
	nginx_compare
}

work_answers_10m() {
	nginx_both
	W_LEAST=8
	local seconds
	seconds=$(pick 3 15)
	work_wrk "$seconds" 8 /10m -s "$(wrk_script 10m "$(wrk_ids "$seconds") $(wrk_delay 200)")"
	nginx_compare
	nginx_forgive_cut 1
}

# Sixteen requests in one write; wrk sends the next ones when all are answered.
work_pipelined() {
	nginx_both
	W_LEAST=1000
	local seconds
	seconds=$(pick 2 15)
	LOSS_EXCHANGES=1/16
	work_wrk "$seconds" 16 / -s "$(wrk_script pipelined "function sixteen(name)
		local r = {}
		for i = 1, 16 do r[i] = wrk.format('GET', name .. i) end
		return table.concat(r)
		end
		init = function() all = sixteen('/m/') end
		$(wrk_ids "$seconds")
		request = function()
			if not next_id then return all end
			local i = next_id()
			return i and sixteen('/m/' .. i .. '/') or none
		end
		$(wrk_delay 20)")"
	nginx_compare
	nginx_forgive_cut 16
}

# 32 connections, each posts 16 times a second at most: 500 a second.
work_post_32k() {
	nginx_both
	W_LEAST=$(pick 400 2000)
	local seconds
	seconds=$(pick 3 20)
	work_wrk "$seconds" 32 /post -s "$(wrk_script post32k "wrk.method = 'POST'
		wrk.body = string.rep('x', 32768)
		$(wrk_ids "$seconds")
		function delay() return 60 end")"
	nginx_compare 1-3,5,6
}

# work_curl COUNT CONNECTIONS OPTIONS: COUNT requests on each connection, all answered with 200.
work_curl() {
	local i count=$1 connections=$2 pids=() pid answered
	shift 2
	for i in $(seq "$connections"); do
		lab_spawn client "$LAB_DIR/curl-$i.log" curl -sS -o /dev/null -w '%{http_code}\n' \
			--noproxy '*' --max-time 120 "$@" "http://$W_ONLINE_AT/post/$i/[1-$count]"
		pids+=("$LAST_PID")
	done
	for pid in "${pids[@]}"; do
		lab_wait "$pid" || work_wrong "a curl failed: $(cat "$LAB_DIR"/curl-*.log | grep curl: | head -n 1)"
	done
	answered=$(cat "$LAB_DIR"/curl-*.log | grep -c '^200$' || true)
	rm -f "$LAB_DIR"/curl-*.log
	[ "$answered" = $((count * connections)) ] || work_wrong "clients: $answered answers of 200"
	W_LEAST=$((count * connections))
}

# body BYTES: a file of that size.
body() {
	head -c "$1" /dev/urandom >"$LAB_DIR/body"
	echo "@$LAB_DIR/body"
}

work_upload_10m() {
	nginx_both
	work_curl "$(pick 4 25)" 4 --data-binary "$(body 10485760)" -H 'Expect:'
	nginx_compare 1-3,5,6
}

work_chunked() {
	nginx_both
	work_curl "$(pick 25 500)" 8 --data-binary "$(body 200000)" -H 'Expect:' \
		-H 'Transfer-Encoding: chunked'
	nginx_compare 1-3,5,6
}

# The client sends the body only when it has read "100 Continue".
work_expect() {
	nginx_both
	LOSS_EXCHANGES=2
	work_curl "$(pick 50 1000)" 8 --data-binary "$(body 50000)" -H 'Expect: 100-continue' \
		--expect100-timeout 20
	nginx_compare 1-3,5,6
}

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# servers.sh - real nginx servers in a lab, load on them, and what they saw. Sourced by lab.sh.
#
# Requests are counted as lines of the access log, which nginx writes unbuffered: one line a
# request, when its response has been handed to the socket.

# lab_nginx HOST [CONNECTIONS]: start a server on PORT there.
lab_nginx() {
	local host=$1 connections=${2:-4096} dir=$LAB_DIR/nginx-$1
	mkdir -p "$dir/www" "$dir/tmp"
	printf 'one small file\n' >"$dir/www/index.html"
	head -c 102400 /dev/zero | tr '\0' 'x' >"$dir/www/100k"
	: >"$dir/access.log"
	lab_nginx_config "$dir" "$connections" >"$dir/nginx.conf"
	(
		ulimit -n $((connections + 1024)) # kept by the server alone
		exec setsid nsenter --net="$(ns_path "$host")" -- \
			nginx -p "$dir" -e "$dir/error.log" -c "$dir/nginx.conf"
	) >"$dir/out.log" 2>&1 </dev/null &
	LAST_PID=$!
	LAB_PIDS+=("$LAST_PID")
	wait_for 5 lab_listening "$host" "$PORT" || {
		cat "$dir/out.log" "$dir/error.log" >&2
		lab_die "nginx in $host does not start"
	}
}

# LAB_LOG_LAST: what the log has in the end, where it is not the bytes of the answer.
# lab_nginx_config DIR CONNECTIONS [OPTIONS OF listen [LINES OF location /post [LAST FIELD OF THE LOG]]]
lab_nginx_config() {
	local last=${5:-${LAB_LOG_LAST:-\$body_bytes_sent}}
	cat <<-END
		daemon off;
		user root;
		worker_processes 1;
		pid $1/nginx.pid;
		error_log $1/error.log warn;
		events {
			worker_connections $2;
		}
		http {
			log_format lab '\$remote_addr \$request_method \$uri \$status \$request_length $last';
			access_log $1/access.log lab;
			client_body_temp_path $1/tmp/body;
			proxy_temp_path $1/tmp/proxy;
			fastcgi_temp_path $1/tmp/fastcgi;
			uwsgi_temp_path $1/tmp/uwsgi;
			scgi_temp_path $1/tmp/scgi;
			client_max_body_size 64m;
			client_body_buffer_size 1m;
			keepalive_requests 1000000000;
			keepalive_timeout 300s;
			http2_max_concurrent_streams 128;
			limit_req_zone \$server_port zone=slow:1m rate=300r/s;
			server {
				listen 0.0.0.0:$PORT backlog=4096 ${3:-};
				$([ -z "${LAB_V6:-}" ] || echo "listen [::]:$PORT backlog=4096 ${3:-};")
				root $1/www;
				location /m/ { return 200 "marked\n"; }
				# The whole body is read before the answer is made.
				location /post {
					${4:-}
					proxy_pass http://unix:$1/sink.sock:/;
					proxy_pass_request_body off;
					proxy_set_header Content-Length "";
				}
			}
			server {
				listen unix:$1/sink.sock;
				access_log off;
				location / { return 200 "taken\n"; }
			}
		}
	END
}

lab_listening() {
	[ -n "$(in_ns "$1" ss -Hltn "sport = :$2")" ]
}

# requests HOST: how many the server has answered so far.
requests() {
	wc -l <"$LAB_DIR/nginx-$1/access.log"
}

# requests_are HOST COUNT: at least so many.
requests_are() {
	[ "$(requests "$1")" -ge "$2" ]
}

# requests_match PATTERN HOST: how many lines of the log match.
requests_match() {
	grep -c -- "$1" "$LAB_DIR/nginx-$2/access.log" || true
}

# seen HOST URI: the server has answered a request for exactly this.
seen() {
	grep -q " $2 200 " "$LAB_DIR/nginx-$1/access.log"
}

# requests_reset: forget what was counted. Both servers write with O_APPEND, so this is safe.
requests_reset() {
	: >"$LAB_DIR/nginx-online/access.log"
	: >"$LAB_DIR/nginx-target/access.log"
}

# caught_up HOST REQUESTS: wait for them, as long as there are more and more: a target that is behind
# on a busy machine catches up.
caught_up() {
	local before=-1 now=0 i
	for ((i = 0; i < 10 && now > before; i++)); do
		! wait_for 4 requests_are "$1" "$2" || return 0
		before=$now
		now=$(requests "$1")
	done
}

# requests_settle: wait until the target has caught up with the online host; sets N_ONLINE and
# N_TARGET.
requests_settle() {
	N_ONLINE=$(requests online)
	caught_up target "$N_ONLINE"
	N_ONLINE=$(requests online)
	# shellcheck disable=SC2034
	N_TARGET=$(requests target)
}

# fetch ADDRESS URI [CURL-OPTIONS]: one request from the client; prints the status, 000 if none.
fetch() {
	local addr=$1 uri=$2
	shift 2
	in_ns client curl -s -o /dev/null -w '%{http_code}' --noproxy '*' --max-time 2 "$@" \
		"http://$(lab_host_port "$addr" "$PORT")$uri" || true
}

# load_start SECONDS CONNECTIONS URI [WRK-OPTIONS]: wrk on the online host, in the background.
# There may be several.
load_start() {
	local seconds=$1 connections=$2 uri=$3 log=$LAB_DIR/wrk-${#LOADS[@]}.log
	shift 3
	lab_spawn client "$log" wrk -t 1 -c "$connections" -d "${seconds}s" \
		--timeout 5s "$@" "http://$(lab_host_port "$ONLINE_IP" "$PORT")$uri"
	LOADS+=("$LAST_PID")
	wait_for 5 requests_are online 1 || lab_die "the load does not start"
}
LOADS=()

# load_end: wait for all; fails if one had any error or a client any answer but 200.
load_end() {
	local i log bad=0
	for i in "${!LOADS[@]}"; do
		log=$LAB_DIR/wrk-$i.log
		lab_wait "${LOADS[i]}" || bad=1
		if ! grep -q 'requests in' "$log" || grep -q 'Socket errors\|Non-2xx' "$log"; then
			sed 's/^/# /' "$log"
			bad=1
		fi
	done
	LOADS=()
	return $bad
}

# load_stop: the same before its time is over. wrk sums up when it is interrupted.
load_stop() {
	local pid
	for pid in "${LOADS[@]}"; do
		kill -INT -- "-$pid" 2>/dev/null || true # it may have ended by itself
	done
	load_end
}

# load_goes_on: it has not ended, and the clients are served.
load_goes_on() {
	wait_for 10 requests_are online $(($(requests online) + 1000))
}

# load SECONDS CONNECTIONS URI [WRK-OPTIONS]: the same, start to end.
load() {
	load_start "$@"
	load_end
}

# close_script: a wrk script for one connection a request.
close_script() {
	echo 'wrk.headers["Connection"] = "close"' >"$LAB_DIR/close.lua"
	echo "$LAB_DIR/close.lua"
}

# post_script BYTES: a wrk script that posts so much.
post_script() {
	cat >"$LAB_DIR/post.lua" <<-END
		wrk.method = "POST"
		wrk.body = string.rep("x", $1)
	END
	echo "$LAB_DIR/post.lua"
}

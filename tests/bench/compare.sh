#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What a copied request costs the online host, next to other ways to copy one, in turns:
#
#	nothing	no copy: what the requests themselves cost, which is taken off all others
#	mirred	`tc mirred`: each packet to the service goes to another device, which leads to the target
#	tee	iptables' TEE, with the target as gateway
#	nginx	nginx's `mirror` directive: a second request from the server itself
#	off	tcpcopy, --recovery off
#	on	tcpcopy
#
# Of mirred and tee the target drops what it gets: it is for another host. See hosts.sh for what busy
# and threads are.
#	tests/bench/compare.sh	BENCH_ROUNDS (3), BENCH_SECONDS (2)
set -euo pipefail
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"
# shellcheck source=tests/bench/bench.sh
. "$(dirname "$0")/bench.sh"
# shellcheck source=tests/bench/hosts.sh
. "$(dirname "$0")/hosts.sh"

VARIANTS=(nothing mirred tee nginx off on)
MIRROR_PORT=8081 # of the server that mirrors

# A server like the first, but for its port and the copies that it makes.
mirror_config() {
	lab_nginx_config "$1" 4096 | sed "
		s/listen 0.0.0.0:$PORT /listen 0.0.0.0:$MIRROR_PORT /
		s|^\t*root .*|&\nmirror /copy;\nmirror_request_body on;\nlocation = /copy {\ninternal;\nproxy_pass http://copies\$request_uri;\nproxy_http_version 1.1;\nproxy_set_header Connection \"\";\nproxy_set_header Host \$host;\n}|
		s|^\t*limit_req_zone.*|&\nupstream copies {\nserver $TARGET_IP:$PORT;\nkeepalive 64;\n}|"
}

mirror_start() {
	local dir=$LAB_DIR/nginx-mirror
	mkdir -p "$dir/tmp"
	cp -r "$LAB_DIR/nginx-online/www" "$dir/www"
	mirror_config "$dir" >"$dir/nginx.conf"
	lab_spawn online "$dir/out.log" nginx -p "$dir" -e "$dir/error.log" -c "$dir/nginx.conf"
	MIRROR_PID=$LAST_PID
	wait_for 5 lab_listening online $MIRROR_PORT || lab_die "$(cat "$dir/out.log")"
}

# A wire of its own: a frame that was made for the online host would not leave the bridge there.
mirred_wire() {
	ip link add mirror0 netns "$LAB_ID-online" type veth peer name mirror1 netns "$LAB_ID-target"
	ip -n "$LAB_ID-online" link set mirror0 up
	ip -n "$LAB_ID-target" link set mirror1 up
	ip netns exec "$LAB_ID-target" sh -c \
		"printf %x $((1 << CPU_TARGET)) >/sys/class/net/mirror1/queues/rx-0/rps_cpus"
}

up_nothing() {
	:
}

up_mirred() {
	in_ns online tc qdisc add dev eth0 clsact
	in_ns online tc filter add dev eth0 ingress protocol ip u32 match ip protocol 6 0xff \
		match ip dport "$PORT" 0xffff action mirred egress mirror dev mirror0
}

up_tee() {
	in_ns online iptables -w -t mangle -A PREROUTING -i eth0 -p tcp --dport "$PORT" \
		-j TEE --gateway "$TARGET_IP"
}

up_nginx() {
	LOAD_PORT=$MIRROR_PORT SERVER=$MIRROR_PID
}

up_off() {
	ATTACH=(--recovery off)
	attach || lab_die "attach failed"
	wait_for 5 copying || lab_die "copying does not begin: $(ctl online status)"
	DAEMON=${DAEMON_PID[online]}
}

up_on() {
	ATTACH=()
	attach || lab_die "attach failed"
	wait_for 5 copying || lab_die "copying does not begin: $(ctl online status)"
	DAEMON=${DAEMON_PID[online]}
}

down() {
	case $1 in
	mirred) in_ns online tc qdisc del dev eth0 clsact ;;
	tee) in_ns online iptables -w -t mangle -F PREROUTING ;;
	off | on) ask online detach eth0 ;;
	esac
}

# arrived VARIANT: requests in the target's log, once no more come. A copy that is late is no error
# here; what it costs the online host has been measured.
arrived() {
	case $1 in
	nginx | off | on) wait_for 3 requests_are target "$LOAD_REQUESTS" || true ;;
	esac
	requests target
}

turn() {
	local row=$RATE-$1 ns
	requests_reset
	LOAD_PORT=$PORT SERVER=$ONLINE_SERVER DAEMON=
	"up_$1"
	ns=$(hosts_ns "$SERVER" "$DAEMON")
	hosts_load "$BENCH_SECONDS" "$ONLINE_IP" "$LOAD_PORT" "$WRK"
	ns=$(($(hosts_ns "$SERVER" "$DAEMON") - ns + LOAD_NS))
	hosts_note "$row" $CPU_ONLINE "$ns" "$(arrived "$1")"
	down "$1"
}

show() {
	local variant row
	hosts_above "$RATE" nothing "${VARIANTS[@]}"
	for variant in "${VARIANTS[@]}"; do
		row=$RATE-$variant
		printf '%-8s %9s %9s %8s %9s %8s %9s %9s   %s\n' "$variant" \
			"$(bench_median "$row" rate)" "$(bench_median "$row" busy)" \
			"$(bench_median "$row" busy-above)" \
			"$(bench_median "$row" threads-above)" \
			"$(bench_ratio "$(bench_median "$row" busy-above)" \
				"$(bench_median "$RATE-nginx" busy-above)")" \
			"$(bench_ratio "$(bench_median "$row" threads-above)" \
				"$(bench_median "$RATE-nginx" threads-above)")" \
			"$(bench_median "$row" arrived)" "$(bench_spread "$row" busy-above)"
	done
}

lab_up
hosts_up
hosts_begin $CPU_ONLINE
lab_nginx online
ONLINE_SERVER=$LAST_PID
mirror_start
lab_daemon online
hosts_begin $CPU_TARGET
lab_nginx target
lab_daemon target
hosts_begin $CPU_ONLINE
mirred_wire
# nginx's own requests are answered as any client's.
INTERCEPT=(--force)
ask target allow add "$ONLINE_IP"
intercept || lab_die "intercept failed"
if ! up_tee 2>/dev/null; then
	VARIANTS=(nothing mirred nginx off on)
	echo "# without tee: this kernel has no CONFIG_NETFILTER_XT_TARGET_TEE"
fi
down tee
echo "online host, microseconds of processor time a small request: medians of $BENCH_ROUNDS, load average $(cut -d' ' -f1 /proc/loadavg)"
printf '%-8s %9s %9s %8s %9s %8s %9s %9s   %s\n' "" requests/s busy "a copy" threads "to nginx" \
	threads "arrived %" "spread of a copy"
for RATE in 1000:16 5000:3 full:0; do
	WRK=$(bench_pace "${RATE#*:}")
	bench_turns turn "${VARIANTS[@]}"
	show
done

for what in busy threads; do
	bench_figure "online host, a copied request at 5,000/s, to nginx's mirror ($what)" 0.2 "$(
		bench_ratio "$(bench_median 5000:3-on $what-above)" \
			"$(bench_median 5000:3-nginx $what-above)"
	)"
done

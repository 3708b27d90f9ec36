#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Three online hosts behind one load balancer, copied to one target: all that they serve comes from
# the balancer's address, and from the same ports. With --source each host's connections come from
# sources of their own, and all of the sum arrives. Without it they clash: that is the control.
# engines: tc
# mostly waits
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"

HOSTS=(online online2 online3)
ALL_POOLS=198.19.0.0/16
POOLS=(198.19.0.0/18 198.19.64.0/18 198.19.128.0/18)
if [ "$LAB_FAMILY" = 6 ]; then
	ALL_POOLS=2001:2:4::/46
	POOLS=(2001:2:4::/48 2001:2:5::/48 2001:2:6::/48)
fi
ADDRS=("$ONLINE_IP" "$(lab_addr 12)" "$(lab_addr 13)")
ROUNDS=40 PORTS=8

# one_more HOST NUMBER: an online host as the lab's own is.
one_more() {
	lab_host "$1" "$2" "02:00:00:00:00:$2"
	wait_for 5 lab_link_up "$1" || lab_die "the link of $1 does not come up"
}

on_lab_exit() {
	local host
	for host in online2 online3; do
		[ ! -e "$(ns_path "$host")" ] || ip netns del "$LAB_ID-$host"
	done
}

# balance FIRST: the balancer asks every host, from the same ports (from FIRST on) at the same time,
# keeping connections.
balance() {
	in_ns client python3 - "$PORT" "$ROUNDS" "$1" "$PORTS" "$CLIENT_IP" \
		"${ADDRS[@]}" <<-'END'
			import socket
			import sys

			port, rounds, first, ports = (int(x) for x in sys.argv[1:5])
			source, hosts = sys.argv[5], sys.argv[6:]


			def connect(host, from_port):
			    family = socket.AF_INET6 if ":" in host else socket.AF_INET
			    s = socket.socket(family)
			    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
			    s.settimeout(5)
			    s.bind((source, from_port))
			    s.connect((host, port))
			    return s


			conns = [(h.replace(":", "."), p, connect(h, first + p))
			         for p in range(ports) for h in hosts]
			for r in range(rounds):
			    for h, p, c in conns:
			        c.sendall(f"GET /m/{h}-{p}-{r} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
			    for h, p, c in conns:
			        got = c.recv(4096)
			        while b"marked\n" not in got:
			            more = c.recv(4096)
			            if not more:
			                sys.exit(f"{h} has closed")
			            got += more
		END
}

served() {
	local host sum=0
	for host in "${HOSTS[@]}"; do
		sum=$((sum + $(requests "$host")))
	done
	echo "$sum"
}

# logs_reset: of all servers.
logs_reset() {
	local host
	for host in "${HOSTS[@]}" target; do
		: >"$LAB_DIR/nginx-$host/access.log"
	done
}

# all_copying: every online daemon says so.
all_copying() {
	local host
	for host in "${HOSTS[@]}"; do
		[ "$(ctl_json "$host" '.result.online[0].copying' status)" = true ] || return 1
	done
}

# attach_each [SOURCE]: to the target, each with its own pool or all with this.
attach_each() {
	local i
	for i in 0 1 2; do
		ask "${HOSTS[i]}" detach --all
		ask "${HOSTS[i]}" attach eth0 --to "$(lab_host_port "$TARGET_IP" "$PORT")" \
			--source "${1:-${POOLS[i]}}"
	done
	wait_for 5 all_copying || lab_die "copying does not begin"
}

# Feedback to all three is meant to pass.
LEAK_EXCEPT="dst host ${ADDRS[1]} or dst host ${ADDRS[2]}"

lab_up
one_more online2 12
one_more online3 13
for host in "${HOSTS[@]}"; do
	lab_nginx "$host"
done
lab_nginx target
ip -n "$LAB_ID-target" route add "$ALL_POOLS" via "$CLIENT_IP"
leak_start
lab_daemon target
for host in "${HOSTS[@]}"; do
	lab_daemon "$host"
done
intercept
ALL=$((ROUNDS * PORTS * 3))

attach_each
try "the balancer has its answers" balance 20000
is "requests that the three hosts served" "$(served)" "$ALL"
wait_for 20 requests_are target "$ALL" || true
is "requests at the target: all of the sum" "$(requests target)" "$ALL"
is "each of them once" "$(awk '{ print $3 }' "$LAB_DIR/nginx-target/access.log" | sort -u | wc -l)" \
	"$ALL"
for host in "${HOSTS[@]}"; do
	is "$host: collisions, exchanges lost" \
		"$(ctl_json "$host" '.result.online.source_collision' stats) $(
			ctl_json "$host" '.result.total.exchanges.lost' ledger)" "0 0"
done

# What each of them has copied, as they say themselves once a second.
hosts_say() {
	[ "$(ctl_json target "[.result.hosts[].$1] | add" status)" = "$2" ]
}
try "the target shows all that the hosts copied" wait_for 5 hosts_say exchanges "$ALL"
is "hosts, and what each has copied" "$(ctl_json target '[.result.hosts[].exchanges] | sort |
	map(tostring) | join(" ")' status)" \
	"$((ALL / 3)) $((ALL / 3)) $((ALL / 3))"
is "connections opened, requests lost" "$(ctl_json target '[.result.hosts | (map(.opened), map(.lost)) |
	add | tostring] | join(" ")' status)" "$((PORTS * 3)) 0"
try "status shows them" grep -q "ONLINE HOST" <(ctl target status)

logs_reset
attach_each "$ALL_POOLS"
try "one pool for all: the balancer has its answers" balance 21000
wait_for 20 requests_are target "$ALL" || true
is "one pool for all: requests at the target" "$(requests target)" "$ALL"

logs_reset
attach_each keep
try "without --source: the balancer has its answers" balance 22000
wait_for 3 requests_are target "$ALL" || true
compare "without --source they clash" "$(requests target)" "<" "$ALL"

[ "$TAP_FAILED" -eq 0 ] || show_counters
for host in "${HOSTS[@]}" target; do
	daemon_stop "$host"
done
leak_end "all of it"
tap_done

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# PostgreSQL on both sides, with the same data made before copying begins; pgbench online. The
# statements carry their random numbers, so both databases must end alike.

# Not in everybody's path: one directory for each version.
PG_BIN=$(find /usr/lib/postgresql/*/bin -maxdepth 0 2>/dev/null | sort -V | tail -n 1)

# pg COMMAND...: as the user that may run a server.
pg() {
	setpriv --reuid postgres --regid postgres --clear-groups env PATH="$PG_BIN:$PATH" "$@"
}

# pg_sql HOST STATEMENT: over the unix socket, which is not copied.
pg_sql() {
	pg psql -XAtq -h "$LAB_DIR/pg-$1" -p "$PORT" -U bench -d postgres -c "$2"
}

pg_server() {
	local dir=$LAB_DIR/pg-$1
	rm -f "$dir/postmaster.pid"
	lab_spawn "$1" "$LAB_DIR/pg-$1.txt" setpriv --reuid postgres --regid postgres --clear-groups \
		"$PG_BIN/postgres" -D "$dir" -k "$dir" -h "$W_ANY" -p "$PORT" -c fsync=off \
		-c max_connections=64 -c log_min_messages=warning -c autovacuum=off
	W_SERVERS+=("$LAST_PID")
	wait_for 10 pg_sql "$1" "select 1" >/dev/null 2>&1 ||
		lab_die "PostgreSQL in $1 does not start: $(tail -n 3 "$LAB_DIR/pg-$1.txt")"
}

# pg_both: one cluster made and filled, and a copy of it for the other host.
pg_both() {
	local made=$LAB_DIR/pg-made host
	if [ ! -d "$made" ]; then
		install -d -o postgres -g postgres -m 700 "$LAB_DIR/pg-online"
		pg initdb -D "$LAB_DIR/pg-online" -A trust -U bench --no-sync --no-locale -E UTF8 \
			>"$LAB_DIR/initdb.txt" 2>&1 || lab_die "initdb: $(tail -n 1 "$LAB_DIR/initdb.txt")"
		# What is not in the configuration cannot be allowed on the command line.
		printf 'host all all all trust\n' >>"$LAB_DIR/pg-online/pg_hba.conf"
		pg_server online
		pg pgbench -i -q -h "$LAB_DIR/pg-online" -p "$PORT" -U bench postgres \
			>"$LAB_DIR/initdb.txt" 2>&1 || lab_die "pgbench -i: $(tail -n 1 "$LAB_DIR/initdb.txt")"
		work_servers_stop
		mv "$LAB_DIR/pg-online" "$made"
	fi
	for host in online target; do
		rm -rf "$LAB_DIR/pg-$host"
		cp -a "$made" "$LAB_DIR/pg-$host"
		pg_server "$host"
	done
}

# What both databases must agree on, sums over all that the load has changed.
PG_SUMS="select (select count(*) from pgbench_history), (select sum(delta) from pgbench_history),
	(select sum(abalance) from pgbench_accounts), (select sum(tbalance) from pgbench_tellers),
	(select sum(bbalance) from pgbench_branches)"

pg_rows() {
	pg_sql "$1" "select count(*) from pgbench_history"
}

pg_caught_up() {
	W_TARGET=$(pg_rows target)
	[ "$W_TARGET" -ge "$W_ONLINE" ]
}

pg_idle() {
	[ "$(pg_sql target "select count(*) from pg_stat_activity where client_addr is not null")" = 0 ]
}

# pg_errors HOST: lines of its log that tell of one. Our own question came while it was starting.
pg_errors() {
	grep -E 'ERROR|FATAL|PANIC|WARNING|unexpected EOF|could not (send|receive)|invalid' \
		"$LAB_DIR/pg-$1.txt" | grep -v 'system is starting up' || true
}

# pg_run CLIENTS RATE [OPTIONS]: paced, so many transactions a second are asked for.
pg_run() {
	local clients=$1 rate=$2 errors
	shift 2
	[ "$PACE" = full ] || set -- --rate "$rate" "$@"
	pg_both
	work_copy
	W_LEAST=100
	lab_spawn client "$LAB_DIR/pgbench.txt" "$PG_BIN/pgbench" -n -h "$W_ONLINE_IP" -p "$PORT" \
		-U bench -c "$clients" -T "$(pick 4 30)" "$@" postgres
	lab_wait "$LAST_PID" || work_wrong "clients: $(tail -n 1 "$LAB_DIR/pgbench.txt")"
	W_ONLINE=$(pg_rows online)
	wait_for 20 pg_caught_up || true
	work_try "sessions stay open at the target" wait_for 5 pg_idle
	work_same sums "$(pg_sql target "$PG_SUMS")" "$(pg_sql online "$PG_SUMS")"
	errors=$(pg_errors target)
	[ -z "$errors" ] || work_wrong "$(wc -l <<<"$errors") errors at the target: ${errors%%$'\n'*}"
	# Their data is thrown away: no checkpoint.
	kill -QUIT "${W_SERVERS[@]}"
}

work_pgbench_1() {
	pg_run 1 100
}

work_pgbench_4() {
	pg_run 4 200
}

work_pgbench_8() {
	pg_run 8 400
}

# Parse, bind and execute in messages of their own, prepared once.
work_pgbench_prepared() {
	pg_run 4 200 -M prepared
}

# A session for each transaction: the start, where both sides ask and answer, over and over.
work_pgbench_connect() {
	pg_run 4 50 -C
}

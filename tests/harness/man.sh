# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# man.sh - the man pages against the code, both ways: commands, options, counters, exit statuses,
# files, variables. Sourced by t_docs.sh, which has same(), commands(), sections() and $CTL.
# What is new in the code goes into docs/man/*: an option as `.It Fl -name Ar VALUE` below the .Ss of
# its command, in the order of the help; a counter as `.It Va name` and, in the next line, the text
# that the code has.

MAN=docs/man
MAN_HERE=$(dirname "${BASH_SOURCE[0]}")

man_list() {
	"$MAN_HERE/../e2e/man_pages.py" "$@"
}

# man_same TEXT CODE PAGE: as same(), but both may be empty.
man_same() {
	if [ -z "$2$3" ]; then
		ok "$1 (none)"
	else
		same "$1" "$2" "$3"
	fi
}

man_commands() {
	local command page=$MAN/tcpcopyctl.8
	same "man: commands < > $page" "$(commands)" "$(man_list sections "$page" COMMANDS)"
	for command in $(commands); do
		man_same "man: options of $command < > $page, .Ss $command" \
			"$(man_list options "$("$CTL" "$command" --help)")" \
			"$(man_list items "$page" COMMANDS "$command")"
	done
	same "man: options before the command < > $page" \
		"$("$CTL" --nonsense 2>&1 | grep -Eo -- '--[a-z-]+' | grep -v nonsense | sort)" \
		"$(man_list items "$page" DESCRIPTION | grep -Eo -- '--[a-z-]+' | sort)"
	same "man: options of tcpcopyd < > $MAN/tcpcopyd.8" \
		"$(grep -rhoE '\{"[a-z-]+", (required|no)_argument' user |
			sed 's/{"\(.*\)",.*/--\1/' | sort)" \
		"$(man_list items "$MAN/tcpcopyd.8" DESCRIPTION | grep -Eo -- '--[a-z-]+' | sort)"
	same "man: commands of a configuration < > $MAN/tcpcopyd.conf.5" \
		"$(grep -F 'allowed[] = {' user/role/config.c | grep -Eo '"[a-z]+"' | tr -d '"')" \
		"$(man_list items "$MAN/tcpcopyd.conf.5" DESCRIPTION)"
}

# Names, their order, and the short text.
man_counters() {
	local name macro page=$MAN/tcpcopyctl.8
	while read -r name macro; do
		same "man: $macro < > $page, .Ss $name" \
			"$(man_list macro "$macro" "$(grep -rlF "#define $macro(X)" include user)")" \
			"$(man_list meanings "$page" COUNTERS "$name")"
	done < <(sections)
	same "man: counters of link < > $page, .Ss link" \
		"$(man_list rows link_meanings user/core/render_stats.c)" \
		"$(man_list meanings "$page" COUNTERS link)"
	same "man: parts of stats < > $page, COUNTERS" "$( (sections | cut -d ' ' -f 1; echo link) | sort)" \
		"$(man_list sections "$page" COUNTERS | sort)"
	same "man: TCPC_LEDGER_REASONS < > $page, LOSSES" \
		"$(man_list macro TCPC_LEDGER_REASONS user/core/ledger.h)" \
		"$(man_list meanings "$page" LOSSES)"
	same "man: TCPC_REPLAY_SKIPS < > $page, SKIPS" \
		"$(man_list macro TCPC_REPLAY_SKIPS user/core/replay.h)" \
		"$(man_list meanings "$page" SKIPS)"
}

# Paths in the code, and in its unit, that are files of ours or devices; what the kernel shows below /proc is none.
# A directory that others of them lie in is left out.
man_code_paths() {
	local path all
	all=$( (grep -hoE '/etc/tcpcopy/[a-z.]+[a-z]' scripts/systemd/tcpcopyd.service
		grep -rhoE '"/(etc|run|sys|dev|var|usr)/[a-z0-9/._-]+"' user | tr -d '"'
		grep -ohE '/etc/tcpcopy/[a-z.]+' scripts/systemd/tcpcopyd.service
		grep -rhoE 'tcpcopyd\.(sock|lock)"' user | sed 's|^|/run/tcpcopy/|; s/"//') |
		grep -v '^/dev/null$' | sort -u)
	for path in $all; do
		grep -q "^$path/" <<<"$all" || echo "$path"
	done
}

# Pins, as the code lists them: online/NAME, target/NAME.
man_code_pins() {
	local part
	for part in online target; do
		sed -n '/pins\[N_PINS\] = {/,/};/p' "user/edge/datapath_$part.c" |
			grep -Eo '"[a-z_]+"' | tr -d '"' | sed "s|^|$part/|"
	done
	echo target/queue_filter
}

man_files() {
	same "man: files of the code < > FILES of the man pages" "$(man_code_paths)" \
		"$(for page in "$MAN"/*; do man_list items "$page" FILES; done | sort -u)"
	same "man: pins < > $MAN/tcpcopyd.8" "$(man_code_pins | sort)" \
		"$(sed -n '/^\.Sh FILES/,/^\.Sh EXIT/p' "$MAN/tcpcopyd.8" |
			grep -Eo '\b(online|target)/[a-z_]+' | sort)"
	same "man: variables < > ENVIRONMENT of the man pages" \
		"$(grep -rhoE 'getenv\("[A-Z_]+"\)' user | grep -Eo '[A-Z_]{2,}' | sort -u)" \
		"$(for page in "$MAN"/*.8; do man_list items "$page" ENVIRONMENT; done | sort -u)"
}

# daemon_status WORD...: exit status of a tcpcopyd that cannot start, or need not.
daemon_status() {
	local status=0
	timeout 10 "$BUILD/tcpcopyd" "$@" >/dev/null 2>&1 || status=$?
	echo "$status"
}

# What the pages list is what comes; other numbers are not in the code.
man_statuses() {
	same "man: exit statuses of tcpcopyctl < > EXIT STATUS" \
		"$(status_of key; status_of status; status_of frobnicate)" \
		"$(man_list items "$MAN/tcpcopyctl.8" "EXIT STATUS")"
	same "man: exit statuses of tcpcopyd < > EXIT STATUS" \
		"$(daemon_status --version
		daemon_status --run-dir /nonexistent/x --key /nonexistent
		daemon_status --frobnicate)" \
		"$(man_list items "$MAN/tcpcopyd.8" "EXIT STATUS")"
	is "exit statuses in the code that no page has" \
		"$(grep -nE '\bexit\(|(return|\?|:|status =) ([3-9]|[1-9][0-9]+)\b' user/tcpcopyctl.c \
			user/tcpcopyd.c | xargs)" ""
}

man_pages() {
	man_commands
	man_counters
	man_files
	man_statuses
}

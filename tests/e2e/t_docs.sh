#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What the documents and man pages say against what is there: counters, commands, options, bounds,
# paths. Needs no network and no root.
# shellcheck disable=SC2016 # backquotes are what the documents have around names
# mostly waits
set -euo pipefail
HERE=$(realpath "$(dirname "$0")")
# shellcheck source=tests/harness/tap.sh
. "$HERE/../harness/tap.sh"
# shellcheck source=tests/harness/man.sh
. "$HERE/../harness/man.sh"
BUILD=$(realpath -m "${TCPC_BUILD:-$HERE/../../build}")
trap 'tap_on_exit "$?"' EXIT
cd "$HERE/../.."

CTL=$BUILD/tcpcopyctl
ABI=include/tcpcopy/abi_counters.h
PAGES=(README.md docs/*.md) # man pages have checks of their own

# ---- counters ---------------------------------------------------------------------------------

# counters MACRO FILE: names in an X-macro of the code, one a line, in their order.
counters() {
	awk -v macro="#define $1(X)" '
		index($0, macro) == 1 { inside = 1 }
		inside && match($0, /X\([a-z0-9_]+,/) { print substr($0, RSTART + 2, RLENGTH - 3) }
		inside && !/\\$/ { exit }' "$2"
}

# table_of SECTION: names in the table below that heading of docs/counters.md.
table_of() {
	awk -v heading="## $1" '
		/^## / { inside = $0 == heading }
		inside && match($0, /^\| `[a-z0-9_]+` \|/) { print substr($0, RSTART + 3, RLENGTH - 6) }' \
		docs/counters.md
}

# same TEXT A B: lists of names, one a line; a difference is shown.
same() {
	local text=$1 a=$2 b=$3
	if [ -n "$a" ] && [ "$a" = "$b" ]; then
		ok "$text ($(wc -l <<<"$a") names)"
	else
		not_ok "$text: $(diff <(echo "$a") <(echo "$b") | grep '^[<>]' | tr '\n' ' ')"
	fi
}

# sections: "NAME MACRO" for each part of `tcpcopyctl stats` that is made from an X-macro.
sections() {
	sed -n 's/.* \([a-z]*\)_meanings\[\] = {\(TCPC_[A-Z]*_COUNTERS\)(.*/\1 \2/p' user/core/render_stats.c
}

# Every list of counters has its section, and the other way round.
every_counter() {
	local name macro
	while read -r name macro; do
		same "counters: $macro < > docs/counters.md, $name" \
			"$(counters "$macro" "$(grep -rlF "#define $macro(X)" include user)")" \
			"$(table_of "$name")"
	done < <(sections)
	same "counters: link, user/core/render_stats.c < > docs/counters.md" \
		"$(awk '/ link_meanings\[\]/ { inside = 1 } /^};/ { inside = 0 }
			inside && match($0, /^\t\{"[a-z_]+"/) { print substr($0, RSTART + 3, RLENGTH - 4) }' \
			user/core/render_stats.c)" "$(table_of link)"
	same "counters: sections of stats < > docs/counters.md" \
		"$( (sections | cut -d ' ' -f 1; echo link) | sort)" \
		"$(sed -n 's/^## \([a-z]*\)$/\1/p' docs/counters.md | sort)"
	same "counters: macros of the code < > those shown by stats" \
		"$(sed -n 's/^#define \(TCPC_[A-Z]*_COUNTERS\)(X).*/\1/p' "$ABI" user/core/*.h | sort)" \
		"$(sections | cut -d ' ' -f 2 | sort)"
}

# ---- commands and options ---------------------------------------------------------------------

commands() {
	"$CTL" --help | sed -n '/^commands/,$s/^  \([a-z]*\) .*/\1/p'
}

# options COMMAND: as its help lists them, with dashes.
options() {
	"$CTL" "$1" --help | sed -n 's/^  \(--[a-z-]*\).*/\1/p'
}

# words_of TEXT: the options that are named in it, sorted.
words_of() {
	grep -Eo -- '--[a-z][a-z-]+' <<<"$1" | sort -u || true
}

# The table of commands in README.md names what the help names.
command_table() {
	local command row
	same "commands: --help < > README.md" "$(commands | sort)" \
		"$(sed -n '/^## Commands/,/^tcpcopyctl/s/^| `\([a-z]*\)[ A-Z`[].*/\1/p' README.md |
			sort)"
	for command in $(commands); do
		row=$(grep -E "^\| \`${command}[ \`]" README.md | head -n 1)
		is "options of $command that README.md does not name" \
			"$(comm -23 <(options "$command" | sort -u) <(words_of "$row") | xargs)" ""
		is "options that README.md gives to $command and it lacks" \
			"$(comm -13 <(options "$command" | sort -u) <(words_of "$row") | xargs)" ""
	done
	is "options of tcpcopyd that README.md does not name" \
		"$(comm -23 <(words_of "$("$BUILD/tcpcopyd" --help)") \
			<(words_of "$(sed -n '/^tcpcopyd  /,/^$/p' README.md)") | xargs)" ""
}

# status_of WORD...: exit status where there is no daemon: 2 for words that are wrong, else 1 or 0.
status_of() {
	local status=0
	timeout 10 "$CTL" --run-dir /nonexistent "$@" >/dev/null 2>&1 || status=$?
	echo "$status"
}

# Every command line in the documents that has no placeholder in it is one that the command takes.
# A leading prompt and a trailing comment are cut off; words in capitals are placeholders.
examples() {
	local line words n=0
	while IFS= read -r line; do
		read -r -a words <<<"$line"
		n=$((n + 1))
		case $(status_of "${words[@]}") in
		0 | 1) ;;
		*) not_ok "the documents have: tcpcopyctl $line, but: $("$CTL" --run-dir /nonexistent \
			"${words[@]}" 2>&1 | head -n 1)" ;;
		esac
	done < <(sed -n 's/^ \{4,\}\([a-z]*# *\)\{0,1\}tcpcopyctl //p' \
		"${PAGES[@]}" | sed 's/ [#>|] .*//' | grep -Ev '[A-Z]{2}|\[|\.\.\.' |
		grep -v -- '--watch' | sort -u)
	compare "command lines in the documents that were tried" "$n" ">=" 12
}

# ---- bounds and paths -------------------------------------------------------------------------

# Rows of docs/limits.md that name a constant: its number is the code's.
bounds() {
	local constant number value n=0
	while read -r constant number; do
		value=$(grep -rhoE "#define $constant +[0-9]+" include user | awk '{ print $3 }' |
			sort -u || true)
		[ "$value" = "${number//,/}" ] ||
			not_ok "docs/limits.md: $constant is $number, in the code ${value:-unknown}"
		n=$((n + 1))
	done < <(sed -nE 's/^\|[^|]*\| ([0-9,]+) \| `([A-Z_]+)` \|.*/\2 \1/p' docs/limits.md)
	compare "bounds in docs/limits.md that were compared" "$n" ">=" 10
}

# Files that the documents name are there: tests, sources, and pages that are linked to.
paths() {
	local page path n=0
	while IFS=: read -r page path; do
		n=$((n + 1))
		case $path in
		*.md) [ -e "$path" ] || [ -e "$(dirname "$page")/$path" ] ;;
		*) [ -e "$path" ] ;;
		esac || not_ok "$page names $path, which is not there"
	done < <(grep -HoE -e '`(tests|user|bpf|include|scripts|docs|vmlinux)/[a-zA-Z0-9_./]+`' \
		-e '\]\([a-z/-]+\.md' "${PAGES[@]}" | tr -d '`' | sed 's/](//')
	compare "paths in the documents that were looked for" "$n" ">=" 60
	same "tests: tests/e2e < > docs/testing.md" \
		"$(find tests/e2e -name 't_*.sh' | sort)" \
		"$(sed -n 's/^| `\(tests\/e2e\/t_[a-z0-9_]*\.sh\)` |.*/\1/p' docs/testing.md | sort)"
}

# Members of JSON that the documents read: docs/json.md has them, or all of their object.
json_paths() {
	local path n=0
	while read -r path; do
		grep -qF -e "| \`$path\` |" -e "| \`${path%.*}.*\` |" docs/json.md ||
			not_ok "the documents read $path, which docs/json.md has not"
		n=$((n + 1))
	done < <(grep -ohE 'result\.[][a-z_.]+[a-z]' README.md docs/operations.md docs/performance.md |
		sort -u)
	compare "members of JSON in the documents that were looked for" "$n" ">=" 10
}

# Pinned maps that README.md reads, and the version it speaks of.
names() {
	local pin n=0
	while read -r pin; do
		grep -q "\"${pin##*/}\"" "user/edge/datapath_$(basename "$(dirname "$pin")").c" ||
			not_ok "README.md reads $pin, which is not pinned"
		n=$((n + 1))
	done < <(grep -Eo '/sys/fs/bpf/tcpcopy/(online|target)/[a-z]+' README.md | sort -u)
	compare "pins in README.md that were looked for" "$n" ">=" 8
	is "version in README.md" "$(grep -Eo 'Version [0-9.]+[0-9]' README.md)" \
		"Version $("$CTL" --run-dir /nonexistent version | awk 'NR == 1 { print $2 }')"
}

if [ ! -x "$CTL" ] || [ ! -x "$BUILD/tcpcopyd" ]; then
	not_ok "there is no $CTL or no tcpcopyd beside it: run make first"
	exit 1
fi
every_counter
command_table
examples
bounds
paths
names
json_paths
man_pages
tap_done

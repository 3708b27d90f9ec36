#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Completion in bash and zsh against the command table: no command, option or value missing, none too
# many. Needs no network and no root.
# mostly waits
set -euo pipefail
HERE=$(realpath "$(dirname "$0")")
# shellcheck source=tests/harness/tap.sh
. "$HERE/../harness/tap.sh"
TCPC_BUILD=$(realpath -m "${TCPC_BUILD:-$HERE/../../build}")
ROOT=$HERE/../..
TABLE=$ROOT/user/core/command_table.c
ARGUMENTS=$ROOT/user/role/arguments.c
trap 'tap_on_exit $?' EXIT

# ---- what there is, from the sources --------------------------------------------------------------

# table: "COMMAND OPTION VALUE" for each line of the command table, VALUE - for a flag; "COMMAND - -"
# for each command. Commands without a help text are not for people.
table() {
	awk '/^static const struct command commands\[\]/ { inside = 1 }
		/^};/ { inside = 0 }
		!inside { next }
		{ gsub(/"[^"]*" *\| */, "&") }
		/^\t\{"/ {
			split($0, part, "\"")
			command = part[2]
			hidden = /, NULL, \/\*/
			if (!hidden) print command, "-", "-"
		}
		match($0, /\{"[a-z-]+", (NULL|")/) && !/^\t\{"/ && !hidden {
			split(substr($0, RSTART), part, "\"")
			print command, "--" part[2], substr($0, RSTART + RLENGTH - 1, 1) == "\"" ? part[4] : "-"
		}' "$TABLE"
}

commands() {
	table | awk '$2 == "-" { print $1 }' | sort -u
}

options() {
	table | awk -v c="$1" '$1 == c && $2 != "-" { print $2 }' | { cat; echo --help; } | sort -u
}

daemon_options() {
	sed -nE 's/^\t\t\{"([a-z-]+)", (no|required)_argument.*/--\1/p' "$ARGUMENTS" |
		grep -vxE -e '--(sweep|version)' | sort -u
}

# ---- what is offered --------------------------------------------------------------------------------

# in_bash WORD...: what is offered for the last word, one a line.
in_bash() {
	PATH=$TCPC_BUILD:$PATH bash --norc -c '
		. "$1"
		shift
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		_"$1" "$1"
		printf "%s\n" "${COMPREPLY[@]}"' bash "$ROOT/scripts/completion/tcpcopyctl.bash" "$@" |
		sed '/^$/d' | sort -u
}

# The functions that zsh's completion system has are replaced by ones that print.
in_zsh() {
	# shellcheck disable=SC2016 # zsh is to expand it
	PATH=$TCPC_BUILD:$PATH zsh -f -c '
		compadd() { shift; print -l -- "$@" }
		_describe() {
			[[ $1 != -o ]] || shift
			local entry
			for entry in ${(P)2}; do print -- ${entry%%:*}; done
		}
		_files() { print files $@ }
		_groups() { print groups }
		compset() { : }
		file=$1
		shift
		words=("$@") CURRENT=$#
		source $file' zsh "$ROOT/scripts/completion/_tcpcopyctl" "$@" | sed '/^$/d' | sort -u
}

# offers SHELL TEXT WANTED WORD...
offers() {
	local sh=$1 text=$2 wanted=$3 got
	shift 3
	got=$("in_$sh" "$@" 2>&1) || true
	if [ "$got" = "$wanted" ]; then
		ok "$sh: $text ($(sed '/^$/d' <<<"$got" | wc -l) words)"
	else
		not_ok "$sh: $text: $(diff <(echo "$got") <(echo "$wanted") | grep '^[<>]' | tr '\n' ' ')"
	fi
}

check_shell() {
	local sh=$1 command option value words
	offers "$sh" "commands" "$(commands)" tcpcopyctl ''
	# zsh matches by itself: it is offered all of them.
	words=$(commands)
	[ "$sh" = zsh ] || words=$(grep '^re' <<<"$words")
	offers "$sh" "commands that begin with re" "$words" tcpcopyctl --json re
	offers "$sh" "options before the command" "$(printf -- '--help\n--json\n--netns\n--run-dir')" tcpcopyctl --
	for command in $(commands); do
		offers "$sh" "options of $command" "$(options "$command")" tcpcopyctl "$command" --
	done
	offers "$sh" "options of tcpcopyd" "$(daemon_options)" tcpcopyd --
	offers "$sh" "the daemon takes no commands" "" tcpcopyd ''
	# Values are the alternatives that are words, not placeholders.
	while read -r command option value; do
		words=$(tr '|' '\n' <<<"$value" | grep -Ex '[a-z][a-z0-9-]*' | sort -u || true)
		[ -n "$words" ] || continue
		offers "$sh" "$command $option" "$words" tcpcopyctl "$command" eth0 "$option" ''
	done < <(table | grep -F '|')
	offers "$sh" "levels" "$(printf 'debug\nerror\ninfo\nwarn')" tcpcopyd --log-level ''
	offers "$sh" "no option twice" "$(options attach | grep -v -e '--force')" \
		tcpcopyctl attach --force --
	offers "$sh" "a verb" "$(printf 'add\ndel\nlist')" tcpcopyctl target ''
	offers "$sh" "interfaces" "$(find /sys/class/net -mindepth 1 -maxdepth 1 -xtype d -printf '%f\n' |
		sort -u)" tcpcopyctl target add ''
	offers "$sh" "nothing where an address stands" "" tcpcopyctl target add eth0 ''
	offers "$sh" "nothing behind the last word" "" tcpcopyctl detach eth0 ''
}

[ -x "$TCPC_BUILD/tcpcopyctl" ] || { not_ok "there is no $TCPC_BUILD/tcpcopyctl: run make first"; exit 1; }
compare "commands and options in the table" "$(table | wc -l)" ">=" 60
check_shell bash
offers bash "--name=value" "$(printf 'clsact\ntc\ntcx\nxdp')" tcpcopyctl attach --hook =
offers bash "--name=value, begun" "clsact" tcpcopyctl attach --hook = cl
offers bash "an address with colons is one word" "$(options attach | grep -v -e '--to')" \
	tcpcopyctl attach --to 10.0.0.9 : 8080 --
if command -v zsh >/dev/null; then
	check_shell zsh
	offers zsh "--name=value" "$(printf 'clsact\ntc\ntcx\nxdp')" tcpcopyctl attach --hook=
	offers zsh "files" "files" tcpcopyctl replay ''
else
	skip "this needs zsh"
fi
tap_done

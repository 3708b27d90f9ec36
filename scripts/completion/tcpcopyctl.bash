# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Completion for bash: tcpcopyctl and tcpcopyd. It asks the programs for their --help and knows no
# command or option itself, so it offers just what they take.

# The options in usage text on stdin: "--name" or "--name VALUE" a line. Of a command's own help,
# where each has a line, or of a usage in brackets.
__tcpcopy_options() {
	sed -nE -e 's/^  (--[a-z-]+) ([^ ]+) .*/\1 \2/p' -e t \
		-e 's/^  (--[a-z-]+)  .*/\1/p' -e t \
		-e '/--[a-z-]+/{' -e 's/[][]/\n/g' -e 's/ \| /\n/g' -e p -e '}' |
		sed -nE 's/^(--[a-z-]+)( ([^ =]+).*)?$/\1 \3/p' | sort -u
}

__tcpcopy_interfaces() {
	local path
	for path in /sys/class/net/*; do
		[ ! -d "$path" ] || echo "${path##*/}"
	done
}

# Words that a placeholder stands for, one a line: "tc|tcx|clsact" has three, "keep|CIDR" one.
__tcpcopy_values() {
	case $1 in
	IFACE*) __tcpcopy_interfaces ;;
	*\|*) echo "${1//|/$'\n'}" | grep -Ex '[a-z][a-z0-9-]*' ;;
	esac
}

# __tcpcopy_offer CURRENT PLACEHOLDER: into COMPREPLY.
__tcpcopy_offer() {
	case $2 in
	FILE* | PATH* | EXPR*FILE*) mapfile -t COMPREPLY < <(compgen -f -- "$1") ;;
	DIR*) mapfile -t COMPREPLY < <(compgen -d -- "$1") ;;
	NAME) mapfile -t COMPREPLY < <(compgen -g -- "$1") ;;
	*) mapfile -t COMPREPLY < <(compgen -W "$(__tcpcopy_values "$2")" -- "$1") ;;
	esac
	case $2 in FILE* | PATH* | DIR*) compopt -o filenames 2>/dev/null ;; esac
}

# __tcpcopy_arguments USAGE WORD...: placeholders of what may follow these words of a command, from
# "list [IFACE] | add IFACE IP:PORT".
__tcpcopy_arguments() {
	local usage=$1 form pieces i
	shift
	while IFS= read -r form; do
		read -r -a pieces <<<"${form//[][]/}"
		[ "${#pieces[@]}" -gt 0 ] || continue
		for ((i = 0; i < $# && i < ${#pieces[@]}; i++)); do
			case ${pieces[i]:-} in
			"${@:i+1:1}" | [A-Z]*) ;;
			*) continue 2 ;;
			esac
		done
		# The last one may be repeated.
		if [ "$#" -ge "${#pieces[@]}" ] && [[ ${pieces[*]: -1} == *... ]]; then
			echo "${pieces[@]: -1}"
		elif [ -n "${pieces[$#]:-}" ]; then
			echo "${pieces[$#]}"
		fi
	done <<<"${usage// | /$'\n'}"
}

# __tcpcopy_complete PROGRAM WITH-COMMANDS: the words before the cursor are in `words`, the current
# one in `cur`.
__tcpcopy_complete() {
	local program=$1 help command='' plain=() options given='' i name value=''
	help=$("$program" --help 2>/dev/null)
	options=$(__tcpcopy_options <<<"$help"; echo --help)
	for ((i = 1; i < ${#words[@]}; i++)); do
		name=${words[i]%%=*}
		value=
		if [ -z "${words[i]##--*}" ]; then
			given+=" $name "
			[ "$name" != "${words[i]}" ] ||
				value=$(sed -n "s/^$name //p" <<<"$options")
			[ -z "$value" ] || i=$((i + 1))
		elif [ -z "$command" ] && [ "$2" = yes ]; then
			command=${words[i]}
			help=$("$program" "$command" --help 2>/dev/null)
			options=$(__tcpcopy_options <<<"$help"; echo --help)
		else
			plain+=("${words[i]}")
		fi
	done
	if [ -n "$value" ] && [ "$i" -gt "${#words[@]}" ]; then
		__tcpcopy_offer "$cur" "$value" # the last word wants one
	elif [[ $cur == --*=* ]]; then
		value=$(sed -n "s/^${cur%%=*} //p" <<<"$options")
		__tcpcopy_offer "${cur#*=}" "$value"
	elif [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(sed 's/ .*//' <<<"$options" |
			while read -r name; do
				[[ $given == *" $name "* ]] || echo "$name"
			done)" -- "$cur")
	elif [ "$2" = yes ] && [ -z "$command" ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(sed -nE \
			'/^commands/,$s/^  ([a-z]+) .*/\1/p' <<<"$help")" -- "$cur")
	elif [ "$2" = yes ]; then
		__tcpcopy_words
	fi
}

# What a command takes besides options.
__tcpcopy_words() {
	local form offer=()
	while read -r form; do
		__tcpcopy_offer "$cur" "$form"
		offer+=("${COMPREPLY[@]}")
		[[ $form != [a-z-]* || $form != "$cur"* ]] || offer+=("$form")
	done < <(__tcpcopy_arguments "$(sed -n "1s/^usage: tcpcopyctl $command *//p" <<<"$help")" \
		"${plain[@]}")
	mapfile -t COMPREPLY < <(printf '%s\n' "${offer[@]}" | sort -u | sed '/^$/d')
}

# bash splits words at "=" and ":": put those of the line together again, up to the cursor. What is
# offered is only what comes behind the last of them.
__tcpcopy_words_before() {
	local i word
	words=()
	cur=
	for ((i = 0; i <= COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if ((i > 0)) && [[ $word == [=:]* || ${COMP_WORDS[i - 1]} == *[=:] ]] &&
			[ "${#words[@]}" -gt 1 ]; then
			words[${#words[@]} - 1]+=$word
		else
			words+=("$word")
		fi
	done
	cur=${words[${#words[@]} - 1]}
	unset "words[${#words[@]} - 1]"
}

_tcpcopyctl() {
	local words cur
	COMPREPLY=()
	__tcpcopy_words_before
	__tcpcopy_complete "$1" yes
}

_tcpcopyd() {
	local words cur
	COMPREPLY=()
	__tcpcopy_words_before
	__tcpcopy_complete "$1" no
}

complete -F _tcpcopyctl tcpcopyctl
complete -F _tcpcopyd tcpcopyd

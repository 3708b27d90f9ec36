# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# tap.sh - result lines of a test script: `ok - text`, `not ok - text`, `skip - reason`. Sourced.
# The figures measured are part of the text in either case, so that a log of a good run can be
# compared with one of a bad run.

TAP_PASSED=0
TAP_FAILED=0
TAP_SKIPPED=0
TAP_FINISHED=0

ok() {
	TAP_PASSED=$((TAP_PASSED + 1))
	printf 'ok - %s\n' "$*"
}

not_ok() {
	TAP_FAILED=$((TAP_FAILED + 1))
	printf 'not ok - %s\n' "$*"
}

skip() {
	TAP_SKIPPED=$((TAP_SKIPPED + 1))
	printf 'skip - %s\n' "$*"
}

# note TEXT: something a reader of the log wants to know; no result.
note() {
	printf '# %s\n' "$*"
}

# is TEXT GOT WANT: equal as strings.
is() {
	if [ "$2" = "$3" ]; then
		ok "$1 (${2:-empty})"
	else
		not_ok "$1 (got ${2:-nothing}, expected ${3:-nothing})"
	fi
}

# compare TEXT A OP B: decimal numbers, OP is one of == != < <= > >=. No number compares with
# nothing.
compare() {
	if [[ $2 =~ ^-?[0-9]+(\.[0-9]+)?$ ]] &&
		awk -v a="$2" -v b="$4" "BEGIN { exit !(a + 0 $3 b + 0) }"; then
		ok "$1 ($2 $3 $4)"
	else
		not_ok "$1 ($2, expected $3 $4)"
	fi
}

# try TEXT COMMAND...: the command succeeds.
try() {
	local text=$1
	shift
	if "$@"; then
		ok "$text"
	else
		not_ok "$text (failed: $*)"
	fi
}

# tap_done: call last. Exit status 1 if anything failed.
tap_done() {
	TAP_FINISHED=1
	[ "$TAP_FAILED" -eq 0 ]
}

# tap_on_exit STATUS: a script that ends before tap_done has failed, whatever it printed.
tap_on_exit() {
	if [ "$TAP_FINISHED" -eq 0 ]; then
		not_ok "the script ended early with status $1"
	fi
}

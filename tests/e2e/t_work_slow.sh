#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Workloads at a slow target: each request whole and in its time; more than it can bear is shed.
# mostly waits, 26 s
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"
# shellcheck source=tests/harness/workload.sh
. "$(dirname "$0")/../harness/workload.sh"
# shellcheck source=tests/e2e/workloads/report_tap.sh
. "$(dirname "$0")/workloads/report_tap.sh"
# shellcheck source=tests/e2e/workloads/nginx.sh
. "$(dirname "$0")/workloads/nginx.sh"
# shellcheck source=tests/e2e/workloads/slow.sh
. "$(dirname "$0")/workloads/slow.sh"

W_KEEP=yes
work_lab
leak_start
for name in slow-keep slow-close slow-reset slow-half overload; do
	work "$name"
done
work_copy_down
leak_end "all of it"
tap_done

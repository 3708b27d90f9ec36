#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Workloads of HTTP/1.1: every request that the online server answers, the target answers too.
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

W_KEEP=yes
work_lab
leak_start
for name in keepalive close answers-100k answers-10m pipelined post-32k upload-10m chunked expect; do
	work $name
done
work_copy_down
leak_end "all of it"
tap_done

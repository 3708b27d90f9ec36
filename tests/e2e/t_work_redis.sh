#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Workload of redis: both servers hold the same data afterwards.
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"
# shellcheck source=tests/harness/workload.sh
. "$(dirname "$0")/../harness/workload.sh"
# shellcheck source=tests/e2e/workloads/report_tap.sh
. "$(dirname "$0")/workloads/report_tap.sh"
# shellcheck source=tests/e2e/workloads/redis.sh
. "$(dirname "$0")/workloads/redis.sh"

W_KEEP=yes
work_lab
leak_start
for name in redis redis-pipelined; do
	work "$name"
done
work_copy_down
leak_end "all of it"
tap_done

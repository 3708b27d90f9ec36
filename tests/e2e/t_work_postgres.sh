#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Workload of PostgreSQL: both databases are the same afterwards, and the target saw no error.
set -euo pipefail
# shellcheck source=tests/harness/tap.sh
. "$(dirname "$0")/../harness/tap.sh"
# shellcheck source=tests/harness/lab.sh
. "$(dirname "$0")/../harness/lab.sh"
# shellcheck source=tests/harness/workload.sh
. "$(dirname "$0")/../harness/workload.sh"
# shellcheck source=tests/e2e/workloads/report_tap.sh
. "$(dirname "$0")/workloads/report_tap.sh"
# shellcheck source=tests/e2e/workloads/postgres.sh
. "$(dirname "$0")/workloads/postgres.sh"

W_KEEP=yes
work_lab
leak_start
for name in pgbench-1 pgbench-8 pgbench-prepared pgbench-connect; do
	work "$name"
done
work_copy_down
leak_end "all of it"
tap_done

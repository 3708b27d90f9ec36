#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Workloads of many connections, and of connections that are older than attach.
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
# shellcheck source=tests/e2e/workloads/many.sh
. "$(dirname "$0")/workloads/many.sh"
# shellcheck source=tests/e2e/workloads/adopt.sh
. "$(dirname "$0")/workloads/adopt.sh"

W_KEEP=yes
work_lab
leak_start
for name in open-10k new-5k adopt-busy adopt-uploads; do
	work "$name"
done
work_copy_down
leak_end "all of it"
tap_done

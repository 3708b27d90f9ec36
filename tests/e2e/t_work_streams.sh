#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Workloads with many requests on a connection at once, and with lines both ways.
# mostly waits
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
# shellcheck source=tests/e2e/workloads/streams.sh
. "$(dirname "$0")/workloads/streams.sh"

W_KEEP=yes
work_lab
leak_start
for name in h2 h2-uploads h2-streams lines; do
	work "$name"
done
work_copy_down
leak_end "all of it"
tap_done

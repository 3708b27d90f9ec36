#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Workload of mail: no session is refused for having spoken before the greeting.
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
# shellcheck source=tests/e2e/workloads/smtp.sh
. "$(dirname "$0")/workloads/smtp.sh"

W_KEEP=yes
work_lab
leak_start
work smtp
work_copy_down
leak_end "all of it"
tap_done

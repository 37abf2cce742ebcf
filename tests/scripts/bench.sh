#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# What `make bench` runs: the cost of a grant, of a keeper and of a frame, each beside a reference
# that is measured in turns with it. Prints a table, and writes bench.json into cargo's target
# folder. The reference on libxdp needs a compiler and libxdp-dev; where they cannot be had, its
# column stays empty.
set -euo pipefail
. "$(dirname "$0")/common.sh"

cd "$(dirname "$0")/../.."
"$(dirname "$0")/setup.sh" demo
if has_apt && is_root; then
    (need_packages gcc libc6-dev libxdp-dev libbpf-dev) ||
        say "without libxdp-dev there is no reference on libxdp"
fi
as_root "${CARGO_TARGET_DIR:-target}/release/xsk-bench"

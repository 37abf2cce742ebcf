#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Kills at random whatever has to do with leases, ROUNDS times (1000), on LABS hosts at once, and
# checks after each round that nothing is stranded. What it printed as SEED repeats a run; with
# FIRST=N ROUNDS=1 a single round of it. The test runs as root: by sudo, if need be.
set -euo pipefail
. "$(dirname "$0")/common.sh"

cd "$(dirname "$0")/../.."
TARGET=${CARGO_TARGET_DIR:-target}
# The programs under test are the release build, unless somebody chose others.
export XSK_BIN_DIR=${XSK_BIN_DIR:-$(realpath "$TARGET")/release}
export ROUNDS=${ROUNDS:-1000} LABS=${LABS:-4}

# The helper that stands still between its steps is for this test alone: never in the same folder.
step "a helper that stops" quietly cargo build --locked -p xsk-helper --features failpoints \
    --target-dir "$TARGET/failpoints"
if ! is_root; then
    host=$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
    sudo -v || die "the test needs root: run \`make chaos\` as root"
    given="ROUNDS=$ROUNDS LABS=$LABS PATH=$PATH CI=${CI:-}"
    for name in SEED FIRST XSK_BIN_DIR; do
        [ -z "${!name:-}" ] || given+=" $name=${!name}"
    done
    export "CARGO_TARGET_${host}_RUNNER=sudo -- env $given"
fi
timeout -k 30 "${LIMIT:-60m}" cargo test --locked -p xsk-tests --test chaos -- --nocapture

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Fuzzes each target for MINUTES (1 by default), starting from the kept inputs and from what earlier
# runs found. usage: fuzz.sh [MINUTES] [TARGET...] A finding is left in fuzz/artifacts; what mends
# it belongs into fuzz/corpus-seeds, which `make check` replays.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/scripts/common.sh

MINUTES=${1:-${MINUTES:-1}}
[[ $MINUTES =~ ^[1-9][0-9]*$ ]] || die "usage: fuzz.sh [MINUTES] [TARGET...]"
shift || true
mapfile -t targets < <(sed -n 's/^name = "\(.*\)"$/\1/p' fuzz/Cargo.toml | tail -n +2)
[ $# -gt 0 ] || set -- "${targets[@]}"

LOG=$(mktemp)
trap 'rm -f "$LOG"' EXIT
command -v cargo >/dev/null || die "cargo is missing; get Rust from https://rustup.rs"
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
cargo fuzz --version >/dev/null 2>&1 ||
    step "installing cargo-fuzz" quietly cargo install --locked cargo-fuzz

# cargo-fuzz passes -Z flags, which a stable compiler takes only so.
export RUSTC_BOOTSTRAP=1
step "building the targets" quietly cargo fuzz build --fuzz-dir fuzz

status=0
for target; do
    mkdir -p "fuzz/corpus/$target"
    words=()
    [ ! -e "fuzz/dictionaries/$target.dict" ] || words=("-dict=fuzz/dictionaries/$target.dict")
    # A packet is at most 64 KiB; more is refused before it is decoded.
    cargo fuzz run --fuzz-dir fuzz "$target" "fuzz/corpus/$target" "fuzz/corpus-seeds/$target" -- \
        -max_total_time=$((MINUTES * 60)) -max_len=70000 -rss_limit_mb=512 -timeout=5 \
            -print_final_stats=1 \
        "${words[@]}" >"$LOG" 2>&1 </dev/null || status=$?
    if [ "$status" -ne 0 ]; then
        tail -n 40 "$LOG" >&2
        die "$target found something; the input is in fuzz/artifacts/$target"
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$LOG")
    echo "$target: $runs executions in $MINUTES min, no finding"
done

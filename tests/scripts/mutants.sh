#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Changes the decisions that .cargo/mutants.toml names, one at a time, and runs the unit tests,
# which have to fail. A change that survives has to be in docs/mutants.md.
# usage: mutants.sh [ARGUMENTS OF cargo mutants]      JOBS=2: how many changes at the same time
# For an eighth of them: mutants.sh --shard 0/8
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/scripts/common.sh

LIST=docs/mutants.md
OUT=target/mutants
if [ -n "${JOBS:-}" ]; then
    [[ $JOBS =~ ^[1-9][0-9]*$ ]] || die "JOBS is a number from 1 on"
    set -- --jobs "$JOBS" "$@"
fi

LOG=$(mktemp)
trap 'rm -f "$LOG"' EXIT
command -v cargo >/dev/null || die "cargo is missing; get Rust from https://rustup.rs"
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
cargo mutants --version >/dev/null 2>&1 ||
    step "installing cargo-mutants" quietly cargo install --locked cargo-mutants

# Each mutant is a build of one crate and a link, which debug information makes slow.
export CARGO_PROFILE_TEST_DEBUG=0 CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=1
mkdir -p "$OUT"
status=0
# The tests of the keeper's system calls take longest, and hold none of these functions.
cargo mutants --output "$OUT" --timeout 60 --cargo-test-arg=--lib "$@" \
    -- -- --skip keeper::filter || status=$?
# 2 and 3 are mutants that survived or took too long.
[ "$status" -eq 0 ] || [ "$status" -eq 2 ] || [ "$status" -eq 3 ] || die "cargo mutants failed"

count() { wc -l <"$OUT/mutants.out/$1.txt"; }
unlisted=0
while IFS= read -r mutant; do
    # FILE:LINE:COLUMN: WHAT, of which the list has FILE: WHAT.
    name=$(sed -E 's/:[0-9]+:[0-9]+: /: /' <<<"$mutant")
    if ! grep -qF -- "\`$name\`" "$LIST"; then
        say "survived, and is not in $LIST: $mutant"
        unlisted=$((unlisted + 1))
    fi
done <"$OUT/mutants.out/missed.txt"
echo "$(count caught) mutants killed, $(count missed) survived ($unlisted of them not in $LIST)," \
    "$(count timeout) took too long, $(count unviable) did not compile"
[ "$unlisted" -eq 0 ]

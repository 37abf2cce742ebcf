#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# What `make fresh` runs: other goals of the Makefile in a bare Debian, as somebody meets it who has
# just installed that: made by debootstrap, with make and nothing else. For a maintainer; it takes
# as long as the goals do, twice, and needs root and the network.
#
#   SUITES="bookworm trixie"     releases of Debian
#   GOALS="demo check"           goals of the Makefile, each run for itself
#   ROOTS=FOLDER                 made there, and kept; otherwise they go at the end
#
# Where Debian has no Rust that is new enough for the goal (Debian 12 has no clippy), the caller's
# toolchain is shown to the root. So are the certificate authorities that this machine has of its
# own, and the variables for proxies. The output is in target/fresh-SUITE.log; the last lines say
# how each goal ended.
set -euo pipefail
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/apt.sh"
. "$(dirname "$0")/roots.sh"
entered "$@"

cd "$(dirname "$0")/../.."
SUITES=${SUITES:-bookworm trixie}
GOALS=${GOALS:-demo check}
TARGET=${CARGO_TARGET_DIR:-target}

# The toolchain for a goal, in $TOOLCHAIN: nothing where the release has its own.
choose_toolchain() {
    local root=$1 goal=$2 packages="cargo cargo-web" have want
    [ "$goal" != check ] || packages=rust-clippy
    want=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    # shellcheck disable=SC2086 # a list of names
    have=$(TOOLCHAIN='' inside "$root" apt-cache policy $packages | sed -n 's/^  Candidate: //p')
    TOOLCHAIN=
    [ "$(printf '%s\n' "$want" "$have" | sort -V | tail -n 1)" != "$want" ] ||
        TOOLCHAIN=$(rustc --print sysroot)
}

try_goal() {
    local suite=$1 root=$2 goal=$3 start=$SECONDS status=0
    choose_toolchain "$root" "$goal"
    say "$suite: make $goal ...${TOOLCHAIN:+ (with $TOOLCHAIN)}"
    inside "$root" make --no-print-directory "$goal" >>"$LOG" 2>&1 </dev/null || status=$?
    RESULTS+=("$suite: make $goal: status $status after $((SECONDS - start)) s:"
        "    $(tail -n 1 "$LOG")")
    [ "$status" -eq 0 ] || FAILED=1
}

try_suite() {
    local suite=$1 root goal
    root=$WORK/$suite
    LOG=$TARGET/fresh-$suite.log
    : >"$LOG"
    [ -d "$root" ] || step "$suite" quietly make_root "$suite" "$root" make
    for goal in $GOALS; do
        try_goal "$suite" "$root" "$goal"
    done
}

work_folder fresh
RESULTS=() FAILED=0
for suite in $SUITES; do
    try_suite "$suite"
done
printf '%s\n' "${RESULTS[@]}"
exit "$FAILED"

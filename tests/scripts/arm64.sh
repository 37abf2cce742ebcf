#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# What `make arm64` runs: the workspace cross-compiled for aarch64 with Debian 13's own toolchain,
# and then, under Debian's arm64 kernel in QEMU, the unit tests (the keeper's seccomp list among
# them, which is tried with every system call number) and the main job: an ordinary user answers
# pings over AF_XDP. For a maintainer; needs root and the network. Its last line is `N passed, N
# failed`.
#
#   ROOTS=FOLDER     the Debian root is made there, and kept
set -euo pipefail
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/apt.sh"
. "$(dirname "$0")/roots.sh"
entered "$@"

cd "$(dirname "$0")/../.."
TARGET=${CARGO_TARGET_DIR:-target}
LOG=$TARGET/arm64.log
# What builds for this machine, as setup.sh has it; what builds for the other one; what runs it.
HOST="ca-certificates cargo clang gcc libc6-dev libelf-dev make pkg-config rustc zlib1g-dev"
CROSS="gcc-aarch64-linux-gnu libc6-dev:arm64 libelf-dev:arm64 libstd-rust-dev:arm64"
CROSS+=" zlib1g-dev:arm64"
RUN="cpio qemu-system-arm xz-utils"

make_cross_root() {
    make_root trixie "$1" ca-certificates
    inside "$1" dpkg --add-architecture arm64
    inside "$1" apt-get -q update
    # shellcheck disable=SC2086 # lists of names
    inside "$1" apt-get -q -y --no-install-recommends install $HOST $CROSS $RUN
}

# The tree as it is now: a root that was kept has an older one.
refresh() {
    [ ! -d "$1/src/target" ] ||
        find "$1/src" -mindepth 1 -maxdepth 1 ! -name target -exec rm -rf {} +
    copy_tree "$1/src"
}

# The machine's console, as the log has it. What ended well and what did not is in lines of its own.
count() {
    local passed failed
    passed=$(sed -n 's/^test result: .* \([0-9]*\) passed.*/\1/p' "$LOG" |
        awk '{ n += $1 } END { print n + 0 }')
    passed=$((passed + $(grep -c '^PASSED: ' "$LOG" || true)))
    failed=$(sed -n 's/^test result: .* \([0-9]*\) failed.*/\1/p' "$LOG" |
        awk '{ n += $1 } END { print n + 0 }')
    failed=$((failed + $(grep -c '^FAILED: ' "$LOG" || true)))
    grep -q '^THE END' "$LOG" || {
        say "the machine did not get to its end" && failed=$((failed + 1))
    }
    grep -E '^(PASSED|FAILED|test result): |\.\.\. FAILED$' "$LOG" || true
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}

work_folder arm64
ROOT=$WORK/arm64
: >"$LOG"
export LOG
[ -d "$ROOT" ] || step "Debian 13" quietly make_cross_root "$ROOT"
refresh "$ROOT"
step "cross build" quietly inside "$ROOT" tests/scripts/arm64-inside.sh build
step "initramfs" quietly inside "$ROOT" tests/scripts/arm64-inside.sh initramfs
: >"$LOG"
step "arm64" quietly inside "$ROOT" tests/scripts/arm64-inside.sh run
tr -d '\r' <"$LOG" >"$LOG.text" && mv "$LOG.text" "$LOG"
count

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

cd "$(dirname "$0")/../.."
SUITES=${SUITES:-bookworm trixie}
GOALS=${GOALS:-demo check}
TARGET=${CARGO_TARGET_DIR:-target}

# ---- inside the namespaces ------------------------------------------------------------------

# As a container has it: a root that is a mount point, with the kernel's file systems. The rest of
# the machine is not there.
enter() {
    local root=$1 toolchain=$2
    shift 2
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount -t sysfs sysfs "$root/sys"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs -o mode=755 tmpfs "$root/run"
    mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    local ca=/usr/local/share/ca-certificates
    if [ -d "$ca" ]; then
        mkdir -p "$root$ca"
        mount --bind -o ro "$ca" "$root$ca"
    fi
    local path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    if [ -n "$toolchain" ]; then
        mkdir -p "$root/opt/rust"
        mount --bind -o ro "$toolchain" "$root/opt/rust"
        path=/opt/rust/bin:$path
    fi
    mapfile -t variables < <(env | grep -E '^([a-zA-Z]*_proxy|PIP_CERT|PIP_INDEX_URL)=')
    exec chroot "$root" /usr/bin/env -i HOME=/root LANG=C.UTF-8 TERM=dumb DEBIAN_FRONTEND=noninteractive \
        PATH="$path" "${variables[@]}" bash -c 'cd /src && exec "$@"' bash "$@"
}

if [ "${1:-}" = --enter ]; then
    shift
    enter "$@"
fi

# ---- outside ----------------------------------------------------------------------------------

# inside ROOT COMMAND...: its processes end with it.
inside() {
    local root=$1
    shift
    unshare --mount --propagation private --pid --fork --kill-child "tests/scripts/$ME" --enter "$root" \
        "$TOOLCHAIN" "$@"
}

make_root() {
    local suite=$1 root=$2
    debootstrap --variant=minbase "$suite" "$root" "$(mirror)"
    TOOLCHAIN='' inside_src "$root"
}

# The tree, and make, which is what one types.
inside_src() {
    mkdir -p "$1/src"
    copy_tree "$1/src"
    inside "$1" sh -c 'apt-get -q update && apt-get -q -y --no-install-recommends install make'
}

# The toolchain for a goal, in $TOOLCHAIN: nothing where the release has its own.
choose_toolchain() {
    local root=$1 goal=$2 packages="cargo cargo-web" have want
    [ "$goal" != check ] || packages=rust-clippy
    want=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    # shellcheck disable=SC2086 # a list of names
    have=$(TOOLCHAIN='' inside "$root" apt-cache policy $packages | sed -n 's/^  Candidate: //p')
    TOOLCHAIN=
    [ "$(printf '%s\n' "$want" "$have" | sort -V | tail -n 1)" != "$want" ] || TOOLCHAIN=$(rustc --print sysroot)
}

try_goal() {
    local suite=$1 root=$2 goal=$3 start=$SECONDS status=0
    choose_toolchain "$root" "$goal"
    say "$suite: make $goal ...${TOOLCHAIN:+ (with $TOOLCHAIN)}"
    inside "$root" make --no-print-directory "$goal" >>"$LOG" 2>&1 </dev/null || status=$?
    RESULTS+=("$suite: make $goal: status $status after $((SECONDS - start)) s: $(tail -n 1 "$LOG")")
    [ "$status" -eq 0 ] || FAILED=1
}

try_suite() {
    local suite=$1 root goal
    root=$WORK/$suite
    LOG=$TARGET/fresh-$suite.log
    : >"$LOG"
    [ -d "$root" ] || step "$suite" quietly make_root "$suite" "$root"
    for goal in $GOALS; do
        try_goal "$suite" "$root" "$goal"
    done
}

is_root || die "this makes file systems and namespaces: run it as root"
need_packages debootstrap util-linux
mkdir -p "$TARGET"
WORK=${ROOTS:-$(mktemp -d "$TARGET/fresh.XXXXXX")}
WORK=$(cd "$WORK" && pwd)
# shellcheck disable=SC2064 # now
[ -n "${ROOTS:-}" ] || trap "rm -rf --one-file-system '$WORK'" EXIT
RESULTS=() FAILED=0
for suite in $SUITES; do
    try_suite "$suite"
done
printf '%s\n' "${RESULTS[@]}"
exit "$FAILED"

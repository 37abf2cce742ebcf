#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# What `make vm` runs: the tests that want a kernel of their own, in VMs with Debian's kernels,
# under the BPF security module. Nothing is installed but qemu, busybox and kmod; kernels and
# the launcher (virtme-ng) are kept in ${XSK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xsk-helper}/vm.
# A kernel is the newest of its line when it is fetched, and fetched anew after a week. The last
# line is `N passed, N failed`.
#
#   KERNEL="6.1 6.12 sid 5.10"   which lines of Debian's kernels
#   PROGRAMS="confinement ..."   which test programs (files of tests/tests)
#   TEST=name                    which tests of them (a part of the name)
set -euo pipefail
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/apt.sh"
. "$(dirname "$0")/kernels.sh"

cd "$(dirname "$0")/../.."
HERE=$PWD/tests/scripts
KERNEL=${KERNEL:-6.1 6.12}
PROGRAMS=${PROGRAMS:-confinement main_job}
LIMIT=${XSK_VM_LIMIT:-600}
# What the tests execute beside our own programs.
TOOLS="bash sh ip install ethtool ping cat sleep mount env"
PASSED=0 FAILED=0

# ---- what the VM executes -----------------------------------------------------------------

# The test programs that cargo has built, by name.
test_binary() {
    cargo test --locked --no-run -p xsk-tests --test "$1" --message-format=json 2>/dev/null |
        jq -r 'select(.executable != null and .target.kind == ["test"]) | .executable'
}

libraries() { ldd "$@" 2>/dev/null | grep -o '/[^ :]*\.so[^ :]*' | sort -u; }

# A root file system with nothing but that, as one file: the VM reads it in one go.
make_root() {
    local root=$1/root program file files
    mkdir -p "$root"/{proc,dev,sys,run,tmp,etc,root,var,t/deps}
    chmod 1777 "$root/tmp"
    for program in $TOOLS; do
        file=$(PATH=$PATH:/usr/sbin:/sbin type -P "$program") || die "there is no $program"
        install -D "$file" "$root/usr/bin/$program"
    done
    ln -s usr/bin "$root/bin"
    for program in helper client backend; do
        strip -o "$root/t/xsk-$program" "$BINARIES/xsk-$program"
    done
    for program in $PROGRAMS; do
        file=$(test_binary "$program")
        [ -x "$file" ] || die "the test program $program is not there: cargo test --no-run -p xsk-tests"
        strip -o "$root/t/deps/$program" "$file"
        echo "$program" >>"$1/programs"
    done
    mapfile -t files < <(libraries "$root"/t/xsk-* "$root"/t/deps/* "$root"/usr/bin/*)
    cp -L --parents -t "$root/" "${files[@]}"
    cp -a /etc/{passwd,group,nsswitch.conf,ld.so.cache} "$root/etc/"
    tar -C "$root" -cf "$1/root.tar" .
}

# ---- the run ----------------------------------------------------------------------------

boot() {
    local line=$1 image
    image=$(echo "$CACHE/kernel-$line"/root/lib/modules/*/vmlinuz)
    PATH=$CACHE/venv/bin:$PATH timeout -k 10 "$LIMIT" vng -r "$image" --disable-kvm --cpus 2 --memory 2G \
        --root / --rw --verbose --append "lsm=landlock,lockdown,yama,bpf" \
        -- "bash $HERE/vm-inside.sh $WORK $WORK/log-$line ${TEST:-}" </dev/null >"$WORK/console-$line" 2>&1
}

# sum WORD FILE: over all lines `test result: ok. 3 passed; 0 failed; ...`.
sum() {
    awk -v word="$1;" '/^test result: / { for (i = 2; i <= NF; i++) if ($i == word) n += $(i - 1) }
        END { print n + 0 }' "$2"
}

# run LINE: a VM that does not come to its end is a failure.
run() {
    local line=$1 start=$SECONDS log=$WORK/log-$1 failed
    say "tests on kernel $line ..."
    : >"$log"
    boot "$line" || true
    cat "$log"
    failed=$(sum failed "$log")
    PASSED=$((PASSED + $(sum passed "$log")))
    if [ "$(grep -c '^test result: ' "$log")" -ne "$(wc -l <"$WORK/programs")" ]; then
        tail -n 20 "$WORK/console-$line" >&2
        failed=$((failed + 1))
        say "kernel $line: the run did not come to its end"
    fi
    FAILED=$((FAILED + failed))
    say "kernel $line: $((SECONDS - start)) s"
}

is_root || die "the VM shows the tests this machine's files as root: run it as root"
need_packages qemu-system-x86 busybox-static kmod python3-venv jq binutils iproute2 ethtool iputils-ping
make_cache
BINARIES=${XSK_BIN_DIR:-${CARGO_TARGET_DIR:-target}/release}
[ -x "$BINARIES/xsk-helper" ] || die "nothing is built yet: make build"
# Not below /tmp or /run, which are others inside.
WORK=$(mktemp -d "$CACHE/run.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
trap 'exit 130' INT TERM HUP
step "launcher" launcher
step "root file system of the tests" make_root "$WORK"
for line in $KERNEL; do
    kernel "$line"
    run "$line"
done
echo "$PASSED passed, $FAILED failed"
[ "$FAILED" -eq 0 ]

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

cd "$(dirname "$0")/../.."
HERE=$PWD/tests/scripts
KERNEL=${KERNEL:-6.1 6.12}
PROGRAMS=${PROGRAMS:-confinement main_job}
LIMIT=${XSK_VM_LIMIT:-600}
CACHE=${XSK_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/xsk-helper}/vm
# What the tests execute beside our own programs.
TOOLS="bash sh ip install ethtool ping cat sleep mount env"
PASSED=0 FAILED=0

# ---- kernels ---------------------------------------------------------------------------

suite_of() {
    case $1 in
    5.10) echo bullseye ;;
    6.1) echo bookworm ;;
    6.12) echo bookworm-backports ;;
    sid) echo sid ;;
    *) die "KERNEL=$1: there are 5.10, 6.1, 6.12 and sid" ;;
    esac
}

depends() { apt-cache depends --important "$1" | sed -n 's/^ *Depends: //p'; }

# fetch_kernel LINE DIR: downloads and unpacks the newest; sid has image and modules apart.
fetch_kernel() (
    line=$1 dir=$2
    make_apt "$dir/apt" deb "$(suite_of "$line")"
    export APT_CONFIG=$dir/apt/conf
    quietly apt-get -q update || die "$(mirror) did not give the lists of $(suite_of "$line")"
    image=$(depends linux-image-amd64 | grep '^linux-image-[0-9]' | head -n 1) || true
    [ -n "$image" ] || die "$(suite_of "$line") has no linux-image-amd64"
    packages="$image $(depends "$image" | grep -E '^linux-(binary|modules)-' || true)"
    mkdir -p "$dir/root" "$dir/download"
    cd "$dir/download"
    # shellcheck disable=SC2086 # a list of names
    quietly apt-get -q download $packages || die "$image could not be downloaded"
    for package in *.deb; do
        dpkg -x "$package" "$dir/root"
    done
)

# arrange_kernel DIR: puts image and modules where the launcher looks for them.
arrange_kernel() {
    local root=$1/root modules version
    [ -d "$root/lib/modules" ] || { mkdir -p "$root/lib" && mv "$root/usr/lib/modules" "$root/lib/"; }
    modules=$(echo "$root"/lib/modules/*)
    version=${modules##*/}
    [ -e "$modules/vmlinuz" ] || mv "$root/boot/vmlinuz-$version" "$modules/vmlinuz"
    PATH=$PATH:/usr/sbin:/sbin depmod -b "$root" "$version"
    rm -rf "$1/download" "$1/apt"
    touch "$1/ready"
}

# kernel LINE: has its image, from the cache or fetched.
kernel() {
    local line=$1 dir=$CACHE/kernel-$1
    [ -z "$(find "$dir/ready" -mtime -7 2>/dev/null)" ] || return 0
    rm -rf "$dir"
    step "kernel $line" fetch_kernel "$line" "$dir"
    arrange_kernel "$dir"
}

launcher() {
    [ ! -x "$CACHE/venv/bin/vng" ] || return 0
    python3 -m venv "$CACHE/venv" && quietly "$CACHE/venv/bin/pip" -q install virtme-ng ||
        die "virtme-ng could not be installed by pip"
}

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
mkdir -p "$CACHE"
CACHE=$(cd "$CACHE" && pwd)
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

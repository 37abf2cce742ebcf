#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# What `make vm` runs: the tests that want a kernel of their own, in emulated machines with
# Debian's kernels. Each machine has nothing but the test programs and what they execute, in the
# archive that its kernel is given, and network cards whose other end is a network namespace of
# the run. Kernels are kept in ${XSK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xsk-helper}/vm; one is
# the newest of its line when it is fetched, and fetched anew after a week. The machines are
# those of the QEMU that qemu.sh builds, which runs in one of them, too. The last line is
# `N passed, N failed`.
#
#   KERNEL="6.1 6.12-nolsm"      which machines: a line of Debian's kernels (5.10, 6.1, 6.12,
#                                sid), with -nolsm booted without the BPF security module
#   PROGRAMS="confinement ..."   which test programs (files of tests/tests)
#   TEST=name                    which tests of them (a part of the name)
#   TABLE=docs/kernels.md        write what was seen into the table of that document; without it
#                                the table is compared, and a difference said
set -euo pipefail
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/apt.sh"
. "$(dirname "$0")/kernels.sh"
. "$(dirname "$0")/vm-table.sh"

cd "$(dirname "$0")/../.."
HERE=$PWD/tests/scripts
KERNEL=${KERNEL:-5.10 6.1 6.12 6.12-nolsm sid}
LIMIT=${XSK_VM_LIMIT:-900}
TARGET=${CARGO_TARGET_DIR:-target}
# What the tests execute beside our own programs.
TOOLS="bash sh ip install ethtool ping cat sleep mount env stty uname mkdir modprobe timeout"
TOOLS+=" dnsmasq xdp-loader setpriv taskset ionice kill true ls cp chmod echo id setsid script"
TOOLS+=" nohup tail bpftool strace"
MODULES="virtio_net igb igbvf veth macvlan bridge bonding 8021q tun"
# Built into some kernels, whose packages do not always say so.
MAYBE_MODULES="virtio_pci"
PASSED=0 FAILED=0 ROWS=

# The privileged suite, as far as a kernel can make a difference to it.
MORE="lab ends refusals hostile_descriptors hostile_identity hostile_processes"
ESSENCE="features confinement memory memory_races dispatcher virtio_net"

# programs_of MACHINE: on every kernel what is only to be had in these machines, and the rest of
# the suite on one or two each. An interface that is up has a new name only from Linux 6.2 on;
# from 7.1 on a frame may come to a queue a moment before its socket does, and where a test sends
# one frame alone at that moment, it is not for sid.
programs_of() {
    case $1 in
    5.10) echo features older main_job memory virtio_net ;;
    6.1) echo "$ESSENCE older main_job leases $MORE doctor_vf doctor_vm" ;;
    6.12) echo "$ESSENCE main_job leases interface_life hostile_schedule hostile_keeper chaos" ;;
    *-nolsm) echo features unguarded hostile_afxdp ;;
    sid) echo "$ESSENCE igb doctor_vf doctor_vm ends" ;;
    esac
}

# ---- what a machine is made of ------------------------------------------------------------

# The test programs that cargo builds, by name, as one `name path` a line.
test_binaries() {
    local name options=()
    for name in $ALL_PROGRAMS; do
        options+=(--test "$name")
    done
    quietly cargo test --locked --no-run -p xsk-tests "${options[@]}" ||
        die "the test programs could not be built"
    cargo test --locked --no-run -p xsk-tests "${options[@]}" --message-format=json 2>/dev/null |
        jq -r 'select(.executable != null and .target.kind == ["test"]) |
            .target.name + " " + .executable'
}

# The QEMU that has af-xdp, where it lies with its firmware.
find_qemu() {
    QEMU=${XSK_QEMU:-$("$HERE/qemu.sh" | tail -n 1)}
    [ -x "$QEMU" ] || die "the QEMU of qemu.sh is not there"
    QEMU_DIR=$(cd "$(dirname "$QEMU")/.." && pwd)
    "$QEMU" -device help 2>&1 | grep -q '"igb"' || die "$QEMU has no igb"
}

stopping_helper() {
    quietly cargo build --locked -p xsk-helper --features failpoints --target-dir \
        "$TARGET/failpoints"
}

libraries() { ldd "$@" 2>/dev/null | grep -o '/[^ :]*\.so[^ :]*' | sort -u; }

archive() { (cd "$1" && find . -print0 | cpio -0 -o -H newc -R 0:0 --quiet) >"$2"; }

# What is the same in every machine.
make_root() {
    local root=$WORK/root program file files
    mkdir -p "$root"/{proc,dev,sys,run,tmp,etc,root,var/lib/misc,vm,t/deps,usr/bin,qemu/bin}
    chmod 1777 "$root/tmp"
    for program in $TOOLS; do
        file=$(PATH=$PATH:/usr/sbin:/sbin type -P "$program") || die "there is no $program"
        install -D "$file" "$root/usr/bin/$program"
    done
    ln -s usr/bin "$root/bin"
    ln -s usr/bin "$root/sbin"
    for program in helper helper-admin client backend; do
        strip -o "$root/t/xsk-$program" "$BINARIES/xsk-$program"
    done
    strip -o "$root/t/stopping-helper" "$TARGET/failpoints/debug/xsk-helper"
    while read -r program file; do
        strip -o "$root/t/deps/$program" "$file"
    done < <(test_binaries)
    for program in $ALL_PROGRAMS; do
        [ -x "$root/t/deps/$program" ] || die "there is no test program $program"
    done
    strip -o "$root/qemu/bin/qemu-system-x86_64" "$QEMU"
    cp -a "$QEMU_DIR/share" "$root/qemu/"
    mapfile -t files < <(
        libraries "$root"/t/* "$root"/t/deps/* "$root"/usr/bin/* "$root"/qemu/bin/*
    )
    cp -L --parents -t "$root/" "${files[@]}" /usr/lib/x86_64-linux-gnu/bpf/xdp-dispatcher.o \
        /usr/lib/x86_64-linux-gnu/bpf/xsk_def_xdp_prog.o
    cp -a /etc/{passwd,group,nsswitch.conf,ld.so.cache} "$root/etc/"
    install -m 755 "$HERE/vm-inside.sh" "$root/init"
    archive "$root" "$WORK/root.cpio"
}

# add_modules LINE ROOT: those that the tests need, as the machine's modprobe finds them. What is
# built into the kernel needs nothing.
add_modules() {
    local from=$CACHE/kernel-$1/root to=$2 version name file list
    version=$(basename "$from"/lib/modules/*)
    for name in $MODULES $MAYBE_MODULES; do
        list=$(modprobe -d "$from" -S "$version" --show-depends "$name" 2>&1) ||
            [[ " $MAYBE_MODULES " = *" $name "* ]] || die "kernel $1 has no module $name"
        grep -q "^insmod .*/$name.ko" <<<"${list//-/_}" || continue
        echo "$name" >>"$to/vm/modules"
        for file in $(sed -n 's/^insmod \([^ ]*\).*/\1/p' <<<"$list"); do
            install -D -m 644 "$file" "$to/lib/modules/$version/${file#*/modules/"$version"/}"
        done
    done
    mkdir -p "$to/lib/modules/$version"
    find "$from/lib/modules/$version" -maxdepth 1 -name 'modules.[bo]*' ! -name '*.bin' \
        -exec cp -t "$to/lib/modules/$version" {} +
    quietly depmod -b "$to" "$version"
}

# make_machine MACHINE: what differs, as a second archive behind the first.
make_machine() {
    local line=${1%-nolsm} own=$WORK/own-$1
    mkdir -p "$own/vm" "$own/lib/modules"
    programs "$1" | tr ' ' '\n' >"$own/vm/programs"
    add_modules "$line" "$own"
    cat >"$own/vm/environment" <<END
CI=true XSK_VM=1 XSK_BIN_DIR=/t XSK_FAILPOINTS_BIN=/t/stopping-helper
XSK_QEMU=/qemu/bin/qemu-system-x86_64
ROUNDS=${ROUNDS:-12} LABS=1 SEED=${SEED:-$RANDOM} TEST=${TEST:-}
END
    archive "$own" "$WORK/own.cpio"
    cat "$WORK/root.cpio" "$WORK/own.cpio" >"$WORK/archive"
}

programs() { echo "${PROGRAMS:-$(programs_of "$1")}"; }

# ---- the run ----------------------------------------------------------------------------

# boot MACHINE LOG: the emulated machine, with the other ends of its cards around it.
boot() {
    local line=${1%-nolsm} lsm=landlock,lockdown,yama,bpf
    [ "$line" = "$1" ] || lsm=landlock,lockdown,yama
    unshare --net --pid --fork --kill-child --mount-proc \
        "$HERE/vm-net.sh" \
        "vm0:10.88.0:52.54.00.88.00.02:multi_queue vm1:10.89.0:52.54.00.89.00.02:" \
        timeout -k 10 "$LIMIT" "$QEMU" -M q35 -accel tcg,thread=multi -cpu max -smp 2 -m 2G \
        -no-reboot -nodefaults -display none -serial "file:$WORK/console-$1" -serial "file:$2" \
        -kernel "$(echo "$CACHE/kernel-$line"/root/lib/modules/*/vmlinuz)" -initrd "$WORK/archive" \
        -append "console=ttyS0 loglevel=4 panic=-1 rdinit=/init lsm=$lsm" \
        -netdev tap,id=n0,ifname=vm0,queues=4,script=no,downscript=no \
        -device virtio-net-pci,netdev=n0,mq=on,vectors=10,mac=52:54:00:88:00:02 \
        -netdev tap,id=n1,ifname=vm1,script=no,downscript=no \
        -device igb,netdev=n1,mac=52:54:00:89:00:02 \
        </dev/null >"$WORK/qemu-$1" 2>&1
}

# sum WORD FILE: over all lines `test result: ok. 3 passed; 0 failed; ...`.
sum() {
    awk -v word="$1;" '/^test result: / { for (i = 2; i <= NF; i++) if ($i == word) n += $(i - 1) }
        END { print n + 0 }' "$2"
}

# run MACHINE: one that does not come to its end is a failure.
run() {
    local machine=$1 start=$SECONDS log=$WORK/log-$1 failed
    say "machine $machine ..."
    : >"$log"
    boot "$machine" "$log" || true
    sed -i 's/\r//g' "$log"
    cat "$log"
    failed=$(sum failed "$log")
    PASSED=$((PASSED + $(sum passed "$log")))
    if [ "$(grep -c '^test result: ' "$log")" -ne "$(programs "$machine" | wc -w)" ]; then
        tail -n 20 "$WORK/qemu-$machine" "$WORK/console-$machine" >&2 || true
        failed=$((failed + 1))
        say "machine $machine: FAILED, the run did not come to its end"
    fi
    FAILED=$((FAILED + failed))
    [ -n "${TEST:-}${PROGRAMS:-}" ] || ROWS+=${ROWS:+$'\n'}$(table_row "$machine" "$log")
    say "machine $machine: $((SECONDS - start)) s"
}

# A machine that cannot be made fails by its name, and the others run.
run_machine() {
    local status=0
    set +e
    (
        set -e
        kernel "${1%-nolsm}"
        make_machine "$1"
    )
    status=$?
    set -e
    if [ "$status" -eq 0 ]; then
        run "$1"
    else
        say "machine $1: FAILED, it could not be made"
        FAILED=$((FAILED + 1))
    fi
}

report() {
    [ -n "$ROWS" ] || return 0
    table_head
    echo "$ROWS"
    if [ -n "${TABLE:-}" ]; then table_write "$TABLE" "$ROWS"; else table_compare docs/kernels.md \
        "$ROWS"; fi
}

is_root || die "the tests run as root, and so do the namespaces around the machines: run it as root"
need_packages kmod cpio jq binutils iproute2 ethtool iputils-ping python3 util-linux dnsmasq-base \
    xdp-tools bpftool bsdutils strace
for machine in $KERNEL; do
    suite_of "${machine%-nolsm}" >/dev/null
done
make_cache
BINARIES=${XSK_BIN_DIR:-$TARGET/release}
[ -x "$BINARIES/xsk-helper" ] || die "nothing is built yet: make build"
ALL_PROGRAMS=$(
    for machine in $KERNEL; do programs "$machine" | tr ' ' '\n'; done |
        cat - <(echo features) | sort -u
)
WORK=$(mktemp -d "$CACHE/run.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
trap 'exit 130' INT TERM HUP
step "QEMU of the machines" find_qemu
step "a helper that stops" stopping_helper
step "root file system of the tests" make_root
for machine in $KERNEL; do
    run_machine "$machine"
done
report
echo "$PASSED passed, $FAILED failed"
[ "$FAILED" -eq 0 ]

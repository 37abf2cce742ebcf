#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# What `make package-vm` runs: the Debian packages, installed by apt and used by ordinary users in
# a Debian with its own systemd, D-Bus, polkit, AppArmor and kernel, in a VM. The machine's own
# files are not shown to it. The last line is `N passed, N failed`.
#
# The root file system is made by debootstrap, which verifies what it downloads, and kept with the
# kernels in ${XSK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xsk-helper}/vm for a week; a run works on
# a snapshot of it, and changes nothing.
#
#   SUITE=bookworm        which Debian: this machine's own, which the packages were made on, or 12
#   KERNEL="6.1 6.12"     which lines of Debian's kernels: that release's own
#   DEBS=FOLDER           the packages (those that `make deb` left in target/deb)
#   TEST=name             which tests (a part of the name)
set -euo pipefail
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/apt.sh"
. "$(dirname "$0")/kernels.sh"
. "$(dirname "$0")/roots.sh"
entered "$@"

cd "$(dirname "$0")/../.."
HERE=$PWD/tests/scripts
SUITE=${SUITE:-$(. /etc/os-release && echo "${VERSION_CODENAME:-}")}
[[ $SUITE == trixie ]] || SUITE=bookworm
declare -A OWN=([bookworm]=6.1 [trixie]=6.12)
KERNEL=${KERNEL:-${OWN[$SUITE]}}
DEBS=${DEBS:-${CARGO_TARGET_DIR:-target}/deb}
LIMIT=${XSK_VM_LIMIT:-900}
# What the packages depend on is there already: the VM has no network. Of the rest, polkit, sudo and
# AppArmor are what the packages talk to, and the others what the tests execute.
PACKAGES="libpam-systemd polkitd pkexec sudo apparmor adduser libelf1 zlib1g libbpf1 iproute2
    iputils-ping ethtool bpftool procps python3"
# The drive and its file system; the cables. The root file system itself has no modules.
MODULES="virtio_pci virtio_blk ext4 crc32c_generic veth"

VM='' PASSED=0 FAILED=0

# ---- the root file system ------------------------------------------------------------------

make_debian() (
    root=$1/root
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,udev "$SUITE" "$root" \
        "$(mirror)" || exit
    # Nothing is started here.
    printf '#!/bin/sh\nexit 101\n' | install -D -m 755 /dev/stdin "$root/usr/sbin/policy-rc.d"
    mkdir "$root/src"
    inside "$root" apt-get -q update || exit
    # shellcheck disable=SC2086 # a list of names
    inside "$root" apt-get -q -y --no-install-recommends install $PACKAGES || exit
    rm -rf "$root"/{src,usr/sbin/policy-rc.d,etc/resolv.conf} \
        "$root"/var/{lib/apt/lists/*,cache/apt/archives/*.deb}
    # Nothing of this is under test, and each takes its time.
    systemctl --root="$root" mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
        e2scrub_all.timer e2scrub_reap.service fstrim.timer systemd-tmpfiles-clean.timer \
            getty@tty1.service \
        serial-getty@ttyS0.service systemd-udev-trigger.service systemd-update-utmp.service
    truncate -s 2G "$root.ext4"
    mkfs.ext4 -q -L root -O ^has_journal -d "$root" "$root.ext4"
)

# debian: has it in $ROOT, from the cache or made; another list of packages is another one.
debian() {
    local work
    ROOT=$CACHE/debian-$SUITE-$(md5sum <<<"$PACKAGES" | cut -c1-8).ext4
    [ -z "$(find "$ROOT" -mtime -7 2>/dev/null)" ] || return 0
    rm -rf "$CACHE/debian-$SUITE"*
    work=$(mktemp -d "$CACHE/debian-$SUITE.XXXXXX")
    step "Debian ($SUITE)" quietly make_debian "$work"
    mv "$work/root.ext4" "$ROOT"
    rm -rf "$work"
}

# ---- what goes in --------------------------------------------------------------------------

# next_version DEB FOLDER: the same package, as the version that comes after it, as are those that
# it depends on.
next_version() {
    local dir=$WORK/next
    rm -rf "$dir"
    dpkg-deb -R "$1" "$dir"
    sed -i 's/^Version: .*/&+next/; /^Depends:/s/ (= [^)]*/&+next/g' "$dir/DEBIAN/control"
    quietly dpkg-deb --root-owner-group -b "$dir" "$2"
}

payload() {
    local deb payload=$WORK/initramfs/payload
    mkdir -p "$payload"/{now,next}
    for deb in "$DEBS"/*.deb; do
        [[ $deb != *-dbgsym_* ]] || continue
        cp "$deb" "$payload/now/"
        next_version "$deb" "$payload/next"
    done
    cp "$HERE/package-vm-inside.sh" "$payload/"
}

# The modules of MODULES and what they need, numbered in the order in which they are loaded.
modules() {
    local module path version n=100 to=$WORK/initramfs/modules
    mkdir -p "$to"
    version=$(basename "$(echo "$CACHE/kernel-$LINE"/root/lib/modules/*)")
    for module in $MODULES; do
        while read -r path; do
            [ -z "$(find "$to" -name "*-$(basename "${path%%.ko*}").ko")" ] || continue
            n=$((n + 1))
            unpacked "$path" >"$to/$n-$(basename "${path%%.ko*}").ko"
        done < <(modprobe -d "$CACHE/kernel-$LINE/root" -S "$version" --show-depends "$module" |
            sed -n 's/^insmod \([^ ]*\).*/\1/p')
    done
}

unpacked() {
    case $1 in
    *.xz) xz -dc "$1" ;;
    *.zst) zstd -dc "$1" ;;
    *) cat "$1" ;;
    esac
}

make_initramfs() {
    local dir=$WORK/initramfs
    mkdir -p "$dir"/{bin,dev,proc,root}
    cp "$(type -P busybox)" "$dir/bin/busybox"
    payload
    modules
    cat >"$dir/init" <<'EOF'
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
for module in /modules/*; do /bin/busybox insmod "$module"; done
/bin/busybox mount -t ext4 -o noatime /dev/vda /root
/bin/busybox cp -a /payload /root/payload
/bin/busybox cat >/root/etc/systemd/system/package-test.service <<UNIT
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/bash /payload/package-vm-inside.sh
ExecStopPost=/bin/systemctl --no-block poweroff
StandardOutput=file:/dev/ttyS1
StandardError=file:/dev/ttyS1
UNIT
/bin/busybox ln -s ../package-test.service /root/etc/systemd/system/multi-user.target.wants/
exec /bin/busybox switch_root /root /sbin/init
EOF
    chmod 755 "$dir/init"
    (cd "$dir" && find . | busybox cpio -o -H newc 2>/dev/null) >"$WORK/initramfs.cpio"
}

# ---- the run ---------------------------------------------------------------------------------

boot() {
    local image
    image=$(echo "$CACHE/kernel-$LINE"/root/lib/modules/*/vmlinuz)
    TMPDIR=$WORK timeout -k 10 "$LIMIT" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 \
        -m 2G \
        -nodefaults -display none -no-reboot -kernel "$image" -initrd "$WORK/initramfs.cpio" \
        -append "console=ttyS0 quiet panic=-1 systemd.show_status=false test=${TEST:-}" \
        -drive "file=$ROOT,format=raw,if=virtio,snapshot=on,cache=unsafe" \
        -serial "file:$WORK/console" -serial "file:$WORK/log" </dev/null
}

# run: a VM that does not come to its end is a failure.
run() {
    local start=$SECONDS counts
    say "the packages in $SUITE on kernel $LINE ..."
    truncate -s 0 "$WORK/log" "$WORK/console"
    boot &
    VM=$!
    follow $VM
    wait $VM || true
    VM=''
    say "kernel $LINE: $((SECONDS - start)) s"
    counts=$(tr -d '\r' <"$WORK/log" | sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p')
    if [ -z "$counts" ]; then
        tail -n 20 "$WORK/console" >&2
        say "kernel $LINE: the run did not come to its end"
        counts="0 1"
    fi
    PASSED=$((PASSED + ${counts% *}))
    FAILED=$((FAILED + ${counts#* }))
}

# follow PID: shows what the VM says as long as that process lives, but for its counts.
follow() { tail -n +1 -s 0.5 -f --pid="$1" "$WORK/log" |
    sed -u 's/\r$//; /^[0-9]* passed, [0-9]* failed$/d'; }

is_root || die "this makes a root file system: run it as root"
need_packages qemu-system-x86 busybox-static kmod xz-utils e2fsprogs debootstrap systemd util-linux
make_cache
DEBS=$(cd "$DEBS" 2>/dev/null && pwd) && ls "$DEBS"/*.deb >/dev/null 2>&1 ||
    die "there are no packages yet: make deb"
WORK=$(mktemp -d "$CACHE/run.XXXXXX")
trap '[ -z "$VM" ] || pkill -P "$VM" || true; rm -rf "$WORK"' EXIT
trap 'exit 130' INT TERM HUP
debian
for LINE in $KERNEL; do
    kernel "$LINE"
    rm -rf "$WORK/initramfs"
    step "initramfs" make_initramfs
    run
done
echo "$PASSED passed, $FAILED failed"
[ "$FAILED" -eq 0 ]

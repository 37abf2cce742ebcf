#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Builds a QEMU with af-xdp, which no Debian package has, from Debian's own sources, and
# prints the path of its qemu-system-x86_64 as the last line. The result is kept in
# ${XSK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xsk-helper}/qemu-VERSION; as long as it is
# there, nothing is downloaded.
#
#   qemu.sh              the binary
#   qemu.sh --firmware   the folder for -L (the binary finds it without, too)
#   qemu.sh --packages   nothing but the packages that the build needs
#
# XSK_QEMU_SUITES ("sid stable") are the Debian releases whose sources are taken and
# XSK_QEMU_SERIES (10.2) the series tried first, then the newest; a version that is listed
# and not on the mirror any more is passed over.
set -euo pipefail
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/apt.sh"

# A change of what is built below makes older results worthless: count this up with it.
RECIPE=1
SUITES=${XSK_QEMU_SUITES:-sid stable}
SERIES=${XSK_QEMU_SERIES:-10.2}
CACHE=${XSK_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/xsk-helper}

TOOLS="ca-certificates dpkg-dev gcc make pkg-config xz-utils python3 util-linux"
FOR_LIBXDP="clang llvm m4 libelf-dev libbpf-dev libcap-ng-dev libpcap-dev"
FOR_QEMU="libglib2.0-dev libfdt-dev ninja-build python3-venv flex bison zlib1g-dev"
FIRMWARE="seabios ipxe-qemu qemu-system-data"

# ---- the cache ------------------------------------------------------------------------

# The newest finished build of this recipe and of the series asked for, if there is one.
cached() {
    local dir
    for dir in $(printf '%s\n' "$CACHE"/qemu-* | sort -rV); do
        [ "$(cat "$dir/recipe" 2>/dev/null)" = "$RECIPE $SERIES" ] || continue
        [ -x "$dir/bin/qemu-system-x86_64" ] && echo "$dir" && return
    done
    return 1
}

answer() {
    case $WANTED in
    binary) echo "$1/bin/qemu-system-x86_64" ;;
    firmware) echo "$1/share/qemu" ;;
    esac
}

# ---- sources, by apt, without a change to the machine's own configuration -----------------

# private_apt DIR: an apt that knows nothing but the sources of $SUITES, from the same mirror.
private_apt() {
    local dir=$1
    make_apt "$dir" deb-src "$SUITES"
    # One release that is not there is no matter, and not every failure is one to apt: what
    # counts is what is known afterwards.
    env APT_CONFIG="$dir/conf" apt-get -q update >"$dir/update" 2>&1 </dev/null || true
    grep -E '^(E|W|Err)[:0-9]' "$dir/update" >&2 || true
    [ -z "$(versions qemu)" ] || return 0
    say "$(mirror) did not give the lists of the sources of $SUITES"
    return 1
}

# versions PACKAGE [SERIES]: what the releases list, newest first, those of SERIES before all.
versions() {
    local all series="^([0-9]+:)?${2:-.*}\\."
    all=$(APT_CONFIG=$APT/conf apt-cache showsrc --only-source "$1" | field Version | sort -ruV)
    grep -E "$series" <<<"$all" || true
    grep -vE "$series" <<<"$all" || true
}

# source_of PACKAGE [SERIES]: downloads (apt checks the hashes) and unpacks it as $WORK/PACKAGE;
# some listed versions are gone from the mirror, so the next is tried.
source_of() {
    local package=$1 version dir=$WORK/download-$1
    mkdir -p "$dir"
    for version in $(versions "$package" "${2:-}"); do
        if (cd "$dir" && quietly env APT_CONFIG="$APT/conf" \
            apt-get -q source --download-only --only-source "$package=$version") 2>/dev/null; then
            quietly dpkg-source --no-check -x "$dir"/*.dsc "$WORK/$package" || return 1
            echo "$version" >"$WORK/$package.version"
            say "$package $version"
            return
        fi
        say "$package $version could not be downloaded, trying the next"
        rm -rf "${dir:?}"/*
    done
    tail -n 20 "$LOG" >&2
    say "no version of the source package $package of $SUITES could be downloaded"
    return 1
}

# ---- building -------------------------------------------------------------------------

# A static libxdp, so that the binary needs nothing that the machine lacks. The BPF objects
# go with it: a QEMU that loads its own program (as root, for comparison) looks for them.
build_libxdp() {
    local src=$WORK/xdp-tools
    cd "$src"
    quietly env FORCE_SYSTEM_LIBBPF=1 PREFIX="$DEST" ./configure || return 1
    quietly make -j"$JOBS" libxdp PREFIX="$DEST" || return 1
    mkdir -p "$OUT"/lib/{bpf,pkgconfig} "$OUT/include/xdp"
    cp lib/libxdp/libxdp.a "$OUT/lib/" && cp headers/xdp/{libxdp,xsk}.h "$OUT/include/xdp/" &&
        cp lib/libxdp/{xdp-dispatcher,xsk_def_xdp_prog,xsk_def_xdp_prog_5.3}.o "$OUT/lib/bpf/" ||
        return 1
    cat >"$OUT/lib/pkgconfig/libxdp.pc" <<EOF
prefix=\${pcfiledir}/../..
Name: libxdp
Description: XDP library
Version: $(sed 's/^[0-9]*://; s/[-+].*//' "$WORK/xdp-tools.version")
Requires: libbpf
Libs: -L\${prefix}/lib -lxdp
Cflags: -I\${prefix}/include
EOF
}

# The Debian tarball lacks the wheels that configure installs; it names their versions itself.
fetch_wheels() {
    local wheels=$WORK/qemu/python/wheels spec
    quietly /usr/bin/python3 -m venv "$WORK/venv" || return 1
    mkdir -p "$wheels"
    for spec in $(wanted_wheels); do
        quietly "$WORK/venv/bin/pip" download --no-deps --only-binary :all: -d "$wheels" "$spec" ||
            {
            say "the Python wheel $spec could not be downloaded"
            return 1
        }
    done
    (cd "$wheels" && sha256sum -- *.whl) >"$OUT/wheels.sha256"
}

wanted_wheels() {
    /usr/bin/python3 - "$WORK/qemu/pythondeps.toml" <<'EOF'
import sys, tomllib

groups = tomllib.load(open(sys.argv[1], "rb"))
for name in ("meson", "pycotap"):
    for group in groups.values():
        if name in group:
            print(f"{name}=={group[name]['installed']}")
            break
EOF
}

build_qemu() {
    local src=$WORK/qemu
    # No blobs in the tarball: the firmware comes from packages of its own.
    printf '%s\n' 'roms = []' 'blobs = []' 'keymap_targets = []' >"$src/pc-bios/meson.build"
    mkdir -p "$src/build"
    cd "$src/build"
    quietly env PKG_CONFIG_PATH="$OUT/lib/pkgconfig" ../configure --python=/usr/bin/python3 \
        --prefix=/usr --target-list=x86_64-softmmu --without-default-features --enable-af-xdp \
        --enable-bpf --enable-tcg --enable-fdt=system --enable-vhost-net --enable-vhost-user \
        --enable-vhost-kernel --disable-docs --disable-install-blobs --disable-download || return 1
    quietly ninja -j"$JOBS" qemu-system-x86_64 || return 1
    mkdir -p "$OUT/bin"
    strip -o "$OUT/bin/qemu-system-x86_64" qemu-system-x86_64
}

# QEMU looks in ../share/qemu from where it lies.
collect_firmware() {
    mkdir -p "$OUT/share/qemu"
    cp -L /usr/share/seabios/*.bin /usr/lib/ipxe/qemu/*.rom "$OUT/share/qemu/"
    find /usr/share/qemu -maxdepth 1 -type f \( -name '*.bin' -o -name '*.rom' \) \
        -exec cp -t "$OUT/share/qemu/" {} +
    [ -s "$OUT/share/qemu/bios-256k.bin" ] && [ -s "$OUT/share/qemu/pxe-virtio.rom" ]
}

# Nothing is called done that does not know the option.
check_binary() {
    local said
    said=$("$OUT/bin/qemu-system-x86_64" -machine none -display none \
        -netdev af-xdp,id=x,ifname=nope 2>&1 </dev/null || true)
    case $said in
    *'failed to get ifindex'*) ;;
    *)
        say "the QEMU built does not know af-xdp, it says: $said"
        return 1
        ;;
    esac
}

# shellcheck disable=SC2086 # lists of names
packages() { need_packages $TOOLS $FOR_LIBXDP $FOR_QEMU $FIRMWARE; }

build() {
    local version
    WORK=$(mktemp -d "$CACHE/.build.XXXXXX")
    trap 'rm -rf "$WORK"' EXIT
    trap 'exit 130' INT TERM HUP
    LOG=$WORK/log APT=$WORK/apt OUT=$WORK/out JOBS=$(nproc)
    mkdir -p "$OUT"
    : >"$LOG"
    step "packages for the build" packages
    step "list of the sources of $SUITES" private_apt "$APT"
    step "source of QEMU" source_of qemu "$SERIES"
    step "source of xdp-tools" source_of xdp-tools
    version=$(sed 's/^[0-9]*://; s/[-+].*//' "$WORK/qemu.version")
    DEST=$CACHE/qemu-$version
    step "wheels for QEMU's configure" fetch_wheels
    step "libxdp" build_libxdp
    step "QEMU $version" build_qemu
    step "firmware" collect_firmware
    step "af-xdp in the new binary" check_binary
    echo "$RECIPE $SERIES" >"$OUT/recipe"
    rm -rf "$DEST"
    mv "$OUT" "$DEST"
}

case ${1:-} in
'') WANTED=binary ;;
--firmware) WANTED=firmware ;;
--packages) packages && exit ;;
*) die "usage: qemu.sh [--firmware | --packages]" ;;
esac
if ! DIR=$(cached); then
    mkdir -p "$CACHE"
    CACHE=$(cd "$CACHE" && pwd)
    # Two runs at once: the second waits, and then finds what the first has made.
    exec 9>"$CACHE/qemu.lock"
    flock -n 9 || { say "waiting for another run that builds it"; flock 9; }
    if ! DIR=$(cached); then
        rm -rf "$CACHE"/.build.*
        (build)
        DIR=$(cached) || die "the build left nothing behind"
    fi
fi
answer "$DIR"

# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck shell=bash
# Debian's kernels, fetched into $CACHE and kept there. One is the newest of its line when it is
# fetched, and fetched anew after a week. Sourced by bash, after common.sh and apt.sh.

CACHE=${XSK_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/xsk-helper}/vm

make_cache() {
    mkdir -p "$CACHE"
    CACHE=$(cd "$CACHE" && pwd)
}

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
    apt_get update || die "$(mirror) did not give the lists of $(suite_of "$line")"
    image=$(depends linux-image-amd64 | grep '^linux-image-[0-9]' | head -n 1) || true
    [ -n "$image" ] || die "$(suite_of "$line") has no linux-image-amd64"
    packages="$image $(depends "$image" | grep -E '^linux-(binary|modules)-' || true)"
    mkdir -p "$dir/root" "$dir/download"
    cd "$dir/download" || exit
    # shellcheck disable=SC2086 # a list of names
    apt_get download $packages || die "$image could not be downloaded"
    for package in *.deb; do
        dpkg -x "$package" "$dir/root"
    done
)

# arrange_kernel DIR: puts image and modules where the scripts look for them.
arrange_kernel() {
    local root=$1/root modules version
    [ -d "$root/lib/modules" ] || {
        mkdir -p "$root/lib" && mv "$root/usr/lib/modules" "$root/lib/"
    }
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

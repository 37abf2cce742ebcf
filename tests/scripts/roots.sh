# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck shell=bash
# Bare Debian roots, made by debootstrap, and commands in them. Sourced by bash, after common.sh
# and apt.sh, by scripts that call `entered "$@"` before anything else.

# In the namespaces, as a container has it: a root that is a mount point, with the kernel's file
# systems. The rest of the machine is not there, but for the certificate authorities that it has of
# its own, the variables for proxies, and TOOLCHAIN, where that is named.
enter() {
    local root=$1 toolchain=$2 ca=/usr/local/share/ca-certificates variables
    local path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    shift 2
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount -t sysfs sysfs "$root/sys"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs -o mode=755 tmpfs "$root/run"
    mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    if [ -d "$ca" ]; then
        mkdir -p "$root$ca"
        mount --bind -o ro "$ca" "$root$ca"
    fi
    if [ -n "$toolchain" ]; then
        mkdir -p "$root/opt/rust"
        mount --bind -o ro "$toolchain" "$root/opt/rust"
        path=/opt/rust/bin:$path
    fi
    mapfile -t variables < <(env | grep -E '^([a-zA-Z]*_proxy|PIP_CERT|PIP_INDEX_URL)=')
    # Not chroot: what enters another mount namespace and comes back would find itself outside.
    cd "$root" || exit 1
    pivot_root . .
    umount --lazy .
    exec /usr/bin/env -i HOME=/root LANG=C.UTF-8 TERM=dumb DEBIAN_FRONTEND=noninteractive \
        PATH="$path" "${variables[@]}" bash -c 'cd /src && exec "$@"' bash "$@"
}

# entered ARGUMENTS...: goes on in the root, if that is what the script was started for.
entered() {
    [ "${1:-}" = --enter ] || return 0
    shift
    enter "$@"
}

# inside ROOT COMMAND...: in the folder /src; its processes end with it.
inside() {
    local root=$1
    shift
    unshare --mount --propagation private --pid --fork --kill-child "tests/scripts/$ME" --enter \
        "$root" \
        "${TOOLCHAIN:-}" "$@"
}

# make_root SUITE ROOT PACKAGE...: with the tree in /src.
make_root() {
    local suite=$1 root=$2
    shift 2
    debootstrap --variant=minbase "$suite" "$root" "$(mirror)"
    copy_tree "$root/src"
    # As Debian's installer and every container have it.
    echo "127.0.0.1 localhost $(hostname)" >"$root/etc/hosts"
    # What this machine's apt has to know of its mirror.
    apt-config dump | grep -E '^Acquire::(Check-Valid-Until|https?::Proxy) ' \
        >"$root/etc/apt/apt.conf.d/90mirror" || true
    inside "$root" apt-get -q update
    inside "$root" apt-get -q -y --no-install-recommends install "$@"
}

# work_folder NAME: in $WORK; ROOTS= keeps it.
work_folder() {
    is_root || die "this makes file systems and namespaces: run it as root"
    need_packages debootstrap util-linux
    mkdir -p "$TARGET" ${ROOTS:+"$ROOTS"}
    WORK=$(cd "${ROOTS:-$(mktemp -d "$TARGET/$1.XXXXXX")}" && pwd)
    # shellcheck disable=SC2064 # now
    [ -n "${ROOTS:-}" ] || trap "rm -rf --one-file-system '$WORK'" EXIT
}

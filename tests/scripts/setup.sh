#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Installs what the project needs on Debian 12 or 13, as root or by sudo, and only what is missing,
# so a second run neither waits nor needs a network. Elsewhere it says what is missing.
#
#   setup.sh [build] [demo] [guest] [check] [deb] [rpm]     nothing named: the first three
set -euo pipefail
. "$(dirname "$0")/common.sh"

ROOT=$(cd "$(dirname "$0")/../.." && pwd)

# libbpf is compiled from the crate's own copy, and clang compiles the BPF programs.
BUILD="ca-certificates clang gcc jq libc6-dev libelf-dev make pkg-config zlib1g-dev"
DEMO="iproute2 iputils-ping libcap2-bin mount passwd procps util-linux"
# The guest of the demonstration: a Linux with a real driver, whose modules kmod loads.
GUEST="iperf3 kmod user-mode-linux"
# strace injects faults, jq and python3 read and write what the tests compare; dbus, pkexec,
# polkitd, sudo and systemd (for systemd-socket-activate) are ways in to the helper. dpdk-dev
# has a virtio driver that polls, in testpmd.
CHECK="bpftool bubblewrap crun dbus dnsmasq-base dpdk-dev ethtool g++ git golang-go jq libc6-dbg"
CHECK+=" pkexec podman polkitd python3 qemu-system-x86 shellcheck strace sudo systemd tcpdump"
CHECK+=" tshark uidmap valgrind"
# An ordinary user's libvirt, whose domains have our card.
CHECK+=" libvirt-clients libvirt-daemon libvirt-daemon-driver-qemu"
# What packaging/debian builds with, and the tools that judge it.
DEB="debhelper dh-apparmor dh-python dpkg-dev fakeroot libbpf-dev lintian man-db python3 systemd"
# Debian's rpmbuild, and what compiles a SELinux module.
RPM="checkpolicy cpio make rpm semodule-utils"

PACKAGES=()
PARTS=" ${*:-build demo check} "
for part in $PARTS; do
    # shellcheck disable=SC2206 # lists of names
    case $part in
    build) PACKAGES+=($BUILD) ;;
    demo) PACKAGES+=($DEMO) ;;
    guest) PACKAGES+=($DEMO $GUEST) ;;
    check) PACKAGES+=($DEMO $GUEST $CHECK) ;;
    deb) PACKAGES+=($DEB) ;;
    rpm) PACKAGES+=($RPM) ;;
    *) die "no such part: $part (usage: setup.sh [build] [demo] [guest] [check] [deb] [rpm])" ;;
    esac
done

# ---- the Rust toolchain ---------------------------------------------------------------

wanted_rust() { sed -n 's/^rust-version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml"; }

# at_least HAVE WANT, as versions.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

# The version of a package that apt would install.
candidate() { apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: //p'; }

have_rust() { cargo --version 2>/dev/null | cut -d' ' -f2 || true; }

rust_is_new_enough() { [ -n "$(have_rust)" ] && at_least "$(have_rust)" "$(wanted_rust)"; }

# Debian 13 has a cargo that is new enough, and Debian 12 one for its browsers, without clippy; one
# that is there is not replaced.
rust_from_apt() {
    [ -z "$(have_rust)" ] && has_apt || return 0
    ! may_be_root || apt_update
    if at_least "$(candidate cargo)" "$(wanted_rust)"; then
        PACKAGES+=(cargo rustc rustfmt rust-clippy)
    elif at_least "$(candidate cargo-web)" "$(wanted_rust)" && ! wants check; then
        PACKAGES+=(cargo-web rustc-web)
    fi
}

explain_rust() {
    local have
    have=$(have_rust)
    say "cargo $(wanted_rust) or newer is needed, found: ${have:-none}"
    say "get it with rustup (https://rustup.rs), as the user who builds: rustup toolchain install stable"
    ! is_root || [ -z "${SUDO_USER:-}" ] ||
        say "(if $SUDO_USER has it: run make as $SUDO_USER; it asks for root where it needs it)"
    exit 1
}

check_components() {
    local tool status=0
    for tool in fmt clippy; do
        cargo "$tool" --version >/dev/null 2>&1 && continue
        say "cargo $tool is missing: rustup component add rustfmt clippy," \
            "or apt-get install rustfmt rust-clippy"
        status=1
    done
    return "$status"
}

# ---- accounts -------------------------------------------------------------------------

# The helper's service user, and the group whose members may start a setuid helper.
make_accounts() {
    if ! getent group xsk >/dev/null; then
        is_root || die "the group xsk is missing; as root: groupadd --system xsk"
        groupadd --system xsk || die "groupadd could not make the group xsk"
        say "made the group xsk"
    fi
    if ! getent passwd _xsk-helper >/dev/null; then
        is_root || die "the user _xsk-helper is missing; as root: $USERADD"
        $USERADD || die "useradd could not make the user _xsk-helper"
        say "made the user _xsk-helper"
    fi
}
USERADD="useradd --system --user-group --no-create-home --home-dir /nonexistent"
USERADD+=" --shell /usr/sbin/nologin _xsk-helper"

wants() { [[ $PARTS == *" $1 "* ]]; }

! wants build || rust_is_new_enough || rust_from_apt
need_packages "${PACKAGES[@]}"
! wants check || make_accounts
! wants build || rust_is_new_enough || explain_rust
! wants build || ! wants check || check_components

#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# The parts of arm64.sh that run in the Debian root: build, initramfs, run.
set -euo pipefail

TRIPLE=aarch64-unknown-linux-gnu
BUILT=target/$TRIPLE/debug
VM=target/arm64
# What the machine runs besides ours, with the libraries that these need and the build does not.
PROGRAMS="bash busybox-static iproute2 iputils-ping util-linux"
LIBRARIES="libbpf1 libcap-ng0 libcap2 libidn2-0 libmnl0 libpcre2-8-0 libselinux1 libtinfo6"
LIBRARIES+=" libunistring5"

export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc PKG_CONFIG_ALLOW_CROSS=1

# All of the workspace has to compile; the unit tests and the programs are linked too.
build() {
    local crates=(-p xsk-helper -p xsk-helper-admin -p xsk-client -p xsk-cli -p xsk-backend)
    cargo check --locked --workspace --all-targets --target "$TRIPLE"
    cargo build --locked --target "$TRIPLE" "${crates[@]}"
    mkdir -p "$VM"
    cargo test --no-run --locked --target "$TRIPLE" --lib "${crates[@]}" \
        -p xsk-proto -p xsk-netlink -p xsk-socket 2>&1 |
        tee /dev/stderr | sed -n 's/^ *Executable .*(\(.*\))$/\1/p' >"$VM/tests"
}

fetch() {
    local kernel package
    kernel=$(apt-cache depends linux-image-arm64:arm64 |
        sed -n 's/.*Depends: \(linux-image-[0-9][^: ]*\).*/\1/p' | head -n 1)
    rm -rf "$VM/packages" "$VM/system"
    mkdir -p "$VM/packages"
    # shellcheck disable=SC2046,SC2086 # lists of names
    (cd "$VM/packages" && apt-get -q download "$kernel:arm64" \
        $(printf '%s:arm64 ' $PROGRAMS $LIBRARIES))
    for package in "$VM"/packages/*.deb; do
        dpkg -x "$package" "$VM/system"
    done
}

# The libraries of a program, and theirs.
libraries() {
    local name found
    for name in $(aarch64-linux-gnu-readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
        [ ! -e "$ROOT/lib/$name" ] || continue
        found=$(find "$VM/system/usr/lib" /usr/lib/aarch64-linux-gnu /usr/aarch64-linux-gnu \
            -name "$name" -print -quit)
        cp -L "$found" "$ROOT/lib/$name"
        libraries "$ROOT/lib/$name"
    done
}

initramfs() {
    local system=$VM/system program test
    ROOT=$VM/root
    fetch
    rm -rf "$ROOT"
    mkdir -p "$ROOT"/{bin,lib,proc,sys,dev,run,tmp,tests,etc/xsk-helper/policy.d}
    cp "$BUILT"/xsk-{helper,client,backend} "$system"/usr/bin/{bash,busybox,ping,setpriv} \
        "$ROOT/bin"
    install -D "$BUILT/xsk-helper-admin" "$ROOT/usr/libexec/xsk-helper-admin"
    cp "$(find "$system" -path '*bin/ip' -type f)" "$ROOT/bin"
    while read -r test; do
        cp "$test" "$ROOT/tests"
    done <"$VM/tests"
    aarch64-linux-gnu-strip "$ROOT"/bin/xsk-* "$ROOT"/usr/libexec/* "$ROOT"/tests/*
    for program in "$ROOT"/bin/* "$ROOT"/usr/libexec/* "$ROOT"/tests/*; do
        libraries "$program"
    done
    xz -dc "$system"/usr/lib/modules/*/kernel/drivers/net/veth.ko.xz >"$ROOT/lib/veth.ko"
    install -m 755 tests/scripts/arm64-init.sh "$ROOT/init"
    (cd "$ROOT" && find . | cpio -o -H newc --quiet | gzip -1) >"$VM/initramfs"
}

run() {
    timeout 900 qemu-system-aarch64 -M virt -cpu max,pauth-impdef=on -smp 2 -m 1500 \
        -nographic -no-reboot -nic none \
        -kernel "$VM"/system/boot/vmlinuz-* -initrd "$VM/initramfs" \
        -append "console=ttyAMA0 panic=-1 quiet"
}

"$1"

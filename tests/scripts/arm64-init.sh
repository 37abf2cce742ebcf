#!/bin/busybox sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck shell=dash
# The init of arm64.sh's machine: the main job, then the unit tests, then off. Programs that
# busybox has too are named in full.
for name in cat chmod echo env false grep insmod killall ls mount pidof poweroff printf sh sleep \
    true uname; do
    /bin/busybox ln -s busybox "/bin/$name"
done
export PATH=/bin RUST_BACKTRACE=0

# check NAME COMMAND...
check() {
    local name=$1
    shift
    if "$@"; then echo "PASSED: $name"; else echo "FAILED: $name"; fi
}

nobody() { /bin/setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }

machine() {
    mount -t proc proc /proc
    mount -t sysfs sysfs /sys
    mount -t securityfs securityfs /sys/kernel/security
    mount -t devtmpfs dev /dev
    mount -t tmpfs -o mode=755 run /run
    mount -t tmpfs -o mode=1777 tmp /tmp
    uname -a
    printf '%s\n' 'root:x:0:0::/:/bin/sh' '_xsk-helper:x:990:990::/:/bin/false' \
        'nobody:x:65534:65534::/:/bin/sh' >/etc/passwd
    printf 'root:x:0:\n_xsk-helper:x:990:\nxsk:x:991:\nnogroup:x:65534:\n' >/etc/group
    printf '[[allow]]\nusers = [65534]\ninterfaces = ["veth0"]\n' >/etc/xsk-helper/policy.toml
}

cable() {
    insmod /lib/veth.ko
    /bin/ip link set lo up
    /bin/ip link add veth0 type veth peer name veth1
    /bin/ip link set veth0 up
    /bin/ip link set veth1 up
    /bin/ip address add 192.0.2.1/24 dev veth1
}

# within SECONDS COMMAND...: until it succeeds.
within() {
    local left=$1
    shift
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || return 1
        sleep 1
    done
}

# The keeper of the one lease has no capability, and its seccomp list is in force.
keeper_has_nothing() {
    for pid in $(pidof xsk-helper); do
        ! grep -q '^Seccomp:.2' "/proc/$pid/status" ||
            grep '^CapPrm:.0000000000000000' "/proc/$pid/status" && return 0
    done
    return 1
}

has_program() { /bin/ip link show veth0 | grep -q 'prog/xdp'; }
has_none() { ! has_program; }

main_job() {
    xsk-helper listen --socket /run/xsk-helper/socket --socket-mode 0666 &
    within 60 test -S /run/xsk-helper/socket
    nobody xsk-client run -- xsk-backend --netdev af-xdp,id=n0,ifname=veth0 --peer echo=192.0.2.2 \
        >/tmp/backend 2>&1 &
    check "an ordinary user gets a socket" within 60 grep ready /tmp/backend
    check "held to its queue" sh -c 'xsk-client status | grep " native  *queue "'
    check "its keeper has no capability" keeper_has_nothing
    check "pings are answered" /bin/ping -c 5 -I veth1 192.0.2.2
    check "the program is on the interface" has_program
    killall xsk-backend
    check "and leaves it" within 30 has_none
    cat /tmp/backend
}

machine
cable
main_job
for test in /tests/*; do
    echo "== $test"
    "$test" --test-threads=1
done
echo THE END
poweroff -f

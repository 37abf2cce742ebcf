#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# The init of a VM of vm.sh, whose root file system is the archive that the kernel was given:
# runs the test programs that /vm/programs names, and ends the machine. What it says goes to the
# second serial line, which the host reads; the first one is the kernel's.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root

mount -t devtmpfs dev /dev
stty -F /dev/ttyS1 raw -echo
exec >/dev/ttyS1 2>&1 </dev/null
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t securityfs security /sys/kernel/security
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs -o mode=1777 tmp /tmp
mkdir -p /dev/shm /dev/pts
mount -t devpts -o ptmxmode=666 pts /dev/pts
ip link set lo up
# What a service manager gives today. Before Linux 5.16 the kernel's own default of locked memory
# is 64 KiB, and a first process may open 4096 files.
ulimit -l 8192
ulimit -Hn 524288

# ended: the line has to be empty before the machine is gone.
ended() {
    echo "== done"
    sleep 1
    echo b >/proc/sysrq-trigger
    sleep 60
}
trap ended EXIT

echo "kernel $(uname -r), security modules $(cat /sys/kernel/security/lsm)"
while read -r module; do
    modprobe "$module" || echo "== no module $module"
done </vm/modules
set -a
. /vm/environment
set +a

# The first run of anything is slow under emulation; what it says does not count.
timeout 100 /t/deps/features --test-threads=1 a_grant >/dev/null 2>&1
echo "== up after $SECONDS s"
while read -r program; do
    start=$SECONDS status=0
    echo "== $program"
    timeout 500 "/t/deps/$program" --test-threads=2 ${TEST:+"$TEST"} || status=$?
    echo "== $program: status $status after $((SECONDS - start)) s"
done </vm/programs

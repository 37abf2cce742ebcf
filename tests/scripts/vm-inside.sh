#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Runs inside a VM of vm.sh, as its only program: unpacks the small root file system of the
# tests into memory (the host's own, which the VM shows, is slow to execute from), and runs
# the test programs named. All that it says goes to the file LOG, which the host reads.
#
#   vm-inside.sh DIR LOG [TEST]     DIR has root.tar and the list `programs`
DIR=$1 LOG=$2 TEST=${3:-} ROOT=/run/vm-root
exec >"$LOG" 2>&1 </dev/null

echo "kernel $(uname -r), security modules $(cat /sys/kernel/security/lsm)"
mkdir -p "$ROOT"
mount -t tmpfs -o mode=755 vm-root "$ROOT" && tar -C "$ROOT" -xf "$DIR/root.tar" || exit 1
for dir in proc dev sys; do
    mount --rbind "/$dir" "$ROOT/$dir"
done
modprobe veth

# The first run of anything is slow under emulation; what it says does not count.
XSK_BIN_DIR=/t PATH=/usr/sbin:/usr/bin:/sbin:/bin timeout 100 chroot "$ROOT" \
    "/t/deps/$(head -n 1 "$DIR/programs")" --test-threads=1 queues_is_granted >/dev/null 2>&1
while read -r program; do
    echo "== $program"
    CI=true XSK_VM=1 XSK_BIN_DIR=/t PATH=/usr/sbin:/usr/bin:/sbin:/bin timeout 400 \
        chroot "$ROOT" "/t/deps/$program" --test-threads=2 ${TEST:+"$TEST"} ||
        echo "== $program ended with status $?"
done <"$DIR/programs"
echo "== done"

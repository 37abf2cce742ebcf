# shellcheck shell=bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# The second act of demo.sh, with GUEST=1: a Linux guest of the user nobody, user-mode Linux with
# the real virtio-net driver, whose network card is xsk-backend's vhost-user device.

CARD=$BOX/guest/n0
GUEST_SECONDS=${GUEST_SECONDS:-180}

# What the guest runs first. Its root is this one, as nobody sees it.
guest_init() {
    cat <<EOF
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /tmp
for module in net/core/failover drivers/net/net_failover drivers/net/virtio_net; do
    insmod $1/kernel/\$module.ko
done
ip link set lo up
ip link set eth0 up
ip address add $ADDRESS/24 dev eth0
ping -n -c 5 -i 0.2 -W 2 192.0.2.1
echo "out of the guest:"
iperf3 -c 192.0.2.1 -t 3 -i 0 -f m
echo "into the guest:"
iperf3 -c 192.0.2.1 -t 3 -i 0 -f m -R
echo "guest-is-done"
sleep 600
EOF
}

# The folder with the modules of user-mode Linux.
guest_modules() {
    find /usr/lib/uml/modules -path '*/drivers/net/virtio_net.ko' -print -quit 2>/dev/null |
        sed 's,/kernel/drivers/net/virtio_net.ko,,'
}

start_guest() {
    local modules command
    modules=$(guest_modules)
    [ -n "$modules" ] || failed "user-mode Linux is missing: apt-get install user-mode-linux"
    guest_init "$modules" >"$BOX/guest-init"
    chmod 755 "$BOX/guest-init"
    nsenter --net=/run/netns/peer iperf3 -s -i 0 >/dev/null 2>&1 &
    # shellcheck disable=SC2054 # the commas are UML's
    command=(linux.uml mem=256M root=/dev/root rootfstype=hostfs rootflags=/ rw
        con=null con0=fd:0,fd:1 con1=null quiet "init=$BOX/guest-init"
        "virtio_uml.device=$CARD:1")
    echo "  nobody\$ ${command[*]}"
    as_nobody env HOME="$BOX/guest" TMPDIR=/dev/shm setsid "${command[@]}" >"$BOX/guest.log" 2>&1 \
        </dev/null &
    disown
}

guest_is_done() { grep -q '^guest-is-done' "$BOX/guest.log"; }

show_guest() {
    until_true "$GUEST_SECONDS" guest_is_done || {
        sed 's/^/    /' "$BOX/guest.log" >&2
        failed "the guest was not done within $GUEST_SECONDS s:"
    }
    tr -d '\r' <"$BOX/guest.log" |
        grep -E '^[0-9]+ packets|^rtt|guest:|sender|receiver' | sed 's/^/  /'
    grep -q '^5 packets transmitted, 5 received' "$BOX/guest.log" ||
        failed "not every ping of the guest was answered:"
    [ "$(grep -c receiver "$BOX/guest.log")" = 2 ] || failed "TCP did not pass both ways:"
}

# Its kernel, and the processes that are its processes.
end_guest() {
    pkill -9 -u 65534 linux.uml || true
    until_true 10 no_guest || failed "the guest does not end:"
}

no_guest() {
    ! pgrep -u 65534 linux.uml >/dev/null
}

second_act() {
    install -d -m 700 -o 65534 "$BOX/guest"
    title "The second act: a network card for a Linux guest, by vhost-user"
    start_backend "vhost-user=$CARD"
    title "The guest, a Linux kernel as a program of nobody's: it boots, pings, and sends TCP"
    start_guest
    show_guest
    title "Who holds which capability"
    row WHO UID PERMITTED EFFECTIVE
    holder xsk-backend "$BACKEND"
    holder "the guest" "$(pgrep -u 65534 -o linux.uml)"
    plain "$BACKEND" || failed "the backend has capabilities:"
    title "Its end"
    end_guest
    show_counters INT gone
    show_clean
}

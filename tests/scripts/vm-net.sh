#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# What is at the other end of the network cards of a VM: run by vm.sh in a network namespace and
# a process namespace of its own, so that all of it is gone when the VM is. Makes a tap for each
# card, answers on UDP port 7 of its address, and pings an address of the card all the time.
# Then it runs the command.
#
#   vm-net.sh "vm0:10.88.0:MAC:multi_queue vm1:10.89.0:MAC:" COMMAND...
set -euo pipefail

echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
ip link set lo up
for card in $1; do
    IFS=: read -r tap net mac queues <<<"$card"
    # The address of the card has colons of its own, written as dots.
    # shellcheck disable=SC2086 # one word or none
    ip tuntap add dev "$tap" mode tap $queues
    ip link set "$tap" address 02:00:00:00:88:01 up
    ip address add "$net.1/24" dev "$tap"
    # Whoever has the queues need not answer ARP: all these are the card's.
    for host in {2..63}; do
        echo "neighbour replace $net.$host lladdr ${mac//./:} dev $tap nud permanent"
    done | ip -batch -
    # A guest's, which is not the card's own.
    for host in {100..101}; do
        ip neighbour replace "$net.$host" lladdr 52:54:00:12:34:56 dev "$tap" nud permanent
    done
    # From several addresses: a tap sends a flow to one queue by a hash of its addresses, and the
    # card gives half of its queues to XDP's transmissions, where nobody answers.
    for host in {70..77}; do
        ip address add "$net.$host/24" dev "$tap"
        ping -q -i 1 -I "$net.$host" "$net.60" >/dev/null 2>&1 &
    done
done
shift

python3 -c '
import socket
echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
echo.bind(("", 7))
while True:
    try:
        echo.sendto(*echo.recvfrom(2048))
    except OSError:
        pass
' &
"$@"

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Answers ARP and ping for an address on a leased queue, with the standard library alone.

    echo.py eth1 192.0.2.2

It shows what a consumer does with a socket of a lease: register a UMEM, map the four rings, bind,
and move descriptors. Python is no language for a data path, and the stores to the rings are
ordered only where the processor orders them, as x86 does; use xsk-socket or libxdp for real work.
"""

import ctypes
import mmap
import os
import select
import socket
import struct
import sys

import xskclient

SOL_XDP = 283
XDP_MMAP_OFFSETS, XDP_RX_RING, XDP_TX_RING, XDP_UMEM_REG, XDP_UMEM_FILL, XDP_UMEM_COMPLETION = range(1, 7)
FRAMES, SIZE, RING = 64, 2048, 64
libc = ctypes.CDLL(None, use_errno=True)


class Ring:
    """A ring of the kernel's: `entry` is the size of an element, `at` where it is mapped."""

    def __init__(self, fd, at, offsets, entry):
        self.entry, self.desc = entry, offsets[2]
        self.map = mmap.mmap(fd, offsets[2] + RING * entry, mmap.MAP_SHARED | mmap.MAP_POPULATE, offset=at)
        words = memoryview(self.map)
        self.producer = words[offsets[0]:offsets[0] + 4].cast("I")
        self.consumer = words[offsets[1]:offsets[1] + 4].cast("I")

    def slot(self, index):
        return self.desc + (index % RING) * self.entry

    def push(self, data):
        at = self.slot(self.producer[0])
        self.map[at:at + self.entry] = data
        self.producer[0] = (self.producer[0] + 1) & 0xFFFFFFFF

    def pop(self):
        if self.consumer[0] == self.producer[0]:
            return None
        at = self.slot(self.consumer[0])
        data = self.map[at:at + self.entry]
        self.consumer[0] = (self.consumer[0] + 1) & 0xFFFFFFFF
        return data


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class Queue:
    """A UMEM and four rings on a leased socket."""

    def __init__(self, fd, ifindex, queue):
        self.umem = mmap.mmap(-1, FRAMES * SIZE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self.umem))
        self.sock = socket.socket(44, socket.SOCK_RAW, 0, fileno=os.dup(fd))
        self.sock.setsockopt(SOL_XDP, XDP_UMEM_REG, struct.pack("=QQIIII", address, FRAMES * SIZE, SIZE, 0, 0, 0))
        for ring in (XDP_UMEM_FILL, XDP_UMEM_COMPLETION, XDP_RX_RING, XDP_TX_RING):
            self.sock.setsockopt(SOL_XDP, ring, RING)
        # Of each ring: producer, consumer, descriptors, flags.
        said = struct.unpack("=16Q", self.sock.getsockopt(SOL_XDP, XDP_MMAP_OFFSETS, 128))
        self.rx = Ring(fd, 0, said[0:4], 16)
        self.tx = Ring(fd, 0x80000000, said[4:8], 16)
        self.fill = Ring(fd, 0x100000000, said[8:12], 8)
        self.completion = Ring(fd, 0x180000000, said[12:16], 8)
        for frame in range(FRAMES // 2):
            self.fill.push(struct.pack("=Q", frame * SIZE))
        name = struct.pack("=HHIII", 44, 0, ifindex, queue, 0)
        check(libc.bind(fd, name, len(name)))

    def answer(self, reply):
        """Sends for each received frame what `reply` makes of it."""
        while received := self.rx.pop():
            address, length, _ = struct.unpack("=QII", received)
            answer = reply(self.umem[address:address + length])
            if answer:
                self.umem[address:address + len(answer)] = answer
                self.tx.push(struct.pack("=QII", address, len(answer), 0))
            else:
                self.fill.push(struct.pack("=Q", address))
        try:
            self.sock.send(b"", socket.MSG_DONTWAIT)
        except (BlockingIOError, OSError):
            pass  # The kernel is busy; the next frame or time-out tries again.
        while done := self.completion.pop():
            self.fill.push(struct.pack("=Q", struct.unpack("=Q", done)[0] & ~(SIZE - 1)))


def reply_to(frame, mac, ip):
    """An ARP reply or an echo reply, or None."""
    if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\1" and frame[38:42] == ip:
        return frame[6:12] + mac + frame[12:20] + b"\0\2" + mac + ip + frame[22:32] + frame[42:]
    if frame[12:15] == b"\x08\0\x45" and frame[23] == 1 and frame[30:34] == ip and frame[34] == 8:
        # The type goes from 8 to 0, and the sum with it.
        total = struct.unpack("!H", frame[36:38])[0] + 0x0800
        head = frame[6:12] + mac + frame[12:26] + ip + frame[26:30]
        return head + b"\0\0" + struct.pack("!H", (total & 0xFFFF) + (total >> 16)) + frame[38:]
    return None


def main():
    ifname, ip = sys.argv[1], socket.inet_aton(sys.argv[2])
    with xskclient.acquire(ifname) as lease:
        granted = lease.granted
        mac = bytes.fromhex(granted.mac.replace(":", ""))
        queue = Queue(lease.sockets[0], granted.ifindex, granted.first_queue)
        print(f"ready: {granted.ifname} queue {granted.first_queue}, {granted.mode.name.lower()} mode", flush=True)
        poll = select.poll()
        poll.register(queue.sock, select.POLLIN)
        poll.register(lease.connection, select.POLLIN)
        while True:
            for fd, _ in poll.poll(1000):
                if fd == lease.connection.fileno() and (event := lease.news()) is not None:
                    print(event.text, flush=True)
            queue.answer(lambda frame: reply_to(frame, mac, ip))


if __name__ == "__main__":
    try:
        main()
    except xskclient.Refused as refused:
        sys.exit(f"echo.py: {refused}" + (f"\n  hint: {refused.hint}" if refused.hint else ""))
    except xskclient.Ended:
        sys.exit("echo.py: the lease is over")
    except KeyboardInterrupt:
        pass

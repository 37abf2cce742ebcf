#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""A client that knows of the protocol only what the tables of PROTOCOL.md say.

It is the proof that the page is enough: the encoder and the decoder below have no message in them, they read the
tables. Needs Python 3.9 and nothing else.

    client.py check PROTOCOL.md                 decode every golden vector, compare each value with its comment
    client.py render PROTOCOL.md request HEX    print a packet as the page would (for a new vector)
    client.py talk PROTOCOL.md IFNAME           greet and acquire three queues over standard input; report as
                                                JSON. A descriptor that is no AF_XDP socket is a test's own,
                                                and gets its place in the queue order written to it.
"""

import array
import json
import os
import re
import socket
import struct
import sys

AF_XDP, SO_DOMAIN = 44, 39
INTEGERS = {"u16": "<H", "u32": "<I", "u64": "<Q"}


class Page:
    """The tables and the vectors of the specification."""

    def __init__(self, path):
        self.structs, self.enums, self.vectors = {}, {}, []
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        for at, line in enumerate(lines):
            if head := re.match(r"### (struct|enum) `(\w+)`", line):
                self.table(*head.groups(), lines[at + 1:])
            if head := re.match(r"```golden (request|reply) (\S+)", line):
                end = lines.index("```", at)
                self.vectors.append((*head.groups(), lines[at + 1:end]))

    def table(self, kind, name, lines):
        rows = []
        for line in lines:
            if line.startswith("|"):
                rows.append([cell.strip() for cell in line.strip("|").split("|")])
            elif rows:
                break
        rows = rows[2:]
        if kind == "enum":
            self.enums[name] = [(int(row[0]), row[1].strip("`"), kind_of(row[2])) for row in rows]
        else:
            self.structs[name] = [(row[1].strip("`"), kind_of(row[2]), row[0]) for row in rows]


def kind_of(cell):
    """`list of enum `Mode`` becomes ("list", "Mode"); an empty cell None; a plain type its name."""
    words = cell.replace("`", "").split()
    if not words:
        return None
    if words[0] in ("list", "option"):
        return (words[0], words[-1])
    return words[-1]


class Reader:
    """Walks through a packet and notes for each value its bytes and its name."""

    def __init__(self, page, packet):
        self.page, self.packet, self.at, self.notes = page, packet, 0, []

    def take(self, count):
        if count > len(self.packet) - self.at:
            raise ValueError(f"malformed: ends at {len(self.packet)}, {count} more bytes expected at {self.at}")
        self.at += count
        return self.packet[self.at - count:self.at]

    def integer(self, kind):
        return struct.unpack(INTEGERS[kind], self.take(struct.calcsize(INTEGERS[kind])))[0]

    def note(self, start, name, text):
        self.notes.append((self.packet[start:self.at], f"{name} = {text}"))

    def read(self, kind, name):
        start = self.at
        if isinstance(kind, tuple):
            return self.several(*kind, name)
        if kind in self.page.structs:
            return self.fields(kind, name)
        if kind in self.page.enums:
            return self.variant(kind, name)
        if kind in INTEGERS:
            value = text = self.integer(kind)
        elif kind == "bool":
            value = {0: False, 1: True}[self.take(1)[0]]
            text = str(value).lower()
        elif kind == "mac":
            value = text = ":".join(f"{byte:02x}" for byte in self.take(6))
        else:
            assert kind == "string", f"the page uses the type {kind} without a rule for it"
            value = self.take(self.integer("u64")).decode("utf-8")
            text = json.dumps(value)
        self.note(start, name, text)
        return value

    def fields(self, kind, name):
        start, values = self.at, {}
        for field, inner, offset in self.page.structs[kind]:
            assert not offset.isdigit() or int(offset) == self.at - start, f"{kind}.{field} is not at {offset}"
            values[field] = self.read(inner, f"{name}.{field}" if name else field)
        return values

    def variant(self, kind, name):
        start, number = self.at, self.integer("u32")
        known = {row[0]: row[1:] for row in self.page.enums[kind]}
        if number not in known:
            raise ValueError(f"unsupported: {kind} {number}")
        word, content = known[number]
        self.note(start, name or kind, f"{number} {word}")
        return (word, self.read(content, name)) if content else word

    def several(self, shape, kind, name):
        start = self.at
        if shape == "option":
            present = {0: False, 1: True}[self.take(1)[0]]
            self.note(start, name, "some" if present else "none")
            return self.read(kind, name) if present else None
        count = self.integer("u64")
        self.note(start, name, f"{count} elements")
        return [self.read(kind, f"{name}[{i}]") for i in range(count)]


def decode(page, kind, packet):
    reader = Reader(page, packet)
    value = reader.read(kind, "")
    if reader.at != len(packet):
        raise ValueError(f"malformed: {len(packet) - reader.at} bytes after the message")
    return value, reader.notes


def encode(page, kind, value):
    """The inverse of decode: structs as dictionaries, variants as words or (word, content)."""
    if isinstance(kind, tuple):
        assert kind[0] == "list"
        return struct.pack("<Q", len(value)) + b"".join(encode(page, kind[1], each) for each in value)
    if kind in page.structs:
        return b"".join(encode(page, inner, value[name]) for name, inner, _ in page.structs[kind])
    if kind in page.enums:
        word, content = value if isinstance(value, tuple) else (value, None)
        number, inner = next(row[::2] for row in page.enums[kind] if row[1] == word)
        return struct.pack("<I", number) + (encode(page, inner, content) if inner else b"")
    if kind == "string":
        return struct.pack("<Q", len(value.encode())) + value.encode()
    return struct.pack(INTEGERS.get(kind, "<?"), value)


def render(notes):
    return [f"{data.hex(' ')} ; {text}" for data, text in notes]


def check(page):
    for direction, name, lines in page.vectors:
        packet = bytes.fromhex("".join(line.split(";")[0] for line in lines))
        value, notes = decode(page, direction.capitalize(), packet)
        assert render(notes) == lines, "\n".join([f"{name} should read:", *render(notes)])
        if direction == "request":
            assert encode(page, "Request", value) == packet, name
        print(f"{direction} {name}: {len(packet)} bytes")


def talk(page, ifname):
    peer = socket.socket(fileno=0)
    peer.settimeout(20)
    hello = {"magic": 0x484B5358, "min": 1, "max": 1}
    wanted = {"ifname": ifname, "first_queue": 0, "queues": 3, "mode": "Auto", "params": []}
    peer.send(encode(page, "Request", ("Hello", hello)))
    peer.send(encode(page, "Request", ("Acquire", wanted)))
    welcome, _ = decode(page, "Reply", peer.recv(65536))
    packet, control, flags, _ = peer.recvmsg(65536, socket.CMSG_SPACE(64 * 4), socket.MSG_CMSG_CLOEXEC)
    granted, _ = decode(page, "Reply", packet)
    descriptors = array.array("i")
    for level, kind, data in control:
        assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
        descriptors.frombytes(data)
    assert not flags & socket.MSG_CTRUNC and len(descriptors) == granted[1]["queues"]
    domains = [domain(descriptor) for descriptor in descriptors]
    for place, descriptor in enumerate(descriptors):
        if domains[place] != AF_XDP:
            os.write(descriptor, b"%d" % place)
    print(json.dumps({"welcome": welcome, "granted": granted, "domains": domains}))


def domain(descriptor):
    # With no family given, Python asks getsockname for it, which AF_XDP does not have.
    with socket.socket(AF_XDP, socket.SOCK_RAW, 0, fileno=os.dup(descriptor)) as sock:
        return sock.getsockopt(socket.SOL_SOCKET, SO_DOMAIN)


def main():
    command, page = sys.argv[1], Page(sys.argv[2])
    if command == "check":
        check(page)
    elif command == "render":
        print("\n".join(render(decode(page, sys.argv[3].capitalize(), bytes.fromhex(sys.argv[4]))[1])))
    else:
        talk(page, sys.argv[3])


main()

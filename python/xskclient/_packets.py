# SPDX-License-Identifier: MIT OR Apache-2.0
"""Packets and descriptors: what goes out, and what of an answer may be believed.

The functions do not block. The two clients, the plain one and the one for asyncio, wait in
their own ways and share the rest.
"""

from __future__ import annotations

import array
import os
import socket
import struct
from dataclasses import dataclass
from typing import Any, Optional

from . import _wire
from ._errors import Ended, ProtocolError, Refused, Unreachable
from ._messages import (
    MAGIC, MAX_QUEUES, MAX_REPLY, REPLIES, REQUESTS, VERSION, Granted, Hello, Refusal, Welcome,
)

AF_XDP = 44
SO_DOMAIN = 39
SO_NETNS_COOKIE = 71


@dataclass
class Answer:
    """A reply, and the descriptors that came with it. They are the caller's."""

    message: Any
    sockets: list[int]


def new_socket() -> socket.socket:
    """A socket for a helper, that does not block."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    sock.setblocking(False)
    return sock


def unreachable(path: str, error: OSError) -> Unreachable:
    """The error about a path that cannot be connected to."""
    return Unreachable(f"no helper at {path}: {error.strerror or error}")


def opening(request: Any) -> list[bytes]:
    """The packets that a conversation begins with."""
    greeting = Hello(magic=MAGIC, min=VERSION, max=VERSION)
    return [_wire.encode(REQUESTS, message) for message in (greeting, request)]


def receive(sock: socket.socket) -> Optional[Answer]:
    """The next answer, or None if there is none yet. A refusal is raised."""
    flags = socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC
    try:
        packet, control, got, _ = sock.recvmsg(MAX_REPLY, socket.CMSG_SPACE(MAX_QUEUES * 4), flags)
    except (BlockingIOError, InterruptedError):
        return None
    except ConnectionResetError:
        raise Ended("the helper closed the connection") from None
    sockets = _descriptors(control)
    try:
        return Answer(_checked(packet, sockets, got), sockets)
    except BaseException:
        close_all(sockets)
        raise


def _descriptors(control: list[tuple[int, int, bytes]]) -> list[int]:
    numbers = array.array("i")
    for level, kind, data in control:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            numbers.frombytes(data[:len(data) - len(data) % numbers.itemsize])
    return list(numbers)


def _checked(packet: bytes, sockets: list[int], flags: int) -> Any:
    if not packet:
        raise Ended("the helper closed the connection")
    if flags & socket.MSG_TRUNC:
        raise ProtocolError("an answer is longer than the limit")
    try:
        message = _wire.decode(REPLIES, packet)
    except _wire.Malformed as error:
        raise ProtocolError(f"an answer cannot be decoded: {error}") from error
    if isinstance(message, Refusal):
        raise Refused(message)
    wanted = message.queues if isinstance(message, Granted) else 0
    if flags & socket.MSG_CTRUNC or len(sockets) != wanted:
        raise ProtocolError(
            f"{len(sockets)} of {wanted} descriptors arrived; is the descriptor table full (ulimit -n)?")
    if any(_domain(fd) != AF_XDP for fd in sockets):
        raise ProtocolError("a descriptor of the grant is not an AF_XDP socket")
    return message


def _domain(fd: int) -> int:
    # `socket.socket(fileno=fd)` would ask getsockname, which AF_XDP does not have. With the family
    # given it does not ask, and `detach` leaves the descriptor open.
    sock = socket.socket(AF_XDP, socket.SOCK_RAW, 0, fileno=fd)
    try:
        return sock.getsockopt(socket.SOL_SOCKET, SO_DOMAIN)
    finally:
        sock.detach()


def expect(answer: Answer, kind: type) -> Any:
    """The answer's message, if it is of the kind that was asked for."""
    if not isinstance(answer.message, kind):
        close_all(answer.sockets)
        raise ProtocolError(f"{type(answer.message).__name__} came in the place of {kind.__name__}")
    return answer.message


def expect_welcome(answer: Answer) -> None:
    """Checks the answer to the greeting."""
    if expect(answer, Welcome).version != VERSION:
        raise ProtocolError(f"the helper chose version {answer.message.version}")


def check_namespace(granted: Granted, sock: socket.socket) -> None:
    """Refuses a grant for an interface of another network namespace than this process's.

    A consumer would look the name up here, and find another interface, or none.
    """
    try:
        ours = struct.unpack("=Q", sock.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8))[0]
    except OSError:
        return
    if granted.netns_cookie not in (0, ours):
        raise ProtocolError(f"the grant is for {granted.ifname} of another network namespace")


def close_all(descriptors: list[int]) -> None:
    """Closes descriptors, whatever becomes of one of them, and forgets their numbers."""
    while descriptors:
        try:
            os.close(descriptors.pop())
        except OSError:
            pass

# SPDX-License-Identifier: MIT OR Apache-2.0
"""The plain client: each call waits for its answer."""

from __future__ import annotations

import select
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Optional, Union

from . import _packets
from ._errors import Ended, Error, Refused, TimedOut
from ._lease import Holder
from ._messages import (
    ANY, Acquire, Check, Code, Event, Granted, ModeRequest, Param, Revoke, Revoked, Status,
    StatusPart, Verdict,
)

SOCKET_PATH = "/run/xsk-helper/socket"
HELPER_PATH = "/usr/libexec/xsk-helper"
PATIENCE = 10.0

Options = Mapping[str, Union[bool, int, str]]


class Lease(Holder):
    """A lease, which ends with `release()` or with the `with` block."""

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.release()

    def news(self, timeout: Optional[float] = 0.0) -> Optional[Event]:
        """The next event, or None if there is none within `timeout` seconds (None: for ever).

        Raises `Ended` where the keeper is gone: the lease is over.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            return self._event(_answer(self.connection, deadline))
        except TimedOut:
            return None

    def events(self) -> Iterator[Event]:
        """The events of the lease, as they come, until it is over."""
        while True:
            try:
                event = self.news(timeout=None)
            except Ended:
                return
            if event is not None:
                yield event


def _wait(sock: socket.socket, events: int, deadline: Optional[float]) -> None:
    poll = select.poll()
    poll.register(sock, events)
    left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
    if not poll.poll(left):
        raise TimedOut("the helper does not answer")


def _answer(sock: socket.socket, deadline: Optional[float]) -> _packets.Answer:
    while True:
        answer = _packets.receive(sock)
        if answer is not None:
            return answer
        _wait(sock, select.POLLIN, deadline)


def _connect(path: str, deadline: float) -> socket.socket:
    sock = _packets.new_socket()
    try:
        while True:
            try:
                sock.connect(path)
                return sock
            except BlockingIOError:  # The listener's queue is full; AF_UNIX has no event for that.
                if time.monotonic() > deadline:
                    raise TimedOut(f"the helper at {path} does not accept the connection") from None
                time.sleep(0.01)
    except OSError as error:
        sock.close()
        raise error if isinstance(error, Error) else _packets.unreachable(path, error) from error


def _begin(sock: socket.socket, request: Any, deadline: float) -> None:
    for packet in _packets.opening(request):
        try:
            sock.send(packet, socket.MSG_NOSIGNAL)
        except (BrokenPipeError, ConnectionResetError):
            break  # The helper has closed its end, and may have said why first.
    _packets.expect_welcome(_answer(sock, deadline))


def _ask(path: str, request: Any, timeout: float) -> tuple[socket.socket, _packets.Answer]:
    deadline = time.monotonic() + timeout
    return _ask_over(_connect(path, deadline), request, deadline)


def _ask_over(sock: socket.socket, request: Any, deadline: float) -> tuple[socket.socket, _packets.Answer]:
    try:
        _begin(sock, request, deadline)
        return sock, _answer(sock, deadline)
    except BaseException:
        sock.close()
        raise


def _params(options: Optional[Options]) -> tuple[Param, ...]:
    return tuple(Param(name, value) for name, value in (options or {}).items())


def _lease(sock: socket.socket, answer: _packets.Answer) -> Lease:
    try:
        granted = _packets.expect(answer, Granted)
        _packets.check_namespace(granted, sock)
    except BaseException:
        _packets.close_all(answer.sockets)
        sock.close()
        raise
    return Lease(granted, answer.sockets, sock)


def acquire(ifname: str, queues: int = 1, *, first_queue: int = 0, mode: ModeRequest = ModeRequest.AUTO,
            options: Optional[Options] = None, path: str = SOCKET_PATH, timeout: float = PATIENCE) -> Lease:
    """Asks the helper at `path` for sockets of `queues` queues of an interface.

    `options` are those of section 8 of PROTOCOL.md, such as `{"promisc": True}`.
    """
    request = Acquire(ifname, first_queue, queues, mode, _params(options))
    return _lease(*_ask(path, request, timeout))


def acquire_from(command: Sequence[str], ifname: str, queues: int = 1, *, first_queue: int = 0,
                 mode: ModeRequest = ModeRequest.AUTO, options: Optional[Options] = None,
                 timeout: float = 120.0) -> Lease:
    """As `acquire`, but starts a helper: `[HELPER_PATH]`, or `["pkexec", HELPER_PATH]`.

    This forks. The helper gets no environment but PATH, since it believes SUDO_UID and PKEXEC_UID.
    """
    deadline = time.monotonic() + timeout
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    near.setblocking(False)
    request = Acquire(ifname, first_queue, queues, mode, _params(options))
    with far:
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        child = subprocess.Popen(list(command), stdin=far.fileno(), stdout=subprocess.DEVNULL, env=environment)
    try:
        return _lease(*_ask_over(near, request, deadline))
    finally:
        _reap(child)


def _reap(child: subprocess.Popen[bytes]) -> None:
    """Waits for the helper's first process, which exits when it has forked off or has refused.

    A pkexec that still asks for a password when the time is over is left to its user.
    """
    try:
        child.wait(timeout=2.0)
    except subprocess.TimeoutExpired:
        pass


def check(ifname: str, queues: int = 1, *, first_queue: int = 0, mode: ModeRequest = ModeRequest.AUTO,
          options: Optional[Options] = None, path: str = SOCKET_PATH, timeout: float = PATIENCE) -> Verdict:
    """Asks what `acquire` would be granted, and changes nothing."""
    request = Check(ifname, first_queue, queues, mode, _params(options))
    verdict: Verdict = _packets.expect(_once(path, request, timeout), Verdict)
    return verdict


def _once(path: str, request: Any, timeout: float) -> _packets.Answer:
    sock, answer = _ask(path, request, timeout)
    sock.close()
    return answer


def list_interfaces(path: str = SOCKET_PATH, timeout: float = PATIENCE) -> dict[str, Verdict]:
    """The interfaces of this network namespace that the policy gives the caller, with what it grants."""
    found = {}
    for _, ifname in socket.if_nameindex():
        try:
            found[ifname] = check(ifname, path=path, timeout=timeout)
        except Refused as refused:
            if refused.code in (Code.POLICY, Code.IDENTITY, Code.LIMIT):
                raise
    return found


def status(path: str = SOCKET_PATH, timeout: float = PATIENCE) -> StatusPart:
    """The caller's leases, or everybody's for root, and the interfaces that carry the helper's program."""
    deadline = time.monotonic() + timeout
    sock, answer = _ask(path, Status(), timeout)
    with sock:
        interfaces: tuple[Any, ...] = ()
        leases: tuple[Any, ...] = ()
        while True:
            part = _packets.expect(answer, StatusPart)
            interfaces, leases = interfaces + part.interfaces, leases + part.leases
            if not part.more:
                return StatusPart(interfaces, leases, more=False)
            answer = _answer(sock, deadline)


def revoke(ifname: str = "", *, queue: int = ANY, user: int = ANY, path: str = SOCKET_PATH,
           timeout: float = PATIENCE) -> int:
    """Ends leases of the caller's, or anybody's for root. Returns how many were told to end."""
    revoked: Revoked = _packets.expect(_once(path, Revoke(ifname, queue, user), timeout), Revoked)
    return revoked.leases

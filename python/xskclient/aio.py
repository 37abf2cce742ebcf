# SPDX-License-Identifier: MIT OR Apache-2.0
"""The client for asyncio.

    async with await xskclient.aio.acquire("eth1") as lease:
        async for event in lease:
            print(event.text)
"""

from __future__ import annotations

import asyncio
import socket
from types import TracebackType
from typing import Any, Optional

from . import _packets
from ._client import PATIENCE, SOCKET_PATH, Options, _params
from ._errors import Ended, TimedOut
from ._lease import Holder
from ._messages import Acquire, Event, Granted, ModeRequest, Status, StatusPart


class Lease(Holder):
    """A lease whose events are awaited."""

    async def __aenter__(self) -> Lease:
        return self

    async def __aexit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException],
                        trace: Optional[TracebackType]) -> None:
        self.release()

    async def news(self) -> Event:
        """Waits for the next event. Raises `Ended` when the lease is over."""
        return self._event(await _answer(self.connection))

    def __aiter__(self) -> Lease:
        return self

    async def __anext__(self) -> Event:
        try:
            return await self.news()
        except Ended:
            raise StopAsyncIteration from None


async def _readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(sock, wake)
    try:
        await ready
    finally:
        loop.remove_reader(sock)


async def _answer(sock: socket.socket) -> _packets.Answer:
    while True:
        answer = _packets.receive(sock)
        if answer is not None:
            return answer
        await _readable(sock)


async def _connect(sock: socket.socket, path: str) -> None:
    while True:
        try:
            return sock.connect(path)
        except BlockingIOError:  # The listener's queue is full; AF_UNIX has no event for that.
            await asyncio.sleep(0.01)
        except OSError as error:
            raise _packets.unreachable(path, error) from error


async def _begin(sock: socket.socket, path: str, request: Any) -> _packets.Answer:
    await _connect(sock, path)
    for packet in _packets.opening(request):
        try:
            sock.send(packet, socket.MSG_NOSIGNAL)
        except (BrokenPipeError, ConnectionResetError):
            break  # The helper has closed its end, and may have said why first.
    _packets.expect_welcome(await _answer(sock))
    return await _answer(sock)


async def _ask(path: str, request: Any, timeout: float) -> tuple[socket.socket, _packets.Answer]:
    sock = _packets.new_socket()
    try:
        return sock, await asyncio.wait_for(_begin(sock, path, request), timeout)
    except asyncio.TimeoutError:
        sock.close()
        raise TimedOut("the helper does not answer") from None
    except BaseException:
        sock.close()
        raise


async def acquire(ifname: str, queues: int = 1, *, first_queue: int = 0,
                  mode: ModeRequest = ModeRequest.AUTO, options: Optional[Options] = None,
                  path: str = SOCKET_PATH, timeout: float = PATIENCE) -> Lease:
    """As `xskclient.acquire`."""
    request = Acquire(ifname, first_queue, queues, mode, _params(options))
    sock, answer = await _ask(path, request, timeout)
    try:
        granted = _packets.expect(answer, Granted)
        _packets.check_namespace(granted, sock)
    except BaseException:
        _packets.close_all(answer.sockets)
        sock.close()
        raise
    return Lease(granted, answer.sockets, sock)


async def status(path: str = SOCKET_PATH, timeout: float = PATIENCE) -> StatusPart:
    """As `xskclient.status`."""
    sock, answer = await _ask(path, Status(), timeout)
    with sock:
        parts = [_packets.expect(answer, StatusPart)]
        while parts[-1].more:
            answer = await asyncio.wait_for(_answer(sock), timeout)
            parts.append(_packets.expect(answer, StatusPart))
    interfaces = tuple(each for part in parts for each in part.interfaces)
    return StatusPart(interfaces, tuple(each for part in parts for each in part.leases), more=False)

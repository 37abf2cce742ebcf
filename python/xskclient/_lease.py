# SPDX-License-Identifier: MIT OR Apache-2.0
"""What the two kinds of lease have in common: the sockets, the connection, and their end."""

from __future__ import annotations

import os
import socket
import warnings

from . import _packets
from ._messages import Event, Granted


class Holder:
    """Sockets in queue order, unbound, in the XSKMAP, close-on-exec.

    `granted` is what the helper says about them, `sockets` their descriptors, and `connection`
    the connection to the lease's keeper. The lease lasts while a copy of the connection is open,
    in this process or another: a process that uses the sockets has to hold it too.
    """

    def __init__(self, granted: Granted, sockets: list[int], connection: socket.socket) -> None:
        self.granted = granted
        self.sockets = sockets
        self.connection = connection

    def __repr__(self) -> str:
        g = self.granted
        last = g.first_queue + g.queues - 1
        return f"<{type(self).__name__} {g.lease}: {g.ifname} queues {g.first_queue}-{last}, {g.mode.name.lower()}>"

    def release(self) -> None:
        """Closes the sockets and the connection. The lease ends if no other process has a copy."""
        _packets.close_all(self.sockets)
        self.connection.close()

    def descriptors(self) -> list[int]:
        """The descriptors that another process needs: the sockets, and then the connection.

        Pass them on with `pass_fds=` of `subprocess`.
        """
        return [*self.sockets, self.connection.fileno()]

    def inheritable(self) -> None:
        """Makes the descriptors survive an `os.exec*` of this process."""
        for descriptor in self.descriptors():
            os.set_inheritable(descriptor, True)

    def __del__(self) -> None:
        if getattr(self, "connection", None) is not None and self.connection.fileno() >= 0:
            warnings.warn(f"{self!r} was not released", ResourceWarning, source=self)
            self.release()

    @staticmethod
    def _event(answer: _packets.Answer) -> Event:
        event: Event = _packets.expect(answer, Event)
        return event

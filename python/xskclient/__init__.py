# SPDX-License-Identifier: MIT OR Apache-2.0
"""A client of xsk-helper: AF_XDP sockets for an ordinary user.

    with xskclient.acquire("eth1", queues=2) as lease:
        print(lease.granted.mode, lease.sockets)

The protocol is specified in PROTOCOL.md of xsk-helper. This package needs the standard library
alone, and Linux.
"""

from . import aio
from ._client import (
    HELPER_PATH, SOCKET_PATH, Lease, acquire, acquire_from, check, list_interfaces, revoke, status,
)
from ._errors import Ended, Error, ProtocolError, Refused, TimedOut, Unreachable
from ._messages import (
    ANY, BusyPoll, Code, Confinement, Event, EventKind, Filter, Granted, InterfaceStatus,
    LeaseStatus, Memlock, Mode, ModeRequest, StatusPart, Verdict, Warning, WarningKind,
)

__version__ = "0.1.0"

__all__ = [
    "ANY", "HELPER_PATH", "SOCKET_PATH", "BusyPoll", "Code", "Confinement", "Ended", "Error", "Event",
    "EventKind", "Filter", "Granted", "InterfaceStatus", "Lease", "LeaseStatus", "Memlock", "Mode",
    "ModeRequest", "ProtocolError", "Refused", "StatusPart", "TimedOut", "Unreachable", "Verdict",
    "Warning", "WarningKind", "acquire", "acquire_from", "aio", "check", "list_interfaces", "revoke",
    "status",
]

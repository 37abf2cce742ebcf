# SPDX-License-Identifier: MIT OR Apache-2.0
"""The messages of PROTOCOL.md, version 1. A test holds them to the tables of that page."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Optional

from ._wire import U16, U32, U64, Mac, Value

MAGIC = 0x484B5358
VERSION = 1
MAX_REPLY = 65536
MAX_QUEUES = 64
ANY = 0xFFFFFFFF


class ModeRequest(enum.IntEnum):
    """How the program is to be attached. AUTO is native, and skb where the driver has no native XDP."""

    AUTO = 0
    NATIVE = 1
    SKB = 2


class Mode(enum.IntEnum):
    """How the program is attached."""

    NATIVE = 0
    SKB = 1


class WarningKind(enum.IntEnum):
    """What a warning of a grant is about."""

    ADDRESSES = 0
    UPPER = 1
    DEFAULT_ROUTE = 2
    NO_DEVICE_CONFINEMENT = 3
    NO_QUEUE_CONFINEMENT = 4
    DOWN = 5
    KERNEL = 6
    TAGS = 7


class EventKind(enum.IntEnum):
    """What happened to a lease. INTERFACE_GONE, INTERFACE_MOVED and REVOKED end it."""

    INTERFACE_GONE = 0
    INTERFACE_MOVED = 1
    INTERFACE_DOWN = 2
    INTERFACE_UP = 3
    INTERFACE_RENAMED = 4
    QUEUES_REDUCED = 5
    PROGRAM_REPLACED = 6
    REVOKED = 7


class Code(enum.IntEnum):
    """The stable reason of a refusal. `str()` gives the name that scripts see, such as `not-allowed`."""

    NOT_ALLOWED = 0
    NO_SUCH_INTERFACE = 1
    BAD_NAME = 2
    QUEUE_RANGE = 3
    BUSY = 4
    MODE_UNSUPPORTED = 5
    FOREIGN_PROGRAM = 6
    MTU_TOO_LARGE = 7
    NO_BPFFS = 8
    KERNEL_TOO_OLD = 9
    NOT_PRIVILEGED = 10
    NAMESPACE = 11
    CONFINEMENT = 12
    POLICY = 13
    LIMIT = 14
    IDENTITY = 15
    UNKNOWN_OPTION = 16
    TOO_LARGE = 17
    MALFORMED = 18
    UNSUPPORTED = 19
    BAD_STATE = 20
    TIMEOUT = 21
    NOT_INSTALLED = 22
    INTERNAL = 23
    NOT_ETHERNET = 24

    def __str__(self) -> str:
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True)
class Hello:
    """The first request of a conversation: the versions that the client speaks."""

    magic: U32
    min: U16
    max: U16


@dataclass(frozen=True)
class Param:
    """An option of a request, by its name in section 8 of PROTOCOL.md."""

    name: str
    value: Value


@dataclass(frozen=True)
class Acquire:
    """A request for a lease."""

    ifname: str
    first_queue: U32
    queues: U32
    mode: ModeRequest
    params: tuple[Param, ...]


@dataclass(frozen=True)
class Status:
    """A request for the leases that the caller may see."""


@dataclass(frozen=True)
class Check(Acquire):
    """A question: what would an `Acquire` with this content be granted?"""


@dataclass(frozen=True)
class Revoke:
    """A request to end leases. An empty name and ANY stand for every one."""

    ifname: str
    queue: U32
    user: U32


REQUESTS = (Hello, Acquire, Status, Check, Revoke)


@dataclass(frozen=True)
class Welcome:
    """The answer to `Hello`."""

    version: U16
    helper: str


@dataclass(frozen=True)
class Confinement:
    """What the kernel holds the sockets to."""

    device: bool
    queue: bool


@dataclass(frozen=True)
class Filter:
    """Which other frames the interface lets in."""

    allmulti: bool
    macs: tuple[Mac, ...]
    all_frames: bool
    all_groups: bool


@dataclass(frozen=True)
class BusyPoll:
    """Busy polling as set on the sockets; 0 where it is not set."""

    usecs: U32
    budget: U32


@dataclass(frozen=True)
class Memlock:
    """Locked memory in bytes: the process's limit (0 if the helper left it alone), and the leases' sum."""

    limit: U64
    leased: U64


@dataclass(frozen=True)
class Warning:
    """Something that the user should know about this interface."""

    kind: WarningKind
    text: str


@dataclass(frozen=True)
class Granted:
    """A grant. The sockets come with it; see `Lease.sockets`."""

    lease: U64
    ifname: str
    ifindex: U32
    mac: Mac
    mtu: U32
    first_queue: U32
    queues: U32
    mode: Mode
    mode_reason: str
    program_id: U32
    netns_cookie: U64
    confinement: Confinement
    frags: bool
    promisc: bool
    filter: Filter
    busy_poll: BusyPoll
    memlock: Memlock
    rule: str
    keeper: U32
    warnings: tuple[Warning, ...]


@dataclass(frozen=True)
class Refusal:
    """A refusal as it is on the wire; a call raises it as `Refused`."""

    code: Code
    object: str
    message: str
    hint: str


@dataclass(frozen=True)
class InterfaceStatus:
    """An interface that carries the helper's program."""

    ifname: str
    ifindex: U32
    netns_cookie: U64
    program_id: U32
    mode: Mode
    orphans: tuple[U32, ...]


@dataclass(frozen=True)
class LeaseStatus:
    """A lease that the caller may see."""

    lease: U64
    ifname: str
    ifindex: U32
    netns_cookie: U64
    first_queue: U32
    queues: U32
    uid: U32
    client: U32
    keeper: U32
    age: U64
    rule: str
    confinement: Confinement
    idle: tuple[U32, ...]


@dataclass(frozen=True)
class StatusPart:
    """A part of the answer to `Status`, or, as `status()` returns it, all of it."""

    interfaces: tuple[InterfaceStatus, ...]
    leases: tuple[LeaseStatus, ...]
    more: bool


@dataclass(frozen=True)
class Verdict:
    """What a request would be granted."""

    rule: str
    mode: Optional[Mode]
    confinement: Confinement
    promisc: bool
    allmulti: bool
    busy_poll: bool
    memlock_max: U64


@dataclass(frozen=True)
class Revoked:
    """How many leases were told to end."""

    leases: U32


@dataclass(frozen=True)
class Event:
    """Something that happened to a lease."""

    kind: EventKind
    text: str

    @property
    def ends_the_lease(self) -> bool:
        """Whether the lease is over with this event."""
        return self.kind in (EventKind.INTERFACE_GONE, EventKind.INTERFACE_MOVED, EventKind.REVOKED)


REPLIES = (Welcome, Granted, Refusal, StatusPart, Verdict, Revoked, Event)

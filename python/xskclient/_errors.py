# SPDX-License-Identifier: MIT OR Apache-2.0
"""What can go wrong, as exceptions."""

from __future__ import annotations

from ._messages import Code, Refusal


class Error(Exception):
    """The base of all errors of this package."""


class Unreachable(Error):
    """There is no helper behind the path, or it does not accept connections."""


class Ended(Error):
    """The helper closed the connection without an answer."""


class TimedOut(Error, TimeoutError):
    """The helper did not answer in time."""


class ProtocolError(Error):
    """The helper breaks the protocol. Whatever came with its answer is closed."""


class Refused(Error):
    """The helper refused.

    `code` is the stable reason, `object` what it is about, `hint` what to type next, or "".
    """

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.code: Code = refusal.code
        self.object = refusal.object
        self.message = refusal.message
        self.hint = refusal.hint

# SPDX-License-Identifier: MIT OR Apache-2.0
"""The encoding of section 2 of PROTOCOL.md, driven by the annotations of dataclasses.

A message is a frozen dataclass whose fields are annotated with the types below. The encoder and
the decoder read those annotations; neither knows a message by name.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import struct
import typing
from typing import Annotated, Any, Union

U16 = Annotated[int, "<H"]
U32 = Annotated[int, "<I"]
U64 = Annotated[int, "<Q"]
Mac = Annotated[str, "mac"]
Value = Annotated[Union[bool, int, str], "value"]

# The variants of the enum `Value`, in the order of their numbers.
_VALUES: tuple[Any, ...] = (bool, U64, str)


class Malformed(ValueError):
    """A packet that cannot be what it is read as."""


class _Reader:
    def __init__(self, packet: bytes) -> None:
        self.packet, self.at = packet, 0

    def take(self, count: int) -> bytes:
        if count > len(self.packet) - self.at:
            raise Malformed(f"the packet ends at {len(self.packet)}, {count} more bytes are missing")
        self.at += count
        return self.packet[self.at - count:self.at]

    def number(self, form: str) -> int:
        return int(struct.unpack(form, self.take(struct.calcsize(form)))[0])

    def flag(self) -> bool:
        byte = self.take(1)[0]
        if byte > 1:
            raise Malformed(f"{byte} is not a bool")
        return byte == 1

    def text(self) -> str:
        try:
            return self.take(self.number("<Q")).decode("utf-8")
        except UnicodeDecodeError as error:
            raise Malformed(f"a string is not UTF-8: {error}") from None


@functools.lru_cache(maxsize=None)
def _fields(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _decode(kind: Any, reader: _Reader) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return _decode_annotated(arguments[1], reader)
    if origin is tuple:
        return _decode_list(arguments[0], reader)
    if origin is Union:
        return _decode(arguments[0], reader) if reader.flag() else None
    if kind is bool:
        return reader.flag()
    if kind is str:
        return reader.text()
    if issubclass(kind, enum.IntEnum):
        return _decode_enum(kind, reader)
    return kind(**{name: _decode(inner, reader) for name, inner in _fields(kind).items()})


def _decode_annotated(form: str, reader: _Reader) -> Any:
    if form == "mac":
        return reader.take(6).hex(":")
    if form == "value":
        return _decode_value(reader)
    return reader.number(form)


def _decode_value(reader: _Reader) -> Any:
    number = reader.number("<I")
    if number >= len(_VALUES):
        raise Malformed(f"Value has no number {number}")
    return _decode(_VALUES[number], reader)


def _decode_list(kind: Any, reader: _Reader) -> tuple[Any, ...]:
    count = reader.number("<Q")
    if count > len(reader.packet) - reader.at:
        raise Malformed(f"a list of {count} elements does not fit in the packet")
    return tuple(_decode(kind, reader) for _ in range(count))


def _decode_enum(kind: Any, reader: _Reader) -> Any:
    number = reader.number("<I")
    try:
        return kind(number)
    except ValueError:
        raise Malformed(f"{kind.__name__} has no number {number}") from None


def decode(kinds: typing.Sequence[Any], packet: bytes) -> Any:
    """Decodes a packet: the number of one of `kinds`, and then that dataclass."""
    reader = _Reader(packet)
    number = reader.number("<I")
    if number >= len(kinds):
        raise Malformed(f"there is no message with the number {number}")
    message = _decode(kinds[number], reader)
    if reader.at != len(packet):
        raise Malformed(f"{len(packet) - reader.at} bytes follow the message")
    return message


def _encode(kind: Any, value: Any) -> bytes:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return _encode_annotated(arguments[1], value)
    if origin is tuple:
        return struct.pack("<Q", len(value)) + b"".join(_encode(arguments[0], each) for each in value)
    if origin is Union:
        return b"\0" if value is None else b"\1" + _encode(arguments[0], value)
    if kind is bool:
        return struct.pack("<?", value)
    if kind is str:
        text: bytes = value.encode("utf-8")
        return struct.pack("<Q", len(text)) + text
    if issubclass(kind, enum.IntEnum):
        return struct.pack("<I", value)
    return b"".join(_encode(inner, getattr(value, name)) for name, inner in _fields(kind).items())


def _encode_annotated(form: str, value: Any) -> bytes:
    if form == "mac":
        return bytes.fromhex(str(value).replace(":", ""))
    if form == "value":
        return _encode_value(value)
    try:
        return bytes(struct.pack(form, value))
    except struct.error as error:
        raise ValueError(f"{value}: {error}") from None


def _encode_value(value: Any) -> bytes:
    number = 0 if isinstance(value, bool) else 1 if isinstance(value, int) else 2
    return struct.pack("<I", number) + _encode(_VALUES[number], value)


def encode(kinds: typing.Sequence[Any], message: Any) -> bytes:
    """Encodes a message of one of `kinds`; the inverse of `decode`."""
    number = list(kinds).index(type(message))
    return struct.pack("<I", number) + _encode(type(message), message)

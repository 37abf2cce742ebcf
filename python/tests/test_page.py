# SPDX-License-Identifier: MIT OR Apache-2.0
"""The package against PROTOCOL.md: every golden vector, every table, and packets that are broken."""

import dataclasses
import re
import sys
import typing
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

from xskclient import _messages, _wire  # noqa: E402

PAGE = (ROOT / "proto/PROTOCOL.md").read_text(encoding="utf-8")
KINDS = {"request": _messages.REQUESTS, "reply": _messages.REPLIES}
# A refusal and a part of a status have other names here than in the table of replies.
NAMES = {"Refused": "Refusal", "Status": "StatusPart"}


def vectors():
    for head, name, body in re.findall(r"```golden (request|reply) (\S+)\n(.*?)```", PAGE, re.S):
        yield head, name, bytes.fromhex("".join(line.split(";")[0] for line in body.splitlines()))


def rows(kind, name):
    """The cells of a table of the page."""
    table = PAGE.split(f"### {kind} `{name}`", 1)[1].split("\n#", 1)[0]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    end = next((at for at, line in enumerate(lines) if at > 2 and line.startswith("|---")), len(lines) + 1) - 1
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines[2:end]]


def written(kind):
    """A field's type as the page writes it."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        plain = {"<H": "u16", "<I": "u32", "<Q": "u64", "mac": "mac", "value": "enum Value"}
        return plain[arguments[1]]
    if origin is tuple:
        return "list of " + written(arguments[0]).replace("struct ", "")
    if origin is typing.Union:
        return "option of " + written(arguments[0])
    if kind in (bool, str):
        return {bool: "bool", str: "string"}[kind]
    return ("struct " if dataclasses.is_dataclass(kind) else "enum ") + kind.__name__


class Page(unittest.TestCase):
    def test_every_vector_is_read_and_written(self):
        found = list(vectors())
        self.assertGreater(len(found), 10)
        for head, name, packet in found:
            with self.subTest(name):
                message = _wire.decode(KINDS[head], packet)
                self.assertEqual(_wire.encode(KINDS[head], message), packet)

    def test_the_values_are_those_of_the_page(self):
        named = {name: _wire.decode(KINDS[head], packet) for head, name, packet in vectors()}
        self.assertEqual(named["granted"].mac, "02:00:00:00:00:2a")
        self.assertIs(named["granted"].mode, _messages.Mode.SKB)
        self.assertEqual(named["status-part"].leases[0].uid, 1000)
        self.assertEqual([param.value for param in named["acquire-params"].params], [True, 64 << 20, "mild"])
        self.assertEqual(str(_messages.Code.NO_SUCH_INTERFACE), "no-such-interface")

    def test_every_struct_has_the_fields_of_its_table(self):
        names = [name for name in re.findall(r"### struct `(\w+)`", PAGE)]
        self.assertGreater(len(names), 15)
        for name in names:
            kind = getattr(_messages, NAMES.get(name, name))
            fields = [(field, written(inner)) for field, inner in _wire._fields(kind).items()]
            self.assertEqual(fields, [(row[1], row[2]) for row in rows("struct", name)], name)

    def test_every_enum_has_the_variants_of_its_table(self):
        for name in ("ModeRequest", "Mode", "WarningKind", "EventKind", "Code"):
            ours = [(str(int(each)), each.name.replace("_", "").lower()) for each in getattr(_messages, name)]
            page = [(row[0], row[1].replace("-", "").lower()) for row in rows("enum", name)]
            self.assertEqual(ours, page, name)
        for name, kinds in (("Request", _messages.REQUESTS), ("Reply", _messages.REPLIES)):
            ours = [kind.__name__ for kind in kinds]
            page = [row[1] for row in rows("enum", name)]
            if name == "Reply":
                page = [NAMES.get(word, word) for word in page]
            self.assertEqual(ours, page, name)

    def test_a_packet_that_was_cut_or_lies_is_malformed(self):
        for head, name, packet in vectors():
            for cut in range(len(packet)):
                with self.subTest(f"{name} cut at {cut}"), self.assertRaises(_wire.Malformed):
                    _wire.decode(KINDS[head], packet[:cut])
            with self.assertRaises(_wire.Malformed):
                _wire.decode(KINDS[head], packet + b"\0")
        with self.assertRaises(_wire.Malformed):
            _wire.decode(_messages.REPLIES, b"\3\0\0\0" + b"\xff" * 8)

    def test_a_changed_byte_is_never_another_error(self):
        for head, name, packet in vectors():
            for at in range(len(packet)):
                for value in (0, 1, 0x7F, 0xFF):
                    changed = packet[:at] + bytes([value]) + packet[at + 1:]
                    try:
                        _wire.decode(KINDS[head], changed)
                    except _wire.Malformed:
                        pass


if __name__ == "__main__":
    unittest.main()

"""Text of Outlook messages: headers, body in every form, attachments, attached messages."""

import struct
from collections.abc import Mapping

import pytest

from domains.kernel.untrusted.documents.ole.compressed_rtf import decompress
from domains.kernel.untrusted.documents.ole.outlook import read_outlook
from tests.fakes import files

SUBJECT, BODY, HTML, RTF = "0037", "1000", "1013", "1009"
SENT = 133_000_000_000_000_000  # 2022-06-18, in units of 100 ns since 1601
RTF_TEXT = bytes.fromhex(
    "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a"
    "800fa0"
)


def folder(
    path: str,
    texts: Mapping[str, str | bytes],
    numbers: Mapping[int, int] | None = None,
    header: int = 8,
) -> dict[str, bytes]:
    """The streams of a message, recipient or attachment. Texts are by property, such as 0037."""
    fixed = b"".join(
        struct.pack("<HHIQ", 3, prop, 6, value) for prop, value in (numbers or {}).items()
    )
    streams = {f"{path}__properties_version1.0": bytes(header) + fixed}
    for prop, text in texts.items():
        if isinstance(text, str):
            streams[f"{path}__substg1.0_{prop}001F"] = text.encode("utf-16-le")
        else:
            kind = "" if len(prop) > 4 else "0102"
            streams[f"{path}__substg1.0_{prop}{kind}"] = text
    return streams


def recipient(number: int, kind: int, name: str, address: str) -> dict[str, bytes]:
    texts = {"3001": name, "39FE": address, "3003": "/o=Acme/cn=someone"}
    return folder(f"__recip_version1.0_#{number:08X}/", texts, {0x0C15: kind})


def attachment(number: int, name: str, content: bytes, **texts: str) -> dict[str, bytes]:
    properties: dict[str, str | bytes] = {"3707": name, "3701": content, **texts}
    return folder(f"__attach_version1.0_#{number:08X}/", properties)


def message(
    texts: Mapping[str, str | bytes], numbers: Mapping[int, int] | None = None, path: str = ""
) -> dict[str, bytes]:
    return folder(path, texts, {0x3FFD: 1252, **(numbers or {})}, 24 if path else 32)


def test_headers_body_attachments_and_attached_messages() -> None:
    inner = "__attach_version1.0_#00000003/__substg1.0_3701000D/"
    content = files.ole(
        {
            **message(
                {SUBJECT: "Renewal", BODY: "The export is slow.\r\n\r\nAna\0", "0C1A": "Ana",
                 "5D01": "ana@a.example", "0C1F": "/o=Acme"},
                {0x0039: SENT},
            ),
            **recipient(0, 1, "Bo", "bo@b.example"),
            **recipient(1, 2, "'c@c.example'", "c@c.example"),
            **recipient(2, 1, "Team", ""),
            **attachment(0, "notes.txt", "Zu langsam für uns".encode()),
            **attachment(1, "logo.png", b"\x89PNG\r\n", **{"370E": "image/png", "3712": "logo"}),
            **attachment(2, "plan.png", b"\x89PNG\r\n", **{"370E": "image/png"}),
            **message({SUBJECT: "First", BODY: "Inner text", "0042": "Dan"}, None, inner),
        }
    )  # fmt: skip
    assert read_outlook(content, None) == (
        "From: Ana <ana@a.example>\nTo: Bo <bo@b.example>, Team\nCc: c@c.example\n"
        "Date: Sat, 18 Jun 2022 04:26:40 +0000\nSubject: Renewal\n\n"
        "The export is slow.\r\n\r\nAna\n\n"
        "From: Dan\nSubject: First\n\nInner text\n\nAttachments: notes.txt, plan.png\n\n"
        "Attachment: notes.txt\n\nZu langsam für uns"
    )


@pytest.mark.parametrize(
    ("texts", "numbers", "text"),
    [
        ({HTML: b"<p>Caf\xe9 <b>now</b></p>"}, {0x3FDE: 28591}, "Café now"),
        ({HTML: "<p>Grüße</p>"}, {}, "Grüße"),
        ({"1000001E": "приём".encode("cp1251")}, {0x3FFD: 1251}, "приём"),
        ({"1000001E": "приём".encode()}, {0x3FFD: 1251, 0x3FDE: 65001}, "приём"),
        ({RTF: RTF_TEXT}, {}, "hello world"),
        ({}, {}, ""),
    ],
)
def test_body_in_every_form(
    texts: Mapping[str, str | bytes], numbers: Mapping[int, int], text: str
) -> None:
    assert read_outlook(files.ole(message(texts, numbers)), None) == text


def test_compressed_rtf() -> None:
    assert decompress(RTF_TEXT) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    assert decompress(struct.pack("<2I4sI", 5, 5, b"MELA", 0) + b"{\\rtf}") == b"{\\rtf"
    overlapping = "1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0"
    assert decompress(bytes.fromhex(overlapping)) == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"

"""Reader of e-mail messages (RFC 822)."""

import contextlib
import re
from base64 import b64decode
from collections.abc import Iterator, Sequence
from email import message_from_bytes, policy
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from typing import Final

from domains.kernel.untrusted.documents.attachments import Attachments, attachment_limits
from domains.kernel.untrusted.documents.charset import decode
from domains.kernel.untrusted.documents.html_reader import read_html
from domains.kernel.untrusted.documents.reader_process import ReadError
from domains.kernel.untrusted.documents.registry import read_attached_file
from domains.kernel.untrusted.documents.text_reader import read_text

# A plain version of an HTML text that is shorter than this and than a quarter of the HTML text
# only says that the mail is in HTML.
_STUB_CHARACTERS: Final = 300

# Characters of a header, and of a header with parameters, that are read.
_MAX_HEADER: Final = 100_000
_MAX_PARAMETERS: Final = 5_000


def read_mail(data: bytes, _charset: str | None) -> str:
    """Return the main headers, the text, the names of the attachments and the texts of these.

    Attached messages are in the place where they are attached.
    """
    with attachment_limits():
        return _format(message_from_bytes(data, policy=policy.compat32))


def _format(message: Message) -> str:
    attachments = Attachments()
    headers = [
        f"{name}: {value}"
        for name in ("From", "To", "Cc", "Date", "Subject")
        if (value := _header(message, name))
    ]
    sections = ["\n".join(headers), *_texts(message, attachments), *attachments.sections()]
    return "\n\n".join(section for section in map(str.strip, sections) if section)


def _texts(part: Message, attachments: Attachments) -> Iterator[str]:
    """Iterate over the texts of a message. Adds the attached files to `attachments`."""
    _repair_headers(part)
    if not part.is_multipart():
        text = _text(part) if _is_text(part) else None
        if text is not None:
            yield text
        elif not _is_shown_in_text(part):
            attachments.add(_filename(part), _content_type(part), _content(part))
        return
    children = [child for child in part.get_payload() if isinstance(child, Message)]
    content_type = part.get_content_type()
    if content_type.startswith("message/"):
        yield from (_format(_decoded(part, child)) for child in children)
    elif content_type == "multipart/alternative":
        yield _best_version(children, attachments)
    else:
        for child in children:
            yield from _texts(child, attachments)


def _best_version(parts: Sequence[Message], attachments: Attachments) -> str:
    """Return one of the versions of a text: the first, which is the plainest, or a better one."""
    versions = []
    others = []
    for part in parts:
        # Some programs put the attachments into the version in HTML.
        if _is_text(part) or part.is_multipart() or _is_attachment(part):
            versions.append("\n\n".join(_texts(part, attachments)).strip())
        else:
            others.append(part)
    versions = [version for version in versions if version]
    if versions:
        longest = max(versions, key=len)
        is_stub = len(versions[0]) < min(_STUB_CHARACTERS, len(longest) / 4)
        return longest if is_stub else versions[0]
    # For example, an invitation without a text.
    texts = (read_attached_file(_content(part), _content_type(part), None) for part in others)
    return next(filter(None, texts), "")


# ---- parts


def _is_text(part: Message) -> bool:
    # A part that is declared as multipart, but has no parts, lacks its boundaries.
    is_text = part.get_content_type() in ("text/plain", "text/html")
    return (is_text or part.get_content_maintype() == "multipart") and not _is_attachment(part)


def _is_attachment(part: Message) -> bool:
    return part.get_content_disposition() == "attachment"


def _is_shown_in_text(part: Message) -> bool:
    """True for pictures in the text, and for the files that a saved web page consists of."""
    is_picture = part.get_content_maintype() == "image" and "Content-ID" in part
    return (is_picture or "Content-Location" in part) and not _is_attachment(part)


def _text(part: Message) -> str | None:
    """Return the text of a part, or None if it is no text."""
    charset = _charset(part)
    is_html = part.get_content_type() == "text/html"
    try:
        text = (read_html if is_html else read_text)(_content(part), charset)
    except ReadError:
        return None
    if is_html:
        return text
    if _parameter(part, "format") == "flowed":
        return _unwrap(text, is_space_deleted=_parameter(part, "delsp") == "yes")
    return text


def _content(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _content_type(part: Message) -> str:
    return f"{part.get_content_type()}; charset={_charset(part) or ''}"


def _charset(part: Message) -> str | None:
    # The email package raises TypeError for parameters whose parts have no order.
    try:
        return part.get_content_charset()
    except (TypeError, ValueError):
        return None


def _parameter(part: Message, name: str) -> str:
    try:
        return str(part.get_param(name, "")).lower()
    except (TypeError, ValueError):
        return ""


def _repair_headers(part: Message) -> None:
    """Decode and limit the headers of a part in which the email package looks for parameters.

    It takes quadratic time for them, and replaces bytes that are not ASCII.
    """
    for name in ("Content-Disposition", "Content-Type"):
        values = (value for key, value in part.raw_items() if key.lower() == name.lower())
        value = next(values, "")
        if not value.isascii() or len(value) > _MAX_PARAMETERS:
            part.replace_header(name, _decode_header(value)[:_MAX_PARAMETERS])


def _filename(part: Message) -> str:
    try:
        return _decode_header(part.get_filename() or "")
    except (TypeError, ValueError):
        return ""


def _decoded(part: Message, message: Message) -> Message:
    """Return an attached message. Some programs encode it, which the standard does not allow."""
    if _is_base64(part) and not message.is_multipart() and not message.keys():
        with contextlib.suppress(ValueError):
            return message_from_bytes(b64decode(_content(message)), policy=policy.compat32)
    return message


def _is_base64(part: Message) -> bool:
    return str(part.get("Content-Transfer-Encoding", "")).strip().lower() == "base64"


def _unwrap(text: str, *, is_space_deleted: bool) -> str:
    """Join the lines of a text in the format "flowed" (RFC 3676).

    A line that ends in a space continues in the next one, if both are quoted to the same depth.
    """
    paragraphs: list[list[str]] = []
    open_depth = -1
    for line in re.split("\r\n?|\n", text):
        content = line.lstrip(">")
        depth = len(line) - len(content)
        content = content.removeprefix(" ")
        is_open = content.endswith(" ") and content != "-- "
        if open_depth != depth or content == "-- ":
            paragraphs.append([">" * depth + " "] if depth else [])
        paragraphs[-1].append(content[:-1] if is_open and is_space_deleted else content)
        open_depth = depth if is_open else -1
    return "\n".join("".join(pieces) for pieces in paragraphs)


# ---- headers


def _header(message: Message, name: str) -> str:
    """Return the first header with this name, or an empty string."""
    values = (value for key, value in message.raw_items() if key.lower() == name.lower())
    return _decode_header(next(values, ""))


def _decode_header(value: object) -> str:
    """Unfold and decode a header. Encoded words that are malformed are left as they are."""
    data = str(value)[:_MAX_HEADER].encode("utf-8", "surrogateescape")
    lines = re.split("[\r\n]+", _decode_leniently(data))
    text = " ".join(line.strip() for line in lines)
    if "=?" not in text:
        return text.strip()
    try:
        words = decode_header(text)
    except (MessageError, ValueError):
        return text.strip()
    return "".join(
        word
        if isinstance(word, str)
        else word.decode("raw_unicode_escape", "replace")
        if charset is None
        else _decode_leniently(word, charset)
        for word, charset in words
    ).strip()


def _decode_leniently(data: bytes, charset: str | None = None) -> str:
    try:
        return decode(data, charset)
    except ReadError:
        return data.decode("utf-8", "replace")

"""Reader of e-mail messages (RFC 822)."""

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.errors import MessageError
from email.header import decode_header
from email.message import Message

from domains.kernel.untrusted.documents.charset import decode
from domains.kernel.untrusted.documents.html_reader import read_html
from domains.kernel.untrusted.documents.text_reader import read_text


def read_mail(data: bytes, _charset: str | None) -> str:
    """Return the main headers, the text and the names of the attachments."""
    return _format(message_from_bytes(data, policy=policy.compat32))


def _format(message: Message) -> str:
    attachments: list[str] = []
    headers = [
        f"{name}: {value}"
        for name in ("From", "To", "Cc", "Date", "Subject")
        if (value := _header(message, name))
    ]
    sections = ["\n".join(headers), *_texts(message, attachments)]
    if attachments:
        sections.append("Attachments: " + ", ".join(attachments))
    return "\n\n".join(section for section in map(str.strip, sections) if section)


def _texts(part: Message, attachments: list[str]) -> Iterator[str]:
    """Iterate over the texts of a message. Adds the names of attached files to `attachments`."""
    content_type = part.get_content_type()
    payload = part.get_payload()
    if isinstance(payload, list):
        children = [child for child in payload if isinstance(child, Message)]
        if content_type.startswith("message/"):
            yield from map(_format, children)
        elif content_type == "multipart/alternative":
            # Versions of one text, the plainest first.
            versions = ("\n\n".join(_texts(child, attachments)) for child in children)
            yield next((version for version in versions if version.strip()), "")
        else:
            for child in children:
                yield from _texts(child, attachments)
        return
    disposition = part.get_content_disposition()
    if disposition == "attachment" or not content_type.startswith("text/"):
        # Images with a Content-ID are shown within the text.
        if disposition == "attachment" or "Content-ID" not in part:
            attachments.append(_decode_header(part.get_filename() or content_type))
    elif content_type in ("text/plain", "text/html"):
        content = part.get_payload(decode=True)
        read = read_html if content_type == "text/html" else read_text
        yield read(content, part.get_content_charset()) if isinstance(content, bytes) else ""


def _header(message: Message, name: str) -> str:
    """Return the first header with this name, or an empty string."""
    values = (value for key, value in message.raw_items() if key.lower() == name.lower())
    return _decode_header(next(values, ""))


def _decode_header(value: object) -> str:
    """Unfold and decode a header. Encoded words that are malformed are left as they are."""
    text = decode(str(value).encode("utf-8", "surrogateescape"))
    text = re.sub(r"\s*[\r\n]+\s*", " ", text)
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
        else decode(word, charset)
        for word, charset in words
    ).strip()

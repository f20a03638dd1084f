"""Elements recognised by their attributes: hidden ones, and quoted mail."""

import re
from typing import Final

from domains.kernel.untrusted.html_tags import parse_attributes

# Marks of hidden elements. Only tags with one of them are examined.
HIDDEN_MARKS: Final = ("none", "hidden", "preheader", "mcnpreviewtext")
# Marks of quoted mail and of signatures, by the mail program.
QUOTE_MARKS: Final = (
    *("quote", "gmail_", "moz-", "protonmail_", "outlookmessageheader", "border-top"),
    *("rgb(225", "rgb(181"),
    *("divrplyfwdmsg", "appendonsend", "reference-message", "olk_src_body", "stopspelling"),
    *("zwchr", "zmail_extra", "messagereplysection", "signature"),
)

_PREHEADER_CLASSES: Final = frozenset({"preheader", "preview-text", "mcnpreviewtext"})
_QUOTE_CLASSES: Final = frozenset(
    {
        *("gmail_quote", "gmail_quote_container", "gmail_extra", "gmail_attr", "yahoo_quoted"),
        *("moz-cite-prefix", "moz-forward-container", "protonmail_quote", "tutanota_quote"),
        *("outlookmessageheader", "zmail_extra", "sh-quoted-content", "missive_quote"),
        "freshdesk_quote",
        *("gmail_signature", "gmail_signature_prefix", "moz-signature", "gmail_default_signature"),
        *("protonmail_signature_block", "ms-outlook-mobile-signature"),
    }
)
_GMAIL_CONTAINERS: Final = frozenset({"gmail_quote", "gmail_quote_container", "gmail_extra"})
_FORWARDED: Final = re.compile(r">\s*-{5,}")
_QUOTE_IDS: Final = frozenset(
    {
        *("mail-editor-reference-message-container", "ms-outlook-mobile-reference-message"),
        *("olk_src_body_section", "ms-outlook-mobile-signature", "zmail_extra"),
        *("signature", "applemailsignature"),
    }
)
_QUOTE_NAMES: Final = frozenset({"quote", "messagereplysection"})
# The quoted mail follows these elements and is not part of them.
_HISTORY_IDS: Final = frozenset({"divrplyfwdmsg", "appendonsend", "stopspelling", "zwchr"})
# Outlook draws this line above the head of the quoted mail.
_OUTLOOK_LINE: Final = re.compile(
    r"""
    border-top:solid\#(?:e1e1e1|b5c4df)1\.0pt
    | border-top:1(?:\.0)?ptsolidrgb\((?:225,225,225|181,196,223)\)
    | border-color:rgb\((?:225,225,225|181,196,223)\)currentcolor
    """,
    re.VERBOSE,
)
_LABEL: Final = re.compile(r":(?:\s|&nbsp;|\xa0){0,9}</")
_PREFIX: Final = re.compile(r"^(?:x_|ydp[0-9a-f]{1,12}(?=yahoo))+")
_HIDING_STYLE: Final = re.compile(r"(?:display:none|visibility:hidden)")
_PRESERVED: Final = re.compile(r"white-space:(?:pre|break-spaces)")
_NO_HEIGHT: Final = re.compile(r"max-height:0(?![.\d])")

# A date with a time, an address, or a date with a verb show an attribution before a quote.
_TIME_OR_ADDRESS: Final = re.compile(
    r"\b\d{1,2}(?:[:h]\d{2}\b|[./-]\d{1,2}[./-]\d{2,4}\b)|\w@\w|\d{4}年"
)
_WROTE: Final = re.compile(
    r"\d{4}\b.*\b(?:wrote|writes|said|schrieb|écrit|escribió|escreveu|scritto|schreef|skrev)\b"
)
_LONGEST_ATTRIBUTION: Final = 400
_LONGEST_ENDING: Final = 60


def is_hidden(name: str, attributes: str) -> bool:
    """The element is not displayed: the attribute `hidden`, its style, or a preheader."""
    if name in ("body", "html"):
        # Scripts display these pages.
        return False
    parsed = parse_attributes(attributes)
    style = "".join(parsed.get("style", "").split())
    return (
        "hidden" in parsed
        or _HIDING_STYLE.search(style) is not None
        or ("overflow:hidden" in style and _NO_HEIGHT.search(style) is not None)
        or not _PREHEADER_CLASSES.isdisjoint(parsed.get("class", "").split())
    )


def is_quote(name: str, attributes: str, following: str) -> bool:
    """The element holds quoted mail, its attribution or a signature.

    `following` is the HTML after the tag, or its beginning.
    """
    parsed = parse_attributes(attributes)
    classes = _without_prefix(parsed.get("class", ""))
    if name != "blockquote" and not _GMAIL_CONTAINERS.isdisjoint(classes):
        # The container of an attribution and a quote, with replies between parts of the quote.
        return "<blockquote" not in following.lower() or _FORWARDED.search(following) is not None
    if not _QUOTE_CLASSES.isdisjoint(classes):
        return True
    if name == "blockquote":
        # Mail programs indent paragraphs by a quote without a border.
        style = "".join(parsed.get("style", "").split())
        return "cite" in parsed.get("type", "") or "border:none" not in style
    return (
        not _QUOTE_IDS.isdisjoint(_without_prefix(parsed.get("id", "")))
        or parsed.get("name", "") in _QUOTE_NAMES
    )


def keeps_white_space(attributes: str) -> bool:
    """The style of the element shows the line ends of the source."""
    style = "".join(parse_attributes(attributes).get("style", "").split())
    return _PRESERVED.search(style) is not None


def begins_history(attributes: str, following: str) -> bool:
    """Quoted mail begins with the element and lasts until the end.

    `following` is the HTML after the tag, or its beginning.
    """
    parsed = parse_attributes(attributes)
    if not _HISTORY_IDS.isdisjoint(_without_prefix(parsed.get("id", ""))):
        return True
    style = "".join(parsed.get("style", "").split())
    return _OUTLOOK_LINE.search(style) is not None and _LABEL.search(following) is not None


def attribution_start(text: str, end: int) -> int:
    """Where the attribution begins that ends at `end`, just before a quote. `end` if none does.

    The dashes before a signature count as one.
    """
    before = text[max(0, end - _LONGEST_ATTRIBUTION) : end].rstrip()
    if before.endswith("\n--"):
        # Before a signature.
        return max(0, end - _LONGEST_ATTRIBUTION) + len(before) - 2
    if not before.endswith((":", "：")):
        return end
    *previous, last = before.split("\n")[-2:]
    size = 0
    if _is_attribution(last):
        size = len(last)
    if previous and _is_attribution(previous[0]) and (size or len(last) < _LONGEST_ENDING):
        is_sentence = previous[0].rstrip().endswith((".", "!", "?", ":"))
        size = size if is_sentence else len(previous[0]) + 1 + len(last)
    return max(0, end - _LONGEST_ATTRIBUTION) + len(before) - size if size else end


def _is_attribution(line: str) -> bool:
    return _TIME_OR_ADDRESS.search(line) is not None or _WROTE.search(line) is not None


def _without_prefix(names: str) -> list[str]:
    """Names of classes or ids, without what mail programs put before those of other mails."""
    return [_PREFIX.sub("", name) for name in names.split()]

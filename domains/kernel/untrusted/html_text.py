"""HTML to text, with the place of every part of the text in the HTML.

Three kinds of texts come from outside: HTML, texts with lines of their own that hold some tags
(Markdown, a plain mail with `<br>`), and texts without HTML. `is_html` recognises the first two
kinds, `html_to_text` converts both.
"""

import re
from itertools import islice
from typing import Final

from domains.kernel.core.mapped_text import MappedText
from domains.kernel.untrusted.html_converter import HtmlConverter
from domains.kernel.untrusted.html_tags import (
    CODE,
    COMMENT,
    ELEMENTS,
    Tag,
    html_tags,
    is_known_reference,
    name_set,
    strict_tags,
)

_LETTER: Final = re.compile(r"[^\W\d_]")
_DOCUMENT: Final = re.compile(r"<(?:!doctype\s+html|html[\s>])", re.IGNORECASE)
# Beginnings of pages without `<html>`.
_PAGE_PARTS: Final = ("<head>", "<body>", "<body ", "<meta ", "<style")

# Characters before which the tag of a document is looked for.
_DOCUMENT_HEAD: Final = 2000
# Tags from which HTML is recognised.
_RECOGNISED_TAGS: Final = 300
# More tags of HTML than others by this number need no further look.
_CLEAR_MAJORITY: Final = 20
# Characters that show whether the lines of a text are its own.
_LINES_SAMPLE: Final = 20_000

# Elements that hold text which the source may wrap at will.
_STRUCTURE: Final = name_set(
    """
    address article aside blockquote center dd div dl dt fieldset figure footer form h1 h2 h3 h4 h5
    h6 header li main nav ol p pre section table tbody td th tr ul
    """
)

_REFERENCE: Final = re.compile(r"&(?:[a-zA-Z][a-zA-Z0-9]{1,31}|#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});")


def is_html(text: str) -> bool:
    """The text is HTML or holds tags, comments or character references of HTML.

    Not HTML are other languages of tags (XML, WebVTT), addresses in angle brackets, generic types,
    tags in Markdown code, and a tag that a sentence mentions without closing it. A text without
    tags is HTML if it has a "&" and each begins a character reference.
    """
    if "<" not in text:
        return _is_escaped(text)
    if _is_document(text):
        return True
    if text.lstrip("\ufeff \t\r\n").startswith(("WEBVTT", "<?xml ")):
        return False
    of_html = of_others = 0
    is_shown = False
    for tag in islice(strict_tags(text), _RECOGNISED_TAGS):
        if tag.name == COMMENT:
            is_shown = True
        elif tag.name in ELEMENTS:
            of_html += 1
            is_shown = is_shown or _shows_html(text, tag)
        elif tag.name != CODE:
            of_others += 1
        if is_shown and of_html - of_others > _CLEAR_MAJORITY:
            return True
    if of_html == of_others == 0:
        return is_shown or _is_escaped(text)
    return is_shown and of_html > of_others


def html_to_text(
    source: MappedText | str,
    *,
    is_document: bool = False,
    drop_quotes: bool = False,
    max_length: int | None = None,
) -> MappedText:
    """The text that a browser shows, mapped to the source of `source`.

    Blocks and `<br>` end lines, table cells are separated by " | ", list items begin with "- ".
    Tags, comments, styles, scripts, images and hidden elements are left out.

    A text keeps its own line ends if it has no tags, or if two or more of its lines are outside of
    paragraphs and other blocks and have no `<br>` at their end. Then only complete tags of HTML are
    removed, and none in Markdown code.

    `is_document`: a page that is declared as HTML. Its title is the first line.
    `drop_quotes`: without quoted mail, its attribution and signatures, as mail programs mark them,
    if letters are left.
    `max_length`: the conversion ends after this number of characters.
    """
    base = source if isinstance(source, MappedText) else MappedText.of(source)
    if "<" not in base.text and base.text.lstrip().startswith("&lt;"):
        # HTML that was escaped as a whole.
        unescaped = _convert(base, True, False, False, None)
        base = unescaped if is_html(unescaped.text) else base
    keeps_lines = not is_document and _has_own_lines(base.text)
    if drop_quotes:
        without_quotes = _convert(base, keeps_lines, is_document, True, max_length)
        if _LETTER.search(without_quotes.text):
            return without_quotes
    return _convert(base, keeps_lines, is_document, False, max_length)


def _convert(
    base: MappedText,
    keeps_lines: bool,
    has_title: bool,
    drop_quotes: bool,
    max_length: int | None,
) -> MappedText:
    converter = HtmlConverter(
        base,
        keeps_lines=keeps_lines,
        has_title=has_title,
        drop_quotes=drop_quotes,
        max_length=max_length,
    )
    return converter.convert(strict_tags(base.text) if keeps_lines else html_tags(base.text))


def _is_document(text: str) -> bool:
    head = text[:_DOCUMENT_HEAD].lstrip("\ufeff \t\r\n")
    return head.startswith("<") and (
        head[:6].lower().startswith(_PAGE_PARTS) or _DOCUMENT.search(head) is not None
    )


def _is_escaped(text: str) -> bool:
    """Every "&" begins a known character reference, and there is one."""
    if "&" not in text or "`" in text:
        return False
    position = text.find("&")
    while position >= 0:
        match = _REFERENCE.match(text, position)
        if match is None or not is_known_reference(match[0]):
            return False
        position = text.find("&", match.end())
    return True


def _shows_html(text: str, tag: Tag) -> bool:
    """A tag that is no generic type and no mention of a tag in a sentence."""
    if tag.is_end or tag.name in ("br", "hr", "wbr") or "=" in tag.attributes:
        return True
    before, after = text[tag.start - 1 : tag.start], text[tag.end : tag.end + 1]
    if tag.name not in _STRUCTURE or before.isalnum():
        return False
    return not before or before in "\n>" or not (before.isspace() and after.isspace())


def _has_own_lines(text: str) -> bool:
    """Two or more lines are outside of blocks and do not end with `<br>`, or there are no tags."""
    if _is_document(text):
        return False
    outside: list[str] = []
    depth = position = 0
    is_in_paragraph = has_tags = False
    for tag in strict_tags(text):
        if has_tags and tag.start > _LINES_SAMPLE:
            break
        if tag.name not in ELEMENTS and tag.name not in (COMMENT, CODE):
            continue
        has_tags = has_tags or tag.name != CODE
        if depth == 0 and not is_in_paragraph:
            outside.append(text[position : tag.start])
            outside.append("\0" if tag.name == "br" else "`" if tag.name == CODE else "")
        position = tag.end
        if tag.name == "p":
            # Its end tag may be left out.
            is_in_paragraph = not tag.is_end
        elif tag.name in _STRUCTURE:
            depth = max(depth + (-1 if tag.is_end else 1), 0)
            is_in_paragraph = is_in_paragraph and not tag.is_end
    if not has_tags:
        return True
    if depth == 0 and not is_in_paragraph:
        outside.append(text[position : position + _LINES_SAMPLE])
    lines = (line.rstrip() for line in "".join(outside).split("\n"))
    return sum(1 for line in lines if line.strip("\0 \t") and not line.endswith("\0")) > 1

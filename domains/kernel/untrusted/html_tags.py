"""HTML syntax: tags with their offsets, attributes and character references.

Every function takes time that is linear in its input.
"""

import re
from collections.abc import Iterator
from html import unescape
from html.entities import html5
from typing import Final, NamedTuple


def name_set(names: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(names.split())


_BLOCKS: Final = name_set(
    """
    address article aside blockquote body caption center dd details dialog dir div dl dt fieldset
    figcaption figure footer form frameset h1 h2 h3 h4 h5 h6 head header hgroup html legend li main
    menu nav ol optgroup option p pre search section summary table tbody td tfoot th thead title tr
    ul
    """
)
VOID: Final = name_set(
    "area base basefont bgsound br col embed frame hr img input link meta param source track wbr"
)
_INLINE: Final = name_set(
    """
    a abbr acronym applet audio b bdi bdo big button canvas cite code colgroup data datalist del
    dfn em font i iframe ins kbd label map mark math meter noembed noframes noscript object output
    picture progress q rp rt ruby s samp script select slot small span strike strong style sub sup
    svg template textarea time tt u var video o:p at attachment emoji
    """
)
ELEMENTS: Final = _BLOCKS | VOID | _INLINE

# Elements whose content is no markup and no text. It ends only with their end tag.
RAW: Final = frozenset({"script", "style", "iframe", "noembed", "noframes"})
_RAW_ENDS: Final = {name: re.compile(rf"</(?i:{name})(?=[\s/>])[^>]*>?") for name in RAW}
_COMMENT_END: Final = re.compile(r"--!?>")

# Names of tokens that are no tags.
COMMENT: Final = "<!"
CODE: Final = "`"


class Tag(NamedTuple):
    """A tag, with its offsets in the text.

    Comments and Markdown code are tokens named COMMENT and CODE. The tag of a script or style
    includes its content.
    """

    start: int
    end: int
    name: str
    is_end: bool
    attributes: str


# A quoted value may contain ">". A quotation mark that nothing closes is a character.
_TAG: Final = re.compile(
    r"""<(?:(/?)([a-zA-Z][^\s/>]*)((?:[^>=]++|=\s*+(?:"[^"]*"|'[^']*'|))*+)>?|!--|[!?/])"""
)


def html_tags(text: str) -> Iterator[Tag]:
    """Iterate over the tags and comments of HTML. What is not closed ends with the text."""
    position = 0
    while match := _TAG.search(text, position):
        start, position = match.span()
        slash, name, attributes = match.groups()
        if name is None:
            position = _comment_end(text, start, position)
            yield Tag(start, position, COMMENT, False, "")
            continue
        name = name.lower()
        if name in _RAW_ENDS and not slash:
            end = _RAW_ENDS[name].search(text, position)
            position = end.end() if end else len(text)
        yield Tag(start, position, name, bool(slash), attributes)


def _comment_end(text: str, start: int, position: int) -> int:
    if not text.startswith("<!--", start):
        # A declaration, or what browsers treat as a comment, such as "<![CDATA[".
        return text.find(">", position) + 1 or len(text)
    if text.startswith((">", "->"), position):
        return text.index(">", position) + 1
    end = _COMMENT_END.search(text, position)
    return end.end() if end else len(text)


_STRICT_TAG: Final = r"""
    <(?:
        (/?)([a-zA-Z][\w:.-]*+)
        ((?:\s++[a-zA-Z_:@#.*-][\w:.@-]*+(?:\s*+=\s*+(?:"[^"]*"|'[^']*'|[^\s"'=<>`]++))?)*+)
        \s*+/?>
        |!--
        |!(?i:doctype|\[(?:if|endif))[^<>]*>
    )
"""
_STRICT_TAGS: Final = re.compile(_STRICT_TAG, re.VERBOSE)
_STRICT_TAGS_AND_CODE: Final = re.compile(
    _STRICT_TAG + r"|^[ ]{0,3}(?:```|~~~)|`[^`\n]++`", re.VERBOSE | re.MULTILINE
)


def strict_tags(text: str) -> Iterator[Tag]:
    """Iterate over the complete tags and comments of a text that may not be HTML.

    Names may be of other languages than HTML. Markdown code is a token of its own.
    """
    has_code = "`" in text or "~~~" in text
    pattern = _STRICT_TAGS_AND_CODE if has_code else _STRICT_TAGS
    position = 0
    # Comments and raw elements that have no end after the position.
    unclosed: set[str] = set()
    while match := pattern.search(text, position):
        start, position = match.span()
        opening = match[0]
        if opening[0] != "<":
            yield Tag(start, position := _code_end(text, opening, position), CODE, False, "")
            continue
        slash, name, attributes = match[1], (match[2] or COMMENT).lower(), match[3]
        end_pattern = _COMMENT_END if opening == "<!--" else None if slash else _RAW_ENDS.get(name)
        if end_pattern is not None:
            end = None if name in unclosed else end_pattern.search(text, position)
            if end is None:
                unclosed.add(name)
                continue
            position = end.end()
        yield Tag(start, position, name, bool(slash), attributes or "")


def _code_end(text: str, opening: str, position: int) -> int:
    fence = opening.lstrip(" ")
    if fence not in ("```", "~~~"):
        return position
    end = text.find(fence, position)
    return end + len(fence) if end >= 0 else len(text)


_ATTRIBUTE: Final = re.compile(
    r"""([^\s"'>/=]++)(?:\s*+=\s*+(?:"([^"]*)"|'([^']*)'|([^\s>]*)))?""", re.DOTALL
)


def parse_attributes(attributes: str) -> dict[str, str]:
    """The attributes of a tag in lower case. The first one with a name counts."""
    found: dict[str, str] = {}
    for name, *values in _ATTRIBUTE.findall(attributes.lower()):
        found.setdefault(name, "".join(values))
    return found


# White space of HTML, and the spaces of Unicode that are written like it.
SPACES: Final = " \t\n\r\f\v\xa0" + "".join(map(chr, range(0x2000, 0x200B))) + "\u202f\u205f"
# Invisible characters. Newsletters pad the preview of mail programs with them.
INVISIBLE: Final = "\xad\u034f\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"

# The longest number of a character reference has this many digits.
_LONGEST_NUMBER: Final = 8


def decode_reference(reference: str) -> str:
    """The text of a character reference, as browsers read it. Unknown names are not changed."""
    if not reference.startswith("&#"):
        return unescape(reference)
    digits = reference[2:].rstrip(";")
    prefix = "x" if digits[0] in "xX" else ""
    digits = digits.lstrip("xX").lstrip("0") or "0"
    return "\ufffd" if len(digits) > _LONGEST_NUMBER else unescape(f"&#{prefix}{digits};")


def is_known_reference(reference: str) -> bool:
    """A complete reference, with a semicolon, to a character by number or by a known name."""
    return reference[-1] == ";" and (reference[1] == "#" or reference[1:] in html5)

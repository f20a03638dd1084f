"""How text, web pages, mail, Word and PowerPoint files are read; the main module of a sandbox.

`python -m domains.kernel.untrusted.documents.document_readers KIND [CHARSET]` reads the file on
standard input and prints its text as UTF-8. It imports only the standard library, so that it starts
quickly.
"""

import codecs
import io
import posixpath
import re
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from email import message_from_bytes, policy
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from html.parser import HTMLParser
from typing import Final
from xml.parsers import expat

# How this process ends when it has no text to print.
BROKEN: Final = 3
ENCRYPTED: Final = 4
NOT_TEXT: Final = 5
NO_MEMORY: Final = 6
NOT_READY: Final = 7

Reader = Callable[[bytes, str | None], str]


class Refused(Exception):
    """The file cannot be read; `code` says why."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


# Text


# Tried in this order; of equals the first is taken.
_LEGACY: Final = (
    "cp1252", "cp1251", "koi8_r", "cp1250", "cp1253",
    "cp932", "euc_jp", "cp949", "gb18030", "big5",
)  # fmt: skip

_WESTERN: Final = frozenset(
    "ÀÂÄÅÆÇÈÉÊÍÎÓÔÖØÙÚÜÁÑÕàâäåæãçèéêëíîïìòóôõöøùúûüáñßœ€£§°«»“”‘’„–—…•·¿¡®©™"
)
_CENTRAL: Final = frozenset(
    "ąćęłńóśźżĄĆĘŁŃÓŚŹŻáčďéěíňřšťúůýžÁČĎÉĚÍŇŘŠŤÚŮÝŽőűöüÖÜäßăâîşţ„”“’–—…€§°»«"
)
_SIGNS: Final = frozenset("€£§°«»“”‘’„–—…•·®©™№\xa0")

# Characters that are looked at to tell one encoding from another.
_SAMPLE: Final = 20_000

_CONTROLS: Final = bytes(each for each in range(32) if each not in b"\t\n\v\f\r\x1b\x00")


def read_text(data: bytes, charset: str | None) -> str:
    """Text as it stands."""
    return decoded(data, charset or _named(data))


def decoded(data: bytes, charset: str | None = None) -> str:
    """The text of these bytes: by their mark, `charset`, UTF-8, or the likeliest of the others.

    Refused when they are no text.
    """
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            return data.decode(name, "replace")
    tried = [*_declared(charset), *_wide(data)]
    if b"\x1b$" in data:
        tried.append("iso2022_jp")
    for name in (*tried, "utf-8"):
        text = _strictly(data, name)
        if text is not None:
            return _plausible(text)
    if len(data.translate(None, _CONTROLS)) < 0.98 * len(data) or data.count(0) > 0.02 * len(data):
        raise Refused(NOT_TEXT)
    return _likeliest(data)


def _declared(charset: str | None) -> list[str]:
    """The codec of a name, if there is one that makes text."""
    try:
        name = codecs.lookup((charset or "").strip("\"' ")).name
    except (LookupError, ValueError):
        return []
    # As browsers do: who says Latin-1 means Windows' superset. What decodes as UTF-8 is UTF-8
    # nevertheless: other text does so by no chance.
    if name in ("iso8859-1", "cp1252", "ascii"):
        return ["utf-8", "cp1252"]
    # Those that are no encodings of text, or slow.
    if name in ("punycode", "idna", "unicode_escape", "raw-unicode-escape", "undefined", "utf-7"):
        return []
    return ["cp932" if name == "shift_jis" else name]


def _wide(data: bytes) -> Iterator[str]:
    """UTF-16 and UTF-32 without a mark, seen by where the zeros of their ASCII characters are."""
    sample = data[: _SAMPLE * 4]
    zeros = [sample[at::4].count(0) / (len(sample) / 4 or 1) for at in range(4)]
    if len(data) % 4 == 0:
        if min(zeros[1:]) > 0.6 > zeros[0]:
            yield "utf-32-le"
        if min(zeros[:3]) > 0.6 > zeros[3]:
            yield "utf-32-be"
    if len(data) % 2 == 0:
        even, odd = zeros[0] + zeros[2], zeros[1] + zeros[3]
        if odd > 0.4 and even < odd / 4:
            yield "utf-16-le"
        if even > 0.4 and odd < even / 4:
            yield "utf-16-be"


def _strictly(data: bytes, name: str) -> str | None:
    try:
        return data.decode(name)
    except (UnicodeError, LookupError):
        return None


def _plausible(text: str) -> str:
    """The text, or Refused when it is full of characters that are not written."""
    sample = text[:_SAMPLE]
    odd = sum(each < " " and each not in "\t\n\v\f\r\x1b" for each in sample)
    if odd > 0.02 * len(sample):
        raise Refused(NOT_TEXT)
    return text


def _likeliest(data: bytes) -> str:
    best, most = "", -1.0
    for name in _LEGACY:
        text = _strictly(data, name)
        if text is None and name == "cp1252":
            # Five bytes stand for nothing in it; they do not make it another.
            text = data.decode(name, "replace")
        if text is not None and (score := _score(text, name)) > most:
            best, most = text, score
    return best


def _score(text: str, name: str) -> float:
    """How likely these characters beyond ASCII are in text of this encoding: at most 1."""
    judge = _JUDGES.get(name, _western)
    total = seen = 0.0
    for found in re.finditer(r"(?s)(?<=(.))?([^\x00-\x7f])(?=(.))?", text):
        total += judge(found[1] or " ", found[2], found[3] or " ")
        seen += 1
        if seen >= _SAMPLE:
            break
    return total / seen if seen else 0.0


def _latin(common: frozenset[str], before: str, it: str, after: str) -> float:
    if it in _SIGNS:
        return 1.0
    # Letters with accents stand between plain ones: a row of them is another script, misread.
    alone = not all(each.isalpha() and not each.isascii() for each in (before, after))
    # An upper-case letter does not follow a lower-case one.
    fits = not (it.isupper() and before.islower())
    return float(it in common and alone and fits)


def _western(before: str, it: str, after: str) -> float:
    return _latin(_WESTERN, before, it, after)


def _central(before: str, it: str, after: str) -> float:
    return _latin(_CENTRAL, before, it, after)


def _script(first: str, last: str, common: str) -> Callable[[str, str, str], float]:
    """For an alphabet of its own, from its first to its last letter, with its most common ones."""

    def judge(before: str, it: str, after: str) -> float:
        if it in _SIGNS:
            return 1.0
        if not first <= it <= last:
            return 0.0
        if any(each.isascii() and each.isalpha() for each in (before, after)):
            return 0.0
        if it.islower():
            return 1.0 if it in common else 0.8
        return 0.3 if before.islower() else 0.8

    return judge


def _japanese(_before: str, it: str, _after: str) -> float:
    if "\u3000" <= it <= "\u30ff" or it in "！？（）：":
        return 1.0
    if "\uff61" <= it <= "\uff9f":
        return 0.0
    # The first level: the characters that are in common use.
    return 0.9 if "一" <= it <= "龯" and it.encode("cp932", "replace") < b"\x98\x9f" else 0.1


def _korean(_before: str, it: str, _after: str) -> float:
    return float("가" <= it <= "힣" and len(it.encode("euc_kr")) == 2)


def _chinese(_before: str, it: str, _after: str) -> float:
    if "\u3000" <= it <= "\u3011" or it in "，。！？；：、（）“”‘’":
        return 1.0
    coded = it.encode("gb2312", "replace")
    return 0.99 if b"\xb0" <= coded < b"\xd8" and len(coded) > 1 else 0.0


def _traditional(_before: str, it: str, _after: str) -> float:
    if "\u3000" <= it <= "\u3011" or it in "，。！？；：、（）":
        return 1.0
    coded = it.encode("big5", "replace")
    return 0.98 if b"\xa4" <= coded < b"\xc7" and len(coded) > 1 else 0.0


_JUDGES: Final[Mapping[str, Callable[[str, str, str], float]]] = {
    "cp1251": _script("Ё", "ё", "оеаинтсрвлкмдпу"),
    "koi8_r": _script("Ё", "ё", "оеаинтсрвлкмдпу"),
    "cp1250": _central,
    "cp1253": _script("Ά", "ώ", "αοιετσνυρπκμληίόά"),
    "cp932": _japanese,
    "euc_jp": _japanese,
    "cp949": _korean,
    "gb18030": _chinese,
    "big5": _traditional,
}


def _named(data: bytes) -> str | None:
    """The encoding that a page or an XML document says that it has, within its first bytes."""
    head = data[:1024]
    found = re.match(rb"""\s*<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)""", head) or re.search(
        rb"""<meta[^>]*?charset\s*=\s*["']?\s*([\w.:-]+)""", head, re.IGNORECASE
    )
    # What says so in ASCII is not UTF-16, whatever it says.
    name = found[1].decode("ascii", "replace").lower() if found else None
    return None if name and name.startswith(("utf-16", "utf16", "utf-32", "ucs")) else name


# Web pages


_SKIPPED: Final = frozenset({"script", "style", "template", "noscript", "svg"})
_LINES: Final = (
    "address", "article", "aside", "body", "caption", "dd", "div", "dt", "figcaption", "fieldset",
    "figure", "footer", "form", "header", "legend", "li", "main", "nav", "option", "section",
    "summary", "tr",
)  # fmt: skip
_PARAGRAPHS: Final = (
    "blockquote", "dl", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "ol", "p", "pre", "table",
    "title", "ul",
)  # fmt: skip
_BREAKS: Final = {**dict.fromkeys(_LINES, 1), **dict.fromkeys(_PARAGRAPHS, 2)}


def read_html(data: bytes, charset: str | None) -> str:
    """What a page shows: its title, then its text."""
    return _shown(decoded(data, charset or _named(data)))


def _shown(page: str) -> str:
    reader = _Page()
    reader.feed(page)
    reader.close()
    return reader.text


class _Page(HTMLParser):
    """The text of a page: blocks are lines, cells are parted by bars, items begin with a dash."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._said: list[str] = []
        self._skipped: list[str] = []
        self._literal = 0
        # What comes before the next text: line breaks, a space, a dash, or bars.
        self._breaks = 0
        self._space = False
        self._item = False
        self._bars = 0
        # Whether the row says something; whether its last cell says nothing yet.
        self._row = False
        self._fresh = False
        self._rows: list[bool] = []

    @property
    def text(self) -> str:
        return "".join(self._said).replace("\xa0", " ")

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002  # inherited
        if tag in _SKIPPED:
            self._skipped.append(tag)
        if self._skipped:
            return
        if tag in ("td", "th"):
            # Layouts have empty cells: bars only part what is said.
            self._bars += self._row
            self._breaks = self._breaks if not self._row else 0
            self._fresh = True
            return
        self._part(_BREAKS.get(tag, 0))
        if tag == "br":
            self._breaks = min(self._breaks + 1, 2)
        elif tag == "li":
            self._item = True
        elif tag == "pre":
            self._literal += 1
        elif tag == "table":
            self._rows.append(self._row)
        if tag in ("table", "tr"):
            self._row, self._bars, self._fresh = False, 0, False

    def handle_endtag(self, tag: str) -> None:
        if tag in self._skipped:
            while self._skipped.pop() != tag:
                pass
            return
        if self._skipped:
            return
        if tag in ("tr", "table"):
            self._fresh, self._bars, self._item = False, 0, False
        self._part(_BREAKS.get(tag, 0))
        if tag == "pre":
            self._literal = max(self._literal - 1, 0)
        elif tag == "table" and self._rows:
            self._row = self._rows.pop()

    def handle_data(self, data: str) -> None:
        if self._skipped:
            return
        if self._literal:
            self._say(data.strip("\r\n") if data.strip() else "")
            return
        said = re.sub(r"[ \t\n\r\f\v]+", " ", data)
        self._space = self._space or said.startswith(" ")
        if said.strip(" "):
            self._say(said.strip(" "))
            self._space = said.endswith(" ")

    def _part(self, breaks: int) -> None:
        # A paragraph that begins an item or a cell stays on its line.
        if not (self._item or self._fresh):
            self._breaks = max(self._breaks, breaks)

    def _say(self, text: str) -> None:
        if self._bars and self._row:
            self._said.append(" |" * self._bars + " ")
        elif self._said and self._breaks:
            self._said.append("\n" * self._breaks)
        elif self._said and self._space:
            self._said.append(" ")
        if self._item:
            self._said.append("- ")
        self._said.append(text)
        self._breaks = self._bars = 0
        self._space = self._item = self._fresh = False
        self._row = True


# Mail


def read_mail(data: bytes, _charset: str | None) -> str:
    """Who wrote to whom, when and about what; the text; the names of what is attached."""
    return _letter(message_from_bytes(data, policy=policy.compat32))


def _letter(message: Message) -> str:
    attached: list[str] = []
    head = [
        f"{name}: {value}"
        for name in ("From", "To", "Cc", "Date", "Subject")
        if (value := _header(message, name))
    ]
    parts = ["\n".join(head), *_bodies(message, attached)]
    if attached:
        parts.append("Attachments: " + ", ".join(attached))
    return "\n\n".join(part for part in map(str.strip, parts) if part)


def _bodies(part: Message, attached: list[str]) -> Iterator[str]:
    """The texts of a message; the names of its files are added to `attached`."""
    kind = part.get_content_type()
    payload = part.get_payload()
    if isinstance(payload, list):
        children = [each for each in payload if isinstance(each, Message)]
        if kind.startswith("message/"):
            yield from map(_letter, children)
        elif kind == "multipart/alternative":
            # The same text several times, the plainest first.
            texts = ("\n\n".join(_bodies(each, attached)) for each in children)
            yield next((text for text in texts if text.strip()), "")
        else:
            for each in children:
                yield from _bodies(each, attached)
        return
    disposition = part.get_content_disposition()
    if disposition == "attachment" or not kind.startswith("text/"):
        # A picture within the text is no attachment.
        if disposition == "attachment" or "Content-ID" not in part:
            attached.append(_unfolded(part.get_filename() or kind))
    elif kind in ("text/plain", "text/html"):
        content = part.get_payload(decode=True)
        charset = part.get_content_charset()
        read = read_html if kind == "text/html" else read_text
        yield read(content, charset) if isinstance(content, bytes) else ""


def _header(message: Message, name: str) -> str:
    """A header as it is meant; as it stands when it is wrongly encoded."""
    found = (value for each, value in message.raw_items() if each.lower() == name.lower())
    return _unfolded(next(found, ""))


def _unfolded(value: object) -> str:
    text = decoded(str(value).encode("utf-8", "surrogateescape"))
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
        else decoded(word, charset)
        for word, charset in words
    ).strip()


# Word and PowerPoint


# What is no text although it looks so: properties, text that was moved away, what stands in for
# newer elements, phonetic guides.
_ASIDE: Final = frozenset({"Fallback", "pPr", "rPr", "moveFrom", "rt"})


def read_word(data: bytes, _charset: str | None) -> str:
    """The body of a Word document, then its notes. Text that was deleted is left out."""
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        main = _main(package)
        notes = [
            target
            for kind, target in _related(package, main).values()
            if kind in ("footnotes", "endnotes")
        ]
        return "\n\n".join(_flow(package.read(part)) for part in (main, *notes))


def read_slides(data: bytes, _charset: str | None) -> str:
    """The slides of a presentation in their order, each with its speaker's notes."""
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        main = _main(package)
        slides = _related(package, main)
        shown = []
        for name in _listed(package.read(main)):
            slide = slides[name][1]
            shown.append(_flow(package.read(slide)))
            for kind, target in _related(package, slide).values():
                if kind == "notesSlide" and (notes := _flow(package.read(target))):
                    shown.append(f"Notes: {notes}")
        return "\n\n".join(filter(None, shown))


def _main(package: zipfile.ZipFile) -> str:
    related = _related(package, "").values()
    return next(target for kind, target in related if kind == "officeDocument")


def _related(package: zipfile.ZipFile, part: str) -> dict[str, tuple[str, str]]:
    """The kind and the name of each part that a part refers to."""
    folder, name = posixpath.split(part)
    try:
        content = package.read(posixpath.join(folder, "_rels", f"{name}.rels"))
    except KeyError:
        return {}
    found: dict[str, tuple[str, str]] = {}

    def start(_tag: str, attributes: Mapping[str, str]) -> None:
        if "Target" in attributes and attributes.get("TargetMode") != "External":
            kind = attributes.get("Type", "").rpartition("/")[2]
            target = posixpath.normpath(posixpath.join("/", folder, attributes["Target"]))
            found[attributes.get("Id", "")] = (kind, target.lstrip("/"))

    _parse(content, start)
    return found


def _listed(presentation: bytes) -> list[str]:
    """The relations that its slides have, in the order in which they are shown."""
    found: list[str] = []

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        if _local(tag) == "sldId":
            found.extend(value for name, value in attributes.items() if name.endswith(":id"))

    _parse(presentation, start)
    return found


def _flow(part: bytes) -> str:
    flow = _Flow()
    _parse(part, flow.start, flow.end, flow.data)
    return flow.text


class _Flow:
    """The text of a part: its paragraphs, rows of tables as lines, cells parted by bars."""

    def __init__(self) -> None:
        self._blocks: list[list[str]] = [[]]  # the document, and the tables and cells around
        self._paragraphs: list[list[str]] = [[]]
        self._aside = 0
        self._within = False

    @property
    def text(self) -> str:
        return "\n\n".join(self._blocks[0])

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = _local(tag)
        # The number of a slide is a field.
        if self._aside or name in _ASIDE or attributes.get("type") == "slidenum":
            self._aside += 1
        elif name == "t":
            self._within = True
        elif name == "p":
            self._paragraphs.append([])
        elif name in _JOINED:
            self._blocks.append([])
        elif name in _SIGNS_OF:
            self._paragraphs[-1].append(_SIGNS_OF[name])

    def end(self, tag: str) -> None:
        name = _local(tag)
        if self._aside:
            self._aside -= 1
        elif name == "t":
            self._within = False
        elif name == "p":
            self._add("".join(self._paragraphs.pop()).strip())
        elif name in _JOINED:
            blocks = self._blocks.pop()
            if name == "tc":
                self._blocks[-1].append(" ".join(" ".join(blocks).split("\n")))
            else:
                self._add(_JOINED[name].join(blocks).rstrip(" |"))

    def data(self, text: str) -> None:
        if self._within and not self._aside:
            self._paragraphs[-1].append(text)

    def _add(self, block: str) -> None:
        if block:
            self._blocks[-1].append(block)


# What stands between the blocks within: a table, a row, a cell, the text of a shape.
_JOINED: Final = {"tbl": "\n", "tr": " | ", "tc": " ", "txBody": "\n"}
_SIGNS_OF: Final = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}


def _local(tag: str) -> str:
    return tag.rpartition(":")[2]


def _parse(
    content: bytes,
    start: Callable[[str, Mapping[str, str]], None],
    end: Callable[[str], None] | None = None,
    data: Callable[[str], None] | None = None,
) -> None:
    """Hands over the elements of a document; Refused when it declares entities."""

    def declared(*_what: object) -> None:
        raise Refused(BROKEN)

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = declared
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = data
    parser.Parse(content, True)  # takes no keyword


# The process


def main(readers: Mapping[str, Reader], kind: str, charset: str | None = None) -> int:
    """Prints the text of the file on standard input; how it went is how the process should end."""
    try:
        text = readers[kind](sys.stdin.buffer.read(), charset)
        sys.stdout.buffer.write(clean(text))
        sys.stdout.buffer.flush()
    except Refused as refusal:
        return refusal.code
    except MemoryError:
        return NO_MEMORY
    except Exception as error:  # noqa: BLE001  # whatever a stranger's file leads to
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return BROKEN
    return 0


def clean(text: str) -> bytes:
    """As UTF-8: lines end in a line feed, no NUL, nothing that is no character, no blank edges."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.removeprefix("\ufeff").strip().encode()


READERS: Final[Mapping[str, Reader]] = {
    "text": read_text,
    "html": read_html,
    "mail": read_mail,
    "word": read_word,
    "slides": read_slides,
}

if __name__ == "__main__":
    sys.exit(main(READERS, *sys.argv[1:]))

"""Makes small documents of every type, valid or damaged, byte by byte."""

import hashlib
import io
import itertools
import struct
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from email.message import EmailMessage
from typing import Final
from xml.sax.saxutils import escape

from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
from cryptography.hazmat.primitives.ciphers import Cipher

_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPES = "application/vnd.openxmlformats-officedocument"
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_SLIDE = (
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
    f'xmlns:r="{_OFFICE}"'
)
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'

# Padding of passwords in the PDF specification.
_PAD = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")


def zipped(entries: Mapping[str, str | bytes], *, packed: bool = True) -> bytes:
    """A ZIP archive of these entries."""
    buffer = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def repacked(archive: bytes, name: str, change: Callable[[str], str]) -> bytes:
    """The archive with one of its entries changed."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        entries = {entry: opened.read(entry).decode() for entry in opened.namelist()}
    return zipped({**entries, name: change(entries[name])})


def with_entries(archive: bytes, entries: Mapping[str, str | bytes]) -> bytes:
    """The archive with these entries added or replaced."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        present = {entry: opened.read(entry) for entry in opened.namelist()}
    return zipped({**present, **entries})


def pdf(pages: Iterable[Sequence[str]], password: str | None = None) -> bytes:
    """A PDF with a page for each list of lines. It is encrypted if `password` is given."""
    contents = [_page(lines) for lines in pages]
    count = len(contents)
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(count))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {count} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    encryption = _Encryption(password) if password is not None else None
    for number, content in enumerate(contents):
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] "
            b"/Resources << /Font << /F1 3 0 R >> >> /Contents %d 0 R >>" % (5 + 2 * number)
        )
        data = encryption.encrypt(5 + 2 * number, content) if encryption else content
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(data), data))
    if encryption:
        objects.append(encryption.dictionary())
    return _assemble(objects, encrypted=encryption is not None)


def pdf_page(
    content: str,
    *,
    font: str = "/Encoding /WinAnsiEncoding",
    cmap: str = "",
    annotations: Sequence[str] = (),
) -> bytes:
    """A PDF with one page whose content is these operators.

    `font` has more entries of its font /F1, `cmap` maps the codes of the font to text. The
    annotations that are widgets become the form's fields.
    """
    first = 7
    numbers = [f"{first + index} 0 R" for index in range(len(annotations))]
    fields = [
        number for number, text in zip(numbers, annotations, strict=True) if "/Widget" in text
    ]
    form = f"/AcroForm << /Fields [{' '.join(fields)}] >>" if fields else ""
    to_unicode = "/ToUnicode 6 0 R" if cmap else ""
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R {form} >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        f"/Resources << /Font << /F1 5 0 R >> >> /Annots [{' '.join(numbers)}] >>",
        f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
        f"<< /Type /Font /Subtype /Type1 /BaseFont /Times-Roman {to_unicode} {font} >>",
        f"<< /Length {len(cmap)} >>\nstream\n{cmap}\nendstream",
        *(f"<< /Type /Annot {text} >>" for text in annotations),
    ]
    return _assemble([text.encode("latin-1") for text in objects], encrypted=False)


def visual_pdf(lines: Sequence[str]) -> bytes:
    """A PDF that draws the characters of each line from left to right, in a font of its own."""
    codes = {character: code for code, character in enumerate(sorted(set("".join(lines))), 33)}
    characters = "\n".join(
        f"<{code:02x}> <{character.encode('utf-16-be').hex()}>" for character, code in codes.items()
    )
    cmap = (
        "begincmap 1 begincodespacerange <00> <ff> endcodespacerange "
        f"{len(codes)} beginbfchar\n{characters}\nendbfchar endcmap"
    )
    drawn = "".join(f"<{bytes(map(codes.get, line)).hex()}> Tj T*\n" for line in lines)  # type: ignore[arg-type]
    widths = f"/FirstChar 33 /LastChar 255 /Widths [{'600 ' * 223}]"
    return pdf_page(f"BT /F1 12 Tf 14 TL 72 770 Td {drawn}ET", font=widths, cmap=cmap)


def _page(lines: Sequence[str]) -> bytes:
    operators = b"".join(
        b"(%s) Tj T*\n" % line.encode("cp1252").replace(b"(", rb"\(").replace(b")", rb"\)")
        for line in lines
    )
    return b"BT /F1 12 Tf 14 TL 72 770 Td\n%sET" % operators if lines else b"0 0 100 100 re f"


def _assemble(objects: Sequence[bytes], *, encrypted: bool) -> bytes:
    """A PDF file of these objects. If encrypted, the last is the encryption dictionary."""
    data = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, content in enumerate(objects, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    data += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    entries = b"/Size %d /Root 1 0 R" % (len(objects) + 1)
    if encrypted:
        ids = (len(objects), _ID.hex().encode(), b"00" * 16)
        entries += b" /Encrypt %d 0 R /ID [<%s> <%s>]" % ids
    data += b"trailer\n<< %s >>\nstartxref\n%d\n%%%%EOF\n" % (entries, start)
    return bytes(data)


_ID = bytes(range(16))


class _Encryption:
    """The standard security handler of PDF 1.4, revision 2: RC4 with 40 bits."""

    def __init__(self, password: str) -> None:
        padded = (password.encode() + _PAD)[:32]
        self._owner = _rc4(_md5(padded)[:5], padded)
        self._permissions = struct.pack("<i", -4)
        self._key = _md5(padded + self._owner + self._permissions + _ID)[:5]

    def encrypt(self, number: int, data: bytes) -> bytes:
        return _rc4(_md5(self._key + struct.pack("<I", number)[:3] + b"\0\0")[:10], data)

    def dictionary(self) -> bytes:
        owner, user = self._owner.hex().encode(), _rc4(self._key, _PAD).hex().encode()
        return b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >>" % (owner, user)


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _rc4(key: bytes, data: bytes) -> bytes:
    return Cipher(ARC4(key), mode=None).encryptor().update(data)


def _office(main: str, kind: str, parts: Mapping[str, str], types: Mapping[str, str]) -> bytes:
    """An Office package of `parts`. `types` has the types of all parts but the main one."""
    overrides = "".join(
        f'<Override PartName="/{name}" ContentType="{_TYPES}.{subtype}+xml"/>'
        for name, subtype in {main: kind, **types}.items()
    )
    return zipped(
        {
            "[Content_Types].xml": f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types">'
            '<Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Default Extension="xml" ContentType="application/xml"/>{overrides}</Types>',
            "_rels/.rels": relationships({"rId1": ("officeDocument", main)}),
            **parts,
        }
    )


def relationships(targets: Mapping[str, tuple[str, str]]) -> str:
    """The relationships of a part: the kind and target of each by id."""
    listed = "".join(
        f'<Relationship Id="{name}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for name, (kind, target) in targets.items()
    )
    return f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">{listed}</Relationships>'


def docx(
    paragraphs: Sequence[str],
    table: Sequence[Sequence[str]] = (),
    heading: str = "",
    prologue: str = "",
) -> bytes:
    """A Word document: a heading, paragraphs, then a table. `prologue` may contain a DTD."""

    def paragraph(text: str, style: str = "") -> str:
        style = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
        return f'<w:p>{style}<w:r><w:t xml:space="preserve">{text}</w:t></w:r></w:p>'

    rows = "".join(
        "<w:tr>" + "".join(f"<w:tc>{paragraph(escape(cell))}</w:tc>" for cell in row) + "</w:tr>"
        for row in table
    )
    body = (paragraph(escape(heading), "Heading1") if heading else "") + "".join(
        # The prologue may define entities, so the paragraphs are not escaped.
        paragraph(text if prologue else escape(text))
        for text in paragraphs
    )
    if rows:
        body += f"<w:tbl>{rows}</w:tbl>"
    document = (
        f'{_HEAD}{prologue}<w:document xmlns:w="{_WORD}"><w:body>{body}</w:body></w:document>'
    )
    return _office(
        "word/document.xml", "wordprocessingml.document.main", {"word/document.xml": document}, {}
    )


def xlsx(sheets: Mapping[str, Sequence[Sequence[str | float]]]) -> bytes:
    """A workbook with these sheets of rows."""
    parts = {
        f"xl/worksheets/sheet{number}.xml": _sheet(rows)
        for number, rows in enumerate(sheets.values(), 1)
    }
    names = "".join(
        f'<sheet name="{escape(name)}" sheetId="{number}" r:id="rId{number}"/>'
        for number, name in enumerate(sheets, 1)
    )
    workbook = (
        f'{_HEAD}<workbook xmlns="{_SHEET}" xmlns:r="{_OFFICE}"><sheets>{names}</sheets></workbook>'
    )
    targets = {
        f"rId{number}": ("worksheet", f"worksheets/sheet{number}.xml")
        for number in range(1, len(sheets) + 1)
    }
    return _office(
        "xl/workbook.xml",
        "spreadsheetml.sheet.main",
        {
            "xl/workbook.xml": workbook,
            "xl/_rels/workbook.xml.rels": relationships(targets),
            **parts,
        },
        dict.fromkeys(parts, "spreadsheetml.worksheet"),
    )


def _sheet(rows: Iterable[Sequence[str | float]]) -> str:
    def cell(value: str | float, row: int, column: int) -> str:
        name = f"{chr(ord('A') + column)}{row}"
        if isinstance(value, str):
            return f'<c r="{name}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
        return f'<c r="{name}"><v>{value}</v></c>'

    cells = "".join(
        f'<row r="{number}">'
        + "".join(cell(value, number, column) for column, value in enumerate(row))
        + "</row>"
        for number, row in enumerate(rows, 1)
    )
    return f'{_HEAD}<worksheet xmlns="{_SHEET}"><sheetData>{cells}</sheetData></worksheet>'


def pptx(slides: Sequence[tuple[str, Sequence[str], str]]) -> bytes:
    """A presentation of slides, each a title, lines and speaker notes."""
    parts: dict[str, str] = {}
    types: dict[str, str] = {}
    for number, (title, lines, notes) in enumerate(slides, 1):
        parts[f"ppt/slides/slide{number}.xml"] = (
            f"{_HEAD}<p:sld {_SLIDE}><p:cSld><p:spTree>{_TREE}"
            f"{_shape(2, 'title', [title])}{_shape(3, 'body', lines)}"
            "</p:spTree></p:cSld></p:sld>"
        )
        types[f"ppt/slides/slide{number}.xml"] = "presentationml.slide"
        if notes:
            name = f"notesSlides/notesSlide{number}.xml"
            parts[f"ppt/{name}"] = (
                f"{_HEAD}<p:notes {_SLIDE}><p:cSld><p:spTree>{_TREE}{_shape(2, 'body', [notes])}"
                "</p:spTree></p:cSld></p:notes>"
            )
            parts[f"ppt/slides/_rels/slide{number}.xml.rels"] = relationships(
                {"rId1": ("notesSlide", f"../{name}")}
            )
            types[f"ppt/{name}"] = "presentationml.notesSlide"
    listed = "".join(
        f'<p:sldId id="{255 + number}" r:id="rId{number}"/>' for number in range(1, len(slides) + 1)
    )
    parts["ppt/presentation.xml"] = (
        f"{_HEAD}<p:presentation {_SLIDE}><p:sldIdLst>{listed}</p:sldIdLst></p:presentation>"
    )
    parts["ppt/_rels/presentation.xml.rels"] = relationships(
        {
            f"rId{number}": ("slide", f"slides/slide{number}.xml")
            for number in range(1, len(slides) + 1)
        }
    )
    return _office("ppt/presentation.xml", "presentationml.presentation.main", parts, types)


_TREE = '<p:nvGrpSpPr><p:cNvPr id="1" name=""/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/>'


def _shape(number: int, kind: str, lines: Sequence[str]) -> str:
    paragraphs = "".join(f"<a:p><a:r><a:t>{escape(line)}</a:t></a:r></a:p>" for line in lines)
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="{number}" name="{kind}"/><p:cNvSpPr/>'
        f'<p:nvPr><p:ph type="{kind}"/></p:nvPr></p:nvSpPr><p:spPr/>'
        f"<p:txBody><a:bodyPr/>{paragraphs}</p:txBody></p:sp>"
    )


def eml(
    body: str, *, html: str = "", attachments: Mapping[str, bytes] | None = None, **headers: str
) -> bytes:
    """An e-mail message. Headers are keywords: `From`, `To`, `Subject`."""
    message = EmailMessage()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(body)
    if html:
        message.add_alternative(html, subtype="html")
    for name, content in (attachments or {}).items():
        message.add_attachment(
            content, maintype="application", subtype="octet-stream", filename=name
        )
    return message.as_bytes()


_CHAIN_END: Final = 0xFFFF_FFFE
_TABLE_SECTOR: Final = 0xFFFF_FFFD
_NO_ENTRY: Final = 0xFFFF_FFFF


def ole(streams: Mapping[str, bytes]) -> bytes:
    """An OLE file of these streams. The names of those in storages contain slashes."""
    large, small = _Sectors(512), _Sectors(64)
    starts = {
        path: (small if len(content) < 4096 else large).store(content)
        for path, content in streams.items()
    }
    small_content = b"".join(small.sectors)
    small_start = large.store(small_content)
    small_table = large.store(struct.pack(f"<{len(small.table)}I", *small.table))
    small_table_count = len(large.sectors) - small_table
    directory = large.store(_ole_directory(streams, starts, small_start, len(small_content)))
    table_count = -(-(len(large.sectors) + 16) // 127)
    first_table = len(large.sectors)
    table = [*large.table, *[_TABLE_SECTOR] * table_count]
    header = struct.pack(
        "<8s16s5H6s9I", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"", 0x3E, 3, 0xFFFE, 9, 6, b"",
        0, table_count, directory, 0, 4096, small_table, small_table_count, _CHAIN_END, 0,
    )  # fmt: skip
    listed = struct.pack(f"<{table_count}I", *range(first_table, first_table + table_count))
    return (
        header
        + listed.ljust(436, b"\xff")
        + b"".join(large.sectors)
        + struct.pack(f"<{len(table)}I", *table).ljust(512 * table_count, b"\xff")
    )


class _Sectors:
    """Sectors of an OLE file with their allocation table."""

    def __init__(self, size: int) -> None:
        self.sectors: list[bytes] = []
        self.table: list[int] = []
        self._size = size

    def store(self, content: bytes) -> int:
        """Append a chain of sectors. Return the number of the first."""
        start, size = len(self.sectors), self._size
        count = max(1, -(-len(content) // size))
        padded = content.ljust(count * size, b"\0")
        self.sectors += [padded[at : at + size] for at in range(0, len(padded), size)]
        self.table += [*range(start + 1, start + count), _CHAIN_END]
        return start


def _ole_directory(
    streams: Mapping[str, bytes], starts: Mapping[str, int], small_start: int, small_size: int
) -> bytes:
    folders: dict[str, set[str]] = {"": set()}
    for path in streams:
        parts = path.split("/")
        for depth in range(len(parts)):
            name = "/".join(parts[: depth + 1])
            folders.setdefault("/".join(parts[:depth]), set()).add(name)
    # The entries of a folder are in the order of their names, each linked to the next.
    ordered = {
        folder: sorted(names, key=lambda name: (len(name), name.upper()))
        for folder, names in folders.items()
    }
    paths = ["", *(name for names in ordered.values() for name in names)]
    following = {
        name: after for names in ordered.values() for name, after in itertools.pairwise(names)
    }

    def entry(path: str) -> bytes:
        name = (path.rpartition("/")[2] or "Root Entry").encode("utf-16-le")
        children = ordered.get(path, [])
        kind = 5 if not path else 2 if path in streams else 1
        start = starts.get(path, 0) if path else small_start
        size = len(streams.get(path, b"")) if path else small_size
        links = (
            paths.index(child) if child else _NO_ENTRY
            for child in (None, following.get(path), children[0] if children else None)
        )  # fmt: skip
        return struct.pack(
            "<64sHBB3I16sIQQIQ", name, len(name) + 2, kind, 1, *links, b"", 0, 0, 0, start, size
        )

    return b"".join(map(entry, paths))

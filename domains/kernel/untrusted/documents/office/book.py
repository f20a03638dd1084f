"""Reader of EPUB books."""

import io
import posixpath
import zipfile
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

import msgspec

from domains.kernel.untrusted.documents.html_reader import read_html
from domains.kernel.untrusted.documents.office.blocks import attribute
from domains.kernel.untrusted.documents.office.packages import local_name, parse_xml
from domains.kernel.untrusted.documents.reader_process import ExitCode, ReadError

_CONTAINER: Final = "META-INF/container.xml"
_ENCRYPTION: Final = "META-INF/encryption.xml"
_PAGE_TYPES: Final = frozenset({"application/xhtml+xml", "text/html"})


class _Package(msgspec.Struct):
    """The package document of a book."""

    titles: list[str] = []
    authors: list[str] = []
    pages: dict[str, str] = {}
    """Paths of the pages by id, relative to the package document."""
    order: list[str] = []


def read_book(data: bytes, _charset: str | None) -> str:
    """Return the title and the authors of a book, then its pages in reading order."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = frozenset(archive.namelist())
        path = _package_path(archive.read(_CONTAINER))
        package = _read_package(archive.read(path))
        pages = [
            posixpath.normpath(posixpath.join(posixpath.dirname(path), package.pages[page]))
            for page in package.order
            if page in package.pages
        ]
        if _ENCRYPTION in names and _encrypted(archive.read(_ENCRYPTION)).intersection(pages):
            raise ReadError(ExitCode.ENCRYPTED)
        # A page may be listed more than once.
        texts = [
            read_html(archive.read(page), None) for page in dict.fromkeys(pages) if page in names
        ]
    head = "\n".join([*package.titles, *package.authors])
    return "\n\n".join(filter(None, [head, *texts]))


def _package_path(container: bytes) -> str:
    paths: list[str] = []

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        if local_name(tag) == "rootfile":
            paths.append(attribute(attributes, "full-path"))

    parse_xml(container, start)
    return paths[0]


def _read_package(part: bytes) -> _Package:
    package = _Package()
    texts: list[str] | None = None

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        nonlocal texts
        name = local_name(tag)
        if name == "item" and attribute(attributes, "media-type") in _PAGE_TYPES:
            href = unquote(attribute(attributes, "href"))
            package.pages[attribute(attributes, "id")] = href
        elif name == "itemref":
            package.order.append(attribute(attributes, "idref"))
        texts = (
            package.titles if name == "title" else package.authors if name == "creator" else None
        )
        if texts is not None:
            texts.append("")

    def end(_tag: str) -> None:
        nonlocal texts
        texts = None

    def data(text: str) -> None:
        if texts is not None:
            texts[-1] += text

    parse_xml(part, start, end, data)
    return package


def _encrypted(encryption: bytes) -> set[str]:
    """Return the encrypted files. Some books encrypt their fonts only."""
    paths: set[str] = set()

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        if local_name(tag) == "CipherReference":
            paths.add(unquote(attribute(attributes, "URI")).lstrip("/"))

    parse_xml(encryption, start)
    return paths

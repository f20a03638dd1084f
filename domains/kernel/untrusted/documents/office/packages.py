"""Packages of Office Open XML: parts, relationships, XML."""

import io
import posixpath
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Final
from xml.parsers import expat

from domains.kernel.untrusted.documents.reader_process import ExitCode, ReadError

# How often the parts of a package are read on average. Slides may share parts.
_MAX_READS: Final = 4


class Package:
    """A ZIP archive of parts that refer to each other by relationships."""

    def __init__(self, data: bytes) -> None:
        self._archive = zipfile.ZipFile(io.BytesIO(data))
        self._names = frozenset(self._archive.namelist())
        total = sum(entry.file_size for entry in self._archive.infolist())
        self._bytes_left = _MAX_READS * total

    def has(self, part: str) -> bool:
        return part in self._names

    def read(self, part: str) -> bytes:
        """Return the content of a part.

        Raises KeyError if it is missing, and ReadError if parts were read over and over.
        """
        content = self._archive.read(part)
        self._bytes_left -= len(content)
        if self._bytes_left < 0:
            raise ReadError(ExitCode.DAMAGED)
        return content

    def main_part(self) -> str:
        """Return the name of the part in which the document begins."""
        relationships = self.relationships("").values()
        return next(target for kind, target in relationships if kind == "officeDocument")

    def related(self, part: str, kind: str) -> Iterator[str]:
        """Iterate over the existing parts that a part has a relationship of this kind to."""
        for found, target in dict.fromkeys(self.relationships(part).values()):
            if found == kind and target in self._names:
                yield target

    def relationships(self, part: str) -> dict[str, tuple[str, str]]:
        """Return the kind and the target of each relationship of a part, by id."""
        folder, name = posixpath.split(part)
        relationships: dict[str, tuple[str, str]] = {}
        try:
            content = self.read(posixpath.join(folder, "_rels", f"{name}.rels"))
        except KeyError:
            return relationships

        def start(_tag: str, attributes: Mapping[str, str]) -> None:
            if "Target" in attributes and attributes.get("TargetMode") != "External":
                kind = attributes.get("Type", "").rpartition("/")[2]
                target = posixpath.normpath(posixpath.join("/", folder, attributes["Target"]))
                relationships[attributes.get("Id", "")] = (kind, target.lstrip("/"))

        parse_xml(content, start)
        return relationships


def local_name(tag: str) -> str:
    return tag.rpartition(":")[2]


def parse_xml(
    content: bytes,
    start: Callable[[str, Mapping[str, str]], None],
    end: Callable[[str], None] | None = None,
    data: Callable[[str], None] | None = None,
) -> None:
    """Parse XML with these handlers. Raises ReadError for a DTD, which could define entities."""

    def refuse(*_: object) -> None:
        raise ReadError(ExitCode.DAMAGED)

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = data
    parser.Parse(content, True)  # takes no keyword

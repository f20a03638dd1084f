"""Packages of Office Open XML: parts, relationships, XML."""

import posixpath
import zipfile
from collections.abc import Callable, Mapping
from xml.parsers import expat

from domains.kernel.untrusted.documents.reader_process import ExitCode, ReadError


def main_part(package: zipfile.ZipFile) -> str:
    targets = relationships(package, "").values()
    return next(target for kind, target in targets if kind == "officeDocument")


def relationships(package: zipfile.ZipFile, part: str) -> dict[str, tuple[str, str]]:
    """Return the kind and the target of each relationship of a part, by id."""
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

    parse_xml(content, start)
    return found


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

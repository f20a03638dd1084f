"""The viewer page of the API reference and the files that it loads."""

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from typing import Any, Final, NamedTuple

# Scripts and requests only to this server. The viewer creates style elements and attributes, so
# inline styles are needed; without sources for images and fonts they cannot load anything.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

# In the order in which the page loads them: the viewer, compressed, and the script that starts it.
_FILES: Final = ("scalar.js.gz", "start.js")


class Asset(NamedTuple):
    """A script, compressed with gzip."""

    # File name with a hash of the contents: a name never has other contents.
    name: str
    compressed: bytes

    def decompressed(self) -> bytes:
        return gzip.decompress(self.compressed)


def load_assets() -> dict[str, Asset]:
    """Load the scripts of the page, by name."""
    folder = resources.files("gateway.openapi.reference") / "assets"
    assets = []
    for file in _FILES:
        content = (folder / file).read_bytes()
        compressed = content if file.endswith(".gz") else gzip.compress(content, mtime=0)
        stem = file.partition(".")[0]
        assets.append(Asset(f"{stem}.{hashlib.sha256(compressed).hexdigest()[:16]}.js", compressed))
    return {asset.name: asset for asset in assets}


def render_page(
    title: str, documents: Mapping[str, Mapping[str, Any]], names: Sequence[str]
) -> bytes:
    """Render the page that shows the documents, given by folder, with the named scripts.

    Its URLs are relative to the root of the server: a proxy may have removed a prefix.
    """
    sources, schemes, links = [], [], []
    for folder, document in documents.items():
        name, url = document["info"]["title"], folder.removeprefix("/")
        # The slug is part of the address of each operation on the page.
        sources.append(
            {"title": name, "slug": name.lower().replace(" ", "-"), "url": f"{url}/openapi.json"}
        )
        schemes += document["components"].get("securitySchemes", ())
        links.append(
            f'<li>{escape(name)}: <a href="{url}/reference.md">text</a>, '
            f'<a href="{url}/openapi.json">OpenAPI document</a></li>'
        )
    settings = {"documents": sources, "securityScheme": schemes[0]}
    scripts = "".join(f'<script src="reference/assets/{name}" defer></script>' for name in names)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)} · API reference</title>{scripts}</head><body>"
        f'<div id="reference" data-settings="{escape(json.dumps(settings))}"></div>'
        f"<noscript><h1>{escape(title)}: API reference</h1><ul>{''.join(links)}</ul></noscript>"
        "</body></html>"
    ).encode()

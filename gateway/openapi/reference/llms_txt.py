"""llms.txt: an index of the reference for language models, by the convention of llmstxt.org."""

from collections.abc import Mapping
from typing import Any


def render(
    info: Mapping[str, Any], documents: Mapping[str, Mapping[str, Any]], base_url: str
) -> str:
    """Render the index: info object of the product, documents by folder, URL of the server."""
    references, openapi = [], []
    for folder, document in documents.items():
        title, summary = document["info"]["title"], _first_paragraph(document["info"])
        url = f"{base_url}{folder}"
        references.append(f"- [{title}]({url}/reference.md): {summary}")
        openapi.append(f"- [{title}]({url}/openapi.json): OpenAPI 3.1, JSON")
    return "\n".join(
        [
            f"# {info['title']}",
            "",
            f"> {_first_paragraph(info)}",
            "",
            f"The server is at {base_url}. Requests need an API key in the header `Authorization: "
            "Bearer sk_live_...`, except those of the operations surface. Each reference is one "
            "Markdown file with all operations, fields, errors and examples.",
            "",
            "## Reference",
            "",
            *references,
            "",
            "## OpenAPI documents",
            "",
            *openapi,
            "",
            "## Optional",
            "",
            f"- [All APIs, Markdown]({base_url}/reference.md): the references in one file",
            f"- [All APIs, OpenAPI]({base_url}/openapi.json): the documents in one file",
            f"- [Viewer]({base_url}/reference): interactive reference for browsers",
            "",
        ]
    )


def _first_paragraph(info: Mapping[str, Any]) -> str:
    return str(info["description"]).partition("\n\n")[0].replace("\n", " ")

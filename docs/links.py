"""Checks links: of the built site, and of Markdown files as a forge shows them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: Elements whose address the browser loads with the page, and the attribute that holds it.
LOADED = {"audio": "src", "embed": "src", "iframe": "src", "img": "src", "link": "href", "object": "data",
          "script": "src", "source": "src", "video": "src"}  # fmt: skip
IN_STYLES = re.compile(r"""(?:url\(|@import)\s*["']?([^"')\s]+)""")
IN_MARKDOWN = re.compile(r"\]\(([^()\s]+)\)")


@dataclass
class Page(HTMLParser):
    """The links of an HTML page, the addresses that it loads, and its anchors."""

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attrs if value}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in LOADED and LOADED[tag] in values and values.get("rel") not in ("canonical", "next", "prev"):
            self.loaded.append(values[LOADED[tag]])
        self.loaded += IN_STYLES.findall(values.get("style", ""))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "style":
            self.loaded += IN_STYLES.findall(data)


def problems_of_site(site: Path) -> Iterator[str]:
    """Yield a sentence for each dead link, and for each file that a page loads from another host."""
    pages = {file: read(file) for file in sorted(site.rglob("*.html"))}
    for file, page in pages.items():
        for address in [*page.links, *page.loaded]:
            if not is_external(address) and not exists(file, address, pages):
                yield f"{file.relative_to(site)} links to {address}, which does not exist."
        yield from (
            f"{file.relative_to(site)} loads {a} from elsewhere." for a in page.loaded if is_external(a)
        )
    for file in sorted(site.rglob("*.css")):
        for address in IN_STYLES.findall(file.read_text()):
            if is_external(address):
                yield f"{file.relative_to(site)} loads {address} from elsewhere."


def read(file: Path) -> Page:
    page = Page()
    page.feed(file.read_text())
    return page


def is_external(address: str) -> bool:
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme not in ("", "data")


def exists(file: Path, address: str, pages: dict[Path, Page]) -> bool:
    parts = urlsplit(address)
    if parts.scheme == "data":
        return True
    target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
    if target not in pages:
        return target.is_file() and not parts.fragment
    return not parts.fragment or unquote(parts.fragment) in pages[target].anchors


def problems_of_files(root: Path) -> Iterator[str]:
    """Yield a sentence for each link of a Markdown file to a file that does not exist."""
    for file in [*sorted(root.glob("*.md")), *sorted((root / "docs").rglob("*.md"))]:
        for address in IN_MARKDOWN.findall(file.read_text()):
            path = urlsplit(address).path
            if not is_external(address) and path and not (file.parent / path).exists():
                yield f"{file.relative_to(root)} links to {address}, which does not exist."

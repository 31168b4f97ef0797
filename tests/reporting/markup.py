"""Pages as trees, for tests that ask what stands where."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree.ElementTree import Element, TreeBuilder

VOID = {"br", "hr", "img", "input", "link", "meta", "wbr"}
UNSEEN = {"script", "style"}


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.builder = TreeBuilder()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.builder.start(tag, {name: value or "" for name, value in attrs})
        self.open.append(tag)
        if tag in VOID:
            self._end(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._end(tag)

    def handle_endtag(self, tag: str) -> None:
        self._end(tag)

    def handle_data(self, data: str) -> None:
        self.builder.data(data)

    def _end(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes nothing"
        self.builder.end(tag)


def parse(html: str) -> Element:
    """The page's `html` element; every tag must be closed."""
    parser = _Parser()
    parser.feed(html)
    parser.close()
    return parser.builder.close()


def find(root: Element, tag: str, **attributes: str) -> Element:
    """The one element of this tag and these attributes; `data_x` is `data-x`."""
    wanted = {name.replace("_", "-"): value for name, value in attributes.items()}
    (found,) = (e for e in root.iter(tag) if wanted.items() <= e.attrib.items())
    return found


def ids(root: Element) -> set[str]:
    return {element.attrib["id"] for element in root.iter() if "id" in element.attrib}


def words(root: Element) -> list[str]:
    """Pieces of text between tags, in order, as written but for scripts and styles."""
    own = [] if root.tag in UNSEEN else [root.text or ""]
    return own + [part for child in root for part in (*words(child), child.tail or "")]


def text(root: Element) -> str:
    """What can be read, pieces apart; white space is one space."""
    return re.sub(r"\s+", " ", " ".join(words(root))).strip()


def rows(root: Element) -> list[list[str]]:
    """The text of each cell of each row."""
    return [[text(cell) for cell in row if cell.tag in ("td", "th")] for row in root.iter("tr")]

"""What matplotlib writes -> a small SVG that follows its page: its colour, its font, hover values, no stray ids."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from bench.report.figures.kit.style import INK
from bench.report.page.inline import SVG, markup

# Only where the file is opened by itself or as an image; inside a page `svg` is no root.
_ALONE = (
    "svg:root{color:#59636e;font-family:system-ui,'DejaVu Sans',sans-serif}"
    "@media(prefers-color-scheme:dark){svg:root{color:#9198a1}}"
)
_NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
_FONT = re.compile(r"^(?:(?:normal|italic|oblique) )?(?:(bold|\d00) )?([\d.]+)px\b")
_GEOMETRY = ("d", "x", "y", "width", "height", "transform")


def finish(text: str, name: str, title: str, tips: dict[str, str]) -> str:
    """The SVG `text` of a figure, ready to be a file or part of a page.

    Args:
        name: of the figure; begins every id, so that several figures fit into one page.
        title: what the figure shows, for those who hear it.
        tips: gid -> what a reader sees on pointing at the artist.
    """
    root = ElementTree.fromstring(text)
    referenced = set(re.findall(r"url\(#([^)]+)\)", text)) | set(re.findall(r'href="#([^"]+)"', text))
    for element in list(root.iter()):
        own = element.attrib.pop("id", None)
        if own in tips:
            hover = ElementTree.Element(f"{SVG}title")
            hover.text = tips[own]
            element.insert(0, hover)
            # Hollow marks and the ground of a panel answer too.
            element.set("pointer-events", "all")
        elif own in referenced:
            element.set("id", f"{name}-{own}")
        _tidy(element, name)
    root.attrib.pop("version", None)
    root.attrib |= {"role": "img", "aria-label": title, "stroke-linejoin": "round", "stroke-linecap": "butt"}
    _flatten(root)
    alone = ElementTree.Element(f"{SVG}style")
    alone.text = _ALONE
    root.insert(0, alone)
    return markup(root) + "\n"


def _tidy(element: ElementTree.Element, name: str) -> None:
    for part in element.attrib.pop("style", "").split(";"):
        key, _, value = part.partition(":")
        if value:
            element.attrib.update(_attributes(key.strip(), value.strip()))
    for key, value in element.attrib.items():
        if key in _GEOMETRY:
            value = " ".join(_NUMBER.sub(_rounded, value).split())
        if value.startswith("url(#"):
            value = value.replace("url(#", f"url(#{name}-")
        elif key.endswith("href") and value.startswith("#"):
            value = f"#{name}-{value[1:]}"
        element.attrib[key] = "currentColor" if value == INK else value
    if element.get("transform", "").startswith(("rotate(-0 ", "rotate(0 ")):
        del element.attrib["transform"]


def _attributes(key: str, value: str) -> dict[str, str]:
    """A declaration as attributes; of a font only size and weight, the family is the page's."""
    if key in _DROPPED:
        return {}
    if key != "font":
        return {} if (key, value) in _DEFAULTS else {key: value}
    parsed = _FONT.match(value)
    assert parsed is not None, value
    weight = {"font-weight": parsed[1]} if parsed[1] else {}
    return {"font-size": parsed[2], **weight}


_DEFAULTS = {("stroke-linejoin", "round"), ("stroke-linecap", "butt"), ("text-anchor", "start")}
_DROPPED = ("font-family", "font-stretch", "font-variant")


def _rounded(parsed: re.Match[str]) -> str:
    text = f"{float(parsed[0]):.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _flatten(element: ElementTree.Element) -> None:
    """Without metadata and style sheets, white space between elements, and groups that say nothing."""
    for child in list(element):
        _flatten(child)
        child.tail = None
        name, at = child.tag.removeprefix(SVG), list(element).index(child)
        if name in ("metadata", "style") or (name in ("g", "defs") and not len(child)):
            element.remove(child)
        elif name == "g" and not child.attrib:
            element[at : at + 1] = list(child)
    if len(element) and not (element.text or "").strip():
        element.text = None

"""What matplotlib writes -> a small SVG that follows its page: its colour, its font, hover values, no stray ids."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from bench.report.figures.kit.style import INK

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
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
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    root = ElementTree.fromstring(text)
    _prune(root)
    referenced = set(re.findall(r"url\(#([^)]+)\)", text)) | set(re.findall(r'href="#([^"]+)"', text))
    for element in list(root.iter()):
        own = element.attrib.pop("id", None)
        if own in tips:
            hover = ElementTree.Element(f"{{{_SVG}}}title")
            hover.text = tips[own]
            element.insert(0, hover)
            # Hollow marks and the ground of a panel answer too.
            element.set("pointer-events", "all")
        elif own in referenced:
            element.set("id", f"{name}-{own}")
        _tidy(element, name)
    for key in ("version",):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-label", title)
    root.set("stroke-linejoin", "round")
    root.set("stroke-linecap", "butt")
    alone = ElementTree.Element(f"{{{_SVG}}}style")
    alone.text = _ALONE
    root.insert(0, alone)
    _strip(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _prune(root: ElementTree.Element) -> None:
    """Drop the metadata, and the style sheet, which would rule the whole page."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)


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
    found = _FONT.match(value)
    assert found is not None, value
    weight = {"font-weight": found[1]} if found[1] else {}
    return {"font-size": found[2], **weight}


_DEFAULTS = {("stroke-linejoin", "round"), ("stroke-linecap", "butt"), ("text-anchor", "start")}
_DROPPED = ("font-family", "font-stretch", "font-variant")


def _rounded(found: re.Match[str]) -> str:
    text = f"{float(found[0]):.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _strip(element: ElementTree.Element) -> None:
    """Without the white space between elements, and without groups that say nothing."""
    for child in list(element):
        _strip(child)
        child.tail = None
        if child.tag == f"{{{_SVG}}}g" and not child.attrib:
            at = list(element).index(child)
            element.remove(child)
            for offset, inner in enumerate(list(child)):
                element.insert(at + offset, inner)
        elif child.tag in (f"{{{_SVG}}}g", f"{{{_SVG}}}defs") and not len(child):
            element.remove(child)
    if len(element) and not (element.text or "").strip():
        element.text = None

"""A figure's SVG, checked before it becomes part of a page: nothing in it runs, loads or rules what is around it.

`report.figures.kit.svg` writes what passes. Whatever else lies in the folder of figures is left out as a whole.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from zoo.errors import DataError

SVG = "{http://www.w3.org/2000/svg}"
XLINK = "{http://www.w3.org/1999/xlink}"
_ELEMENTS = "svg g defs use path rect circle line polyline polygon text tspan title image clipPath pattern"
_ATTRIBUTES = """
id d points x y x1 y1 x2 y2 dx dy cx cy r rx ry width height viewBox transform patternUnits role aria-label
fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-dasharray stroke-dashoffset stroke-linecap
stroke-linejoin stroke-miterlimit opacity clip-path clip-rule font-size font-weight font-style text-anchor
pointer-events
"""
ELEMENTS, ATTRIBUTES = (frozenset(words.split()) for words in (_ELEMENTS, _ATTRIBUTES))
MAX_DEPTH = 100
_IMAGE = re.compile(r"data:image/(?:png|jpeg|webp);base64,[A-Za-z0-9+/=\s]*")


def inline_svg(text: str, name: str) -> str:
    """The SVG of a figure for the body of an HTML page, without the style sheet that it has as a file.

    Args:
        name: of the figure; begins every id, so that two figures cannot clash.

    Raises:
        DataError: no SVG, or one that the figures of a report are not like.
    """
    # Entities of its own could make a small file large.
    if "<!" in text:
        raise DataError("the figure declares entities or holds comments; draw it again: python -m bench report")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise DataError(f"the figure is no XML: {error}") from error
    if root.tag != f"{SVG}svg":
        raise DataError("the figure is no SVG")
    for sheet in root.findall(f"{SVG}style"):
        root.remove(sheet)
    _check(root, f"{name}-", MAX_DEPTH)
    return markup(root)


def markup(root: ElementTree.Element) -> str:
    """An SVG as text, with the prefixes that HTML knows."""
    ElementTree.register_namespace("", SVG[1:-1])
    ElementTree.register_namespace("xlink", XLINK[1:-1])
    return ElementTree.tostring(root, encoding="unicode")


def _check(element: ElementTree.Element, prefix: str, depth: int) -> None:
    """Raises DataError where an element within, or one of its attributes, is not allowed."""
    tag = str(element.tag)
    if depth == 0:
        raise DataError(f"the figure is nested deeper than {MAX_DEPTH} elements")
    if tag.removeprefix(SVG) not in ELEMENTS or not tag.startswith(SVG):
        raise DataError(f"the figure holds the element {tag.rpartition('}')[2]:.40}, which pages do not show")
    for key, value in element.attrib.items():
        if not _is_allowed(tag, key, value, prefix):
            raise DataError(f"the figure holds {key.rpartition('}')[2]:.40} = {value:.40}, which pages do not show")
    for child in element:
        _check(child, prefix, depth - 1)


def _is_allowed(tag: str, key: str, value: str, prefix: str) -> bool:
    """Whether an attribute neither runs, nor names a file or an address, nor an id of another figure."""
    if key in (f"{XLINK}href", "href"):
        return value.startswith(f"#{prefix}") or (tag == f"{SVG}image" and _IMAGE.fullmatch(value) is not None)
    if key == "id":
        return value.startswith(prefix)
    outside = value.replace(f"url(#{prefix}", "").lower()
    return key in ATTRIBUTES and (key == "aria-label" or ("url" not in outside and "\\" not in outside))

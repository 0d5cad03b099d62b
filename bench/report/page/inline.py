"""A figure's SVG made part of a page: what draws stays; scripts, addresses, style sheets and foreign ids do not.

Works by lists of what is allowed. Style declarations become attributes, so that the page needs no inline styles.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from zoo.errors import DataError

_ELEMENTS = """
svg g defs symbol use path rect circle ellipse line polyline polygon text tspan title desc image clipPath mask pattern
marker linearGradient radialGradient stop
"""
_LOOKS = """
fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-dasharray stroke-dashoffset stroke-linecap
stroke-linejoin stroke-miterlimit opacity color display visibility clip-path clip-rule mask marker-start marker-mid
marker-end stop-color stop-opacity font-size font-style font-weight text-anchor dominant-baseline paint-order
pointer-events shape-rendering image-rendering text-rendering vector-effect
"""
_SHAPES = """
id d points x y x1 y1 x2 y2 dx dy cx cy r rx ry fx fy width height viewBox preserveAspectRatio transform offset rotate
textLength lengthAdjust pathLength gradientUnits gradientTransform spreadMethod clipPathUnits maskUnits maskContentUnits
patternUnits patternContentUnits patternTransform markerWidth markerHeight markerUnits refX refY orient data-tip
"""
ELEMENTS, LOOKS, SHAPES = (frozenset(words.split()) for words in (_ELEMENTS, _LOOKS, _SHAPES))
MAX_DEPTH = 100
_FONT = re.compile(r"(?:(normal|italic|oblique) )?(?:(normal|bold|\d00) )?([\d.]+(?:px|pt)?)\b")
_LOCAL = re.compile(r"""url\(\s*["']?#([^"')\s]+)["']?\s*\)""")
_IMAGE = re.compile(r"data:image/(?:png|jpeg|webp);base64,[A-Za-z0-9+/=\s]*")


def inline_svg(text: str, prefix: str, label: str) -> str:
    """SVG markup for the body of an HTML page.

    Args:
        text: an SVG file.
        prefix: begins every id, so that two figures cannot clash.
        label: what the figure shows, for those who hear it.

    Raises:
        DataError: no SVG, or one nested deeper than `MAX_DEPTH`.
    """
    # Entities of its own could make a small file large.
    if "<!ENTITY" in text:
        raise DataError("the figure declares entities; write it without")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise DataError(f"the figure is no XML: {error}") from error
    if _local(root.tag) != "svg":
        raise DataError(f"the figure is no SVG: its outermost element is {_local(root.tag)}")
    kept = _kept(root, prefix, depth=0)
    kept.attrib |= {"role": "img", "aria-label": label}
    return ElementTree.tostring(kept, encoding="unicode")


def _kept(element: ElementTree.Element, prefix: str, depth: int) -> ElementTree.Element:
    """A copy of an element with those children and attributes that are allowed."""
    if depth > MAX_DEPTH:
        raise DataError(f"the figure is nested deeper than {MAX_DEPTH} elements")
    name = _local(element.tag)
    copy = ElementTree.Element(name, _attributes(element, name, prefix))
    words = name in ("text", "tspan", "title", "desc")
    copy.text = element.text if words else None
    for child in element:
        # A title of the whole figure would follow the pointer everywhere.
        if _local(child.tag) in ELEMENTS and (depth > 0 or _local(child.tag) not in ("title", "desc")):
            inner = _kept(child, prefix, depth + 1)
            inner.tail = child.tail if words else None
            copy.append(inner)
    return copy


def _attributes(element: ElementTree.Element, name: str, prefix: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for key, value in element.attrib.items():
        if key == "style":
            given |= _declarations(value)
        else:
            given[_local(key)] = value
    found = {}
    for key, value in given.items():
        if key == "id":
            found[key] = prefix + value
        elif key == "href":
            if value.startswith("#"):
                found[key] = f"#{prefix}{value[1:]}"
            elif name == "image" and _IMAGE.fullmatch(value):
                found[key] = value
        elif key in SHAPES or (key in LOOKS and not _points_elsewhere(value)):
            found[key] = _LOCAL.sub(lambda m: f"url(#{prefix}{m[1]})", value)
    return found


def _declarations(style: str) -> dict[str, str]:
    """Style declarations as attributes; of a font only size, slant and weight, the family is the page's."""
    found = {}
    for part in style.split(";"):
        key, _, value = part.partition(":")
        key, value = key.strip(), value.replace("!important", "").strip()
        if key == "font":
            if font := _FONT.match(value):
                pairs = zip(("font-style", "font-weight", "font-size"), font.groups(), strict=True)
                found |= {name: given for name, given in pairs if given}
        elif key in LOOKS:
            found[key] = value
    return found


def _points_elsewhere(value: str) -> bool:
    """A value that names a file or an address: anything in parentheses but a local id, a colour or a matrix."""
    return "url" in _LOCAL.sub("", value).lower() or "\\" in value


def _local(name: object) -> str:
    """A tag or attribute without its namespace; nothing for comments and processing instructions."""
    return name.rpartition("}")[2] if isinstance(name, str) else ""

"""Every key of an experiment, read from the types of its sections: what it is, may be and does."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic.fields import FieldInfo

from bench.experiment.config import ExperimentConfig
from zoo.config import Allowed, Section

NAME = "NAME"
"""Stands in a key for the name of a model."""
_TYPES = {int: "integer", float: "number", str: "text", bool: "true or false", NoneType: "null", Any: "any"}
_BOUNDS = ((Ge, "ge", "from {}"), (Gt, "gt", "above {}"), (Le, "le", "up to {}"), (Lt, "lt", "below {}"))


@dataclass(frozen=True)
class Key:
    """What is known of one key.

    Attributes:
        key: dotted, as `--set` takes it.
        type: in words; empty for a section.
        default: as YAML; empty where the key must be given, and for a section.
        allowed: bounds and choices in words; empty where the type says all.
        description: what the key does; of a section what it is about.
        when: the choice of a neighbouring key that this one belongs to.
        section: whether it is a section, whose keys follow.
    """

    key: str
    type: str
    default: str
    allowed: str
    description: str
    when: str = ""
    section: bool = False


def keys(section: type[Section] = ExperimentConfig, path: tuple[str, ...] = (), when: str = "") -> Iterator[Key]:
    """The keys of a section and of those within it, in the order of the file; a section comes before its keys."""
    for name, field in section.model_fields.items():
        dotted, annotation = (*path, name), field.annotation
        inner = list(_sections(annotation))
        whole = len(inner) == 1 and inner[0] is annotation
        listed = get_origin(annotation) is dict
        unlike = len(inner) > 1
        if whole or unlike:
            about = field.description or " ".join(_about(kind) for kind in inner)
            yield Key(".".join(dotted), "", "", "", about, when, section=True)
        else:
            yield _key(".".join(dotted), field, when)
        for kind in inner:
            mode = _told_by(kind) if unlike else when
            for one in keys(kind, (*dotted, NAME) if listed else dotted, mode):
                yield replace(one, when="") if unlike and one.key == ".".join((*dotted, "mode")) else one


def _told_by(kind: type[Section]) -> str:
    """What tells one of several kinds of section: its mode, or else the first key that it must be given."""
    if "mode" in kind.model_fields:
        return f"mode: {get_args(kind.model_fields['mode'].annotation)[0]}"
    return next((name for name, field in kind.model_fields.items() if field.is_required()), "")


def markdown(found: Iterable[Key]) -> str:
    """A heading and a table for each section; keys of the same section stand together."""
    groups: dict[str, list[Key]] = {}
    about: dict[str, str] = {"": _about(ExperimentConfig)}
    for one in found:
        if one.section:
            about[one.key] = one.description
        else:
            groups.setdefault(one.key.rpartition(".")[0], []).append(one)
    parts = []
    for name, rows in groups.items():
        parts += [f"## {f'`{name}`' if name else 'Top level'}", "", *([about[name], ""] if name in about else [])]
        parts += ["| key | type | default | allowed | what it does |", "|---|---|---|---|---|"]
        for one in rows:
            default = f"`{one.default}`" if one.default else "must be given"
            allowed = "; ".join(filter(None, (one.allowed, one.when and f"with `{one.when}`")))
            cells = (f"`{one.key}`", one.type, default, allowed, one.description)
            parts.append(f"| {' | '.join(map(_escaped, cells))} |")
        parts.append("")
    return "\n".join(parts)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def records(found: Iterable[Key]) -> list[dict[str, Any]]:
    """The same as plain data."""
    return [asdict(one) for one in found]


def _key(dotted: str, field: FieldInfo, when: str) -> Key:
    kind, choices = _words(field.annotation, field.metadata)
    default = "" if field.is_required() else _yaml(field.get_default(call_default_factory=True))
    return Key(dotted, kind, default, choices, field.description or "", when)


def _words(annotation: Any, metadata: Iterable[Any] = ()) -> tuple[str, str]:
    """The type of a value in words, and what of that type is allowed."""
    told = [m.words for m in metadata if isinstance(m, Allowed)]
    limits = [_bound(m, *form) for form in _BOUNDS for m in metadata if isinstance(m, form[0])]
    limits += [f"at least {m.min_length}" for m in metadata if isinstance(m, MinLen)]
    origin, inner = get_origin(annotation), get_args(annotation)
    more: list[str] = []
    if origin is Annotated:
        kind, allowed = _words(inner[0], inner[1:])
        more = [allowed]
    elif origin in (Union, UnionType):
        several = [_words(one) for one in inner]
        kind, more = " or ".join(dict.fromkeys(k for k, _ in several)), [m for _, m in several]
    elif origin is Literal:
        # A text in a file like any other; the choices say which.
        kind, more = "text", [", ".join(map(str, inner))]
    elif origin in (list, tuple):
        kind = f"list of {_words(inner[0])[0]}"
    elif origin is dict or (isinstance(annotation, type) and issubclass(annotation, Section)):
        kind = "section"
    else:
        kind = _TYPES[annotation]
    # What a check of its own allows says all.
    return kind, "; ".join(told or [text for text in (*limits, *more) if text])


def _bound(limit: Any, _: type, attribute: str, form: str) -> str:
    value = getattr(limit, attribute)
    return form.format(f"{value:,}" if isinstance(value, int) or math.floor(value) != value else f"{value:g}")


def _sections(annotation: Any) -> Iterator[type[Section]]:
    """The sections that a value may be, or that the values of a mapping are."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    else:
        for inner in get_args(annotation):
            yield from _sections(inner)


def _about(section: type[Section]) -> str:
    return (section.__doc__ or "").partition("\n\n")[0].strip()


def _yaml(value: Any) -> str:
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, width=math.inf).removesuffix("\n").removesuffix("\n...")
    return text.strip()

"""YAML read strictly: safe types only, no key twice, of bounded size; errors that name the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from zoo.errors import ConfigError, did_you_mean

LARGEST = 1 << 20
"""Bytes of a file."""
MOST, DEEPEST = 20_000, 40
"""Values in a document, aliases written out, and levels of nesting."""
_TOO_LARGE = f"more than {MOST:,} values (aliases written out) or {DEEPEST} levels"


_Section = TypeVar("_Section", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """Safe loading in which a key given twice is an error, not silently the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                continue  # The base class refuses it.
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key '{key_node.value}' is given twice", key_node.start_mark
                )
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def parse_yaml(text: str) -> tuple[Any, yaml.Node | None]:
    """The value of a YAML text, and its nodes (None for an empty text).

    Raises:
        yaml.YAMLError: not valid YAML, a key given twice, or more than the bounds of this file.
        ValueError: a date that does not exist.
    """
    if len(text) > LARGEST:
        raise yaml.YAMLError(f"{len(text):,} characters are more than the {LARGEST:,} of a configuration")
    _check_size(text)
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None, None
        _measure(root, {})
        return loader.construct_document(root), root
    except RecursionError:  # What libyaml would not read this far.
        raise yaml.YAMLError(_TOO_LARGE) from None
    finally:
        loader.dispose()


def _check_size(text: str) -> None:
    """Refuse what is too large before the loader reads it, which takes 5 s for 100,000 values; libyaml counts them."""
    values = depth = 0
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            values += isinstance(event, yaml.NodeEvent)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if values > MOST or depth > DEEPEST:
                break
    except yaml.YAMLError:
        return  # The loader, which finds the same, says it with the line.
    if values > MOST or depth > DEEPEST:
        raise yaml.YAMLError(_TOO_LARGE)


def _measure(node: yaml.Node, known: dict[int, tuple[int, int] | None]) -> tuple[int, int]:
    """Values and levels below a node, an alias counted wherever it stands: a few lines can say 10^9 of them."""
    if id(node) in known:
        if (measured := known[id(node)]) is None:
            raise yaml.YAMLError("a section lies within itself")
        return measured
    known[id(node)] = None
    parts = node.value if isinstance(node, yaml.CollectionNode) else []
    below = [_measure(part, known) for pair in parts for part in (pair if isinstance(pair, tuple) else (pair,))]
    size, depth = 1 + sum(n for n, _ in below), 1 + max((d for _, d in below), default=0)
    if size > MOST or depth > DEEPEST:
        raise yaml.YAMLError(_TOO_LARGE)
    known[id(node)] = size, depth
    return size, depth


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping of a YAML file, safely loaded.

    Raises:
        ConfigError: unreadable, not valid YAML, a key given twice, or not a mapping.
    """
    return read_lines(path)[0]


def read_section(path: Path, kind: type[_Section]) -> _Section:
    """A YAML file as a section.

    Raises:
        ConfigError: unreadable, an unknown key or a bad value.
    """
    try:
        return kind.model_validate(read_yaml(path))
    except ValidationError as error:
        problem = error.errors()[0]
        raise ConfigError(f"{path}: '{'.'.join(map(str, problem['loc']))}': {problem['msg']}") from None


def read_lines(file: Path) -> tuple[dict[str, Any], dict[tuple[str, ...], int]]:
    """The mapping of a YAML file, and the 1-based line of every key by its path.

    Raises:
        ConfigError: as `read_yaml`.
    """
    if not file.is_file():
        near = [p.name for p in file.parent.glob("*.yaml")] if file.parent.is_dir() else []
        raise ConfigError(f"configuration {file} does not exist{did_you_mean(file.name, near)}")
    try:
        if file.stat().st_size > LARGEST:
            raise ConfigError(f"{file}: larger than the {LARGEST >> 20} MiB that a configuration may have")
        document, root = parse_yaml(file.read_text(encoding="utf-8"))
        lines = {} if root is None else dict(_key_lines(root, ()))
    except (yaml.YAMLError, ValueError) as error:  # ValueError: no UTF-8, or a date that does not exist
        raise ConfigError(f"{file}: not valid YAML: {' '.join(str(error).split())}") from None
    if document is None:
        return {}, {}
    if not isinstance(document, dict):
        raise ConfigError(f"{file}: must be a mapping of keys, found {type(document).__name__}")
    return document, lines


def _key_lines(node: yaml.Node, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], int]]:
    """The 1-based line of every key, by its path."""
    found: list[tuple[tuple[str, ...], int]] = []
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            found.append((here, key.start_mark.line + 1))
            found += _key_lines(value, here)
    return found

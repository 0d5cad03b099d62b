"""YAML read strictly: safe types only, no key twice, errors that name the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from zoo.errors import ConfigError, did_you_mean


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


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping of a YAML file, safely loaded.

    Raises:
        ConfigError: unreadable, not valid YAML, a key given twice, or not a mapping.
    """
    return read_lines(path)[0]


def read_lines(file: Path) -> tuple[dict[str, Any], dict[tuple[str, ...], int]]:
    if not file.is_file():
        near = [p.name for p in file.parent.glob("*.yaml")] if file.parent.is_dir() else []
        raise ConfigError(f"configuration {file} does not exist{did_you_mean(file.name, near)}")
    try:
        text = file.read_text(encoding="utf-8")
        document = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        lines = {} if root is None else dict(_key_lines(root, ()))
    except (yaml.YAMLError, ValueError) as error:  # ValueError: no UTF-8, or a date that does not exist
        raise ConfigError(f"{file}: not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ConfigError(f"{file}: a section lies within itself, or sections are nested too deeply") from None
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

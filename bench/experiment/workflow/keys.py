"""The keys of a workflow file as they are asked for: what nobody asks for is refused by path and line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError, did_you_mean


@dataclass
class Reading:
    """One file that is being translated.

    Attributes:
        file, lines: where it lies, and the line of every key by its path.
        told: what is done otherwise than the file says.
        ignored: paths of keys that decide nothing here.
    """

    file: Path
    lines: dict[tuple[str, ...], int]
    told: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def tell(self, sentence: str) -> None:
        if sentence not in self.told:
            self.told.append(sentence)

    def error(self, path: tuple[str, ...], reason: str) -> ConfigError:
        """What is wrong at a key, to be raised."""
        known = next((path[:n] for n in range(len(path), 0, -1) if path[:n] in self.lines), None)
        line = f", line {self.lines[known]}" if known else ""
        return ConfigError(f"{self.file}{line}: '{'.'.join(path)}': {reason}")


class Keys:
    """A section of a workflow file."""

    def __init__(self, value: Mapping[str, Any], path: tuple[str, ...], reading: Reading) -> None:
        self.value, self.path, self.reading = value, path, reading
        self._asked: dict[str, None] = {}

    def __contains__(self, name: str) -> bool:
        return name in self.value

    def take(self, name: str, default: Any = None) -> Any:
        """The value of a key, `default` where it is absent."""
        self._asked[name] = None
        return self.value.get(name, default)

    def number(self, name: str, default: float | None = None) -> Any:
        """A number; `1e-3`, which YAML 1.1 reads as a text, is one."""
        value = self.take(name, default)
        if isinstance(value, str):
            try:
                return float(value)
            except ValueError:
                pass
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise self.refuse(name, f"must be a number, got {value!r}")
        return value

    def section(self, name: str) -> Keys:
        """A mapping; an absent or empty one has no key."""
        value = self.take(name)
        if value is not None and not isinstance(value, Mapping):
            raise self.refuse(name, f"must be a mapping, got {value!r}")
        return Keys(value or {}, (*self.path, name), self.reading)

    def sections(self, name: str) -> list[Keys]:
        """A list of mappings; one mapping alone is a list of it, a name alone a mapping with that class."""
        value = self.take(name)
        items = value if isinstance(value, list) else [] if value is None else [value]
        found = []
        for k, item in enumerate(items):
            path = (*self.path, name, str(k))
            if not isinstance(item, (Mapping, str)):
                raise self.reading.error(path, f"must be a mapping with class and kwargs, got {item!r}")
            found.append(Keys({"class": item} if isinstance(item, str) else item, path, self.reading))
        return found

    def only(self, name: str, *accepted: Any, what: str) -> None:
        """Refuse any value but the `accepted` ones, the first of which is what an absent key means."""
        if (value := self.take(name, accepted[0])) not in accepted:
            raise self.refuse(name, f"{value!r} is not done here: {what}")

    def must(self, name: str, default: Any, wanted: Any, *, what: str) -> None:
        """Refuse all but `wanted`, also the `default` that an absent key stands for."""
        if (value := self.take(name, default)) != wanted:
            by_default = "" if name in self.value else ", the default,"
            raise self.refuse(name, f"{value!r}{by_default} is not done here: {what}")

    def ignore(self, *names: str) -> None:
        """Keys that decide nothing here, told where they are given."""
        for name in names:
            if name in self.value:
                self._asked[name] = None
                self.reading.ignored.append(".".join((*self.path, name)))

    def refuse(self, name: str, reason: str) -> ConfigError:
        return self.reading.error((*self.path, name), reason)

    @property
    def left(self) -> list[str]:
        """Keys that nobody has asked for."""
        return [str(name) for name in self.value if name not in self._asked]

    def done(self) -> None:
        """Refuse what is left.

        Raises:
            ConfigError: the first of these keys, with the nearest that is understood.
        """
        for name in self.left:
            near = did_you_mean(name, self._asked)
            raise self.refuse(name, f"is not understood{near}; understood are {', '.join(self._asked) or 'none'}")


def class_of(keys: Keys) -> tuple[str, str]:
    """Class and module of a `class` / `module_path` pair; the class may carry its module in front of it."""
    name, module = str(keys.take("class", "")), keys.take("module_path")
    front, _, last = name.rpartition(".")
    if not last:
        raise keys.refuse("class", "is missing")
    return last, str(module or front)

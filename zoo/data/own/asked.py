"""Which columns the entries of `data.features` mean.

An entry names a feature set; else a field of the panel, under any spelling that readers know; else a column, without
regard to case, blanks and punctuation where no column is spelled exactly so; else, with `*`, `?` or `[`, all columns
that it matches, case aside. qlib's `$pe` is `pe`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import NoReturn

from zoo.data.panel import EXTRA, FIELDS
from zoo.data.sources.columns import key, listed, role_of
from zoo.errors import ConfigError, DataError, did_you_mean

LABEL = "label:"
"""Before the name of the panel's field that holds a given label; no entry means it."""
_ROLES = (*FIELDS, *EXTRA)


def is_glob(entry: str) -> bool:
    return any(mark in entry for mark in "*?[")


def same_column(entry: str, name: str) -> bool:
    """Whether a column is the one that an entry without globs names, its own spelling aside."""
    plain = entry.strip().removeprefix("$")
    return plain == name.strip() or (key(plain) == key(name) != "")


def field_of(entry: str) -> str | None:
    """The field of every panel that an entry spells, such as `close`; None for other columns."""
    role = role_of(entry.removeprefix("$"), outright=False)
    return "close" if role == "adj_close" else role if role in _ROLES else None


def matches(entry: str, names: Iterable[str]) -> list[str]:
    """The names that an entry means, in their order: one that is spelled exactly so rather than like it."""
    there = [name for name in names if not name.startswith(LABEL)]
    plain = entry.strip().removeprefix("$")
    if plain in there:
        return [plain]
    if is_glob(plain):
        return [name for name in there if fnmatchcase(name.strip().casefold(), plain.casefold())]
    role = field_of(plain)
    if role in there:
        return [str(role)]
    return [name for name in there if same_column(plain, name)]


@dataclass(frozen=True)
class Asked:
    """Columns that are wanted of a source beside its prices; `name in asked` says whether one is.

    Attributes:
        entries: of `data.features`, those that name no set.
        label: the column of a given label, which is no feature.
        elsewhere: file -> the columns that feature files have.
        sets: the names of feature sets, for messages.
    """

    entries: tuple[str, ...] = ()
    label: str | None = None
    elsewhere: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sets: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.entries or self.label)

    @property
    def beyond_prices(self) -> bool:
        """Whether anything but fields of every panel is wanted."""
        return self.label is not None or any(field_of(entry) is None for entry in self.entries)

    def __contains__(self, name: object) -> bool:
        text = str(name)
        if self.is_label(text):
            return True
        return role_of(text) not in _ROLES and any(matches(entry, [text]) for entry in self.entries)

    def is_label(self, name: str) -> bool:
        return self.label is not None and same_column(self.label, name)

    def explicit(self, name: str) -> bool:
        """Whether a column is asked for by its name, not by a glob."""
        return self.is_label(name) or any(not is_glob(entry) and matches(entry, [name]) for entry in self.entries)

    def check(self, where: str, fields: Collection[str], numbers: Sequence[str], texts: Collection[str]) -> None:
        """See to it that every entry means something.

        Args:
            where: the source, as named in messages.
            fields: of the panel.
            numbers, texts: the other columns of the source.

        Raises:
            ConfigError: an entry or the label means no column, one of texts, or one that several have.
        """
        if self.label is not None and any(not is_glob(e) and same_column(e, self.label) for e in self.entries):
            raise ConfigError(f"data.features: {self.label!r} is the label (data.label.column), and no feature")
        usable = [*fields, *(name for name in numbers if not self.is_label(name))]
        for entry in self.entries:
            here = matches(entry, usable)
            there = {file: matches(entry, names) for file, names in self.elsewhere.items()}
            there = {file: names for file, names in there.items() if names}
            if is_glob(entry) and (here or there):
                continue
            places = ([where] if here else []) + list(there)
            if len(places) > 1:
                raise ConfigError(f"data.features: {entry!r} is a column of {' and of '.join(places)}; rename one")
            several = here or next(iter(there.values()), [])
            if len(several) > 1:
                raise ConfigError(
                    f"data.features: {entry!r} may be {' or '.join(map(repr, several))} of {places[0]}; "
                    f"write one as it is spelled"
                )
            if not places:
                raise self._unknown("data.features", entry, where, usable, texts)
        if self.label is not None:
            found = [name for name in numbers if self.is_label(name)]
            if not found:
                raise self._unknown("data.label.column", self.label, where, numbers, texts)

    def _unknown(
        self, place: str, entry: str, where: str, usable: Iterable[str], texts: Collection[str]
    ) -> ConfigError:
        if text := matches(entry, texts):
            return ConfigError(f"{place}: column {text[0]!r} of {where} holds no numbers; {_there(where, usable)}")
        sets = self.sets if place == "data.features" else ()
        others = [name for names in self.elsewhere.values() for name in names] if sets else []
        near = did_you_mean(entry, [*sets, *usable, *others])
        what = "matches no column" if is_glob(entry) else "is no feature set and no column" if sets else "is no column"
        files = "".join(f"; {_there(file, names)}" for file, names in self.elsewhere.items()) if sets else ""
        also = f"; feature sets are {', '.join(sets)}" if sets else ""
        return ConfigError(f"{place}: {entry!r} {what} of {where}{near}; {_there(where, usable)}{files}{also}")


def _there(where: str, names: Iterable[str]) -> str:
    texts = list(names)
    return f"columns of numbers in {where}: {listed(texts, 40) or 'none'}"


def refuse_wide(where: str) -> NoReturn:
    """Raise the error for columns that are asked of a table with a column per stock or a row per field."""
    raise DataError(
        f"{where}: has no row per stock and day with a column per field, so that it can give no columns beside its "
        f"prices; give them in such a table (data.feature_files), or name a feature set in data.features"
    )

"""The JSON files of a results folder: every one is written and read here.

A file carries its format and a checksum, the sha256 of the canonical JSON of its kind's name and all the rest, so that
one kind is not taken for another. One without a checksum is older than checksums, and is taken for whole where it has
the parts of its kind.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from zoo.errors import ConfigError

CHECKSUM = "checksum"
_NUMBER = (int, float)
_TRIAL = {"model": str, "fold": int, "seed": int}


@dataclass(frozen=True)
class Kind:
    """A kind of stored file.

    Attributes:
        remedy: what to do about a damaged one.
        parts: what one without a checksum must have: dotted key -> type; `*` stands for every entry.
        format: what its `version` key must say.
        version: the key of the format.
        lists_in_line: a list of numbers takes one line.
    """

    remedy: str
    parts: dict[str, Any]
    format: int = 1
    version: str = "format"
    lists_in_line: bool = False


_TIMING = Kind(
    "what it holds of other models cannot be measured by this command: put a copy of it back, or remove it and run: "
    "python -m bench time",
    {"machine": str, "device": str, "device_name": str, "entries": dict, "entries.*": dict},
    lists_in_line=True,
)
_FAILURE = Kind("the run's command tries the trial again", {"key": str, "error": str, "details": str} | _TRIAL)
_EVIDENCE = Kind(
    "the run's command measures it again",
    {"settings": dict, "daily": str, "trials": dict, "trials.*.settings": dict, "trials.*.error": (str, type(None))}
    | {f"trials.*.{name}": kind for name, kind in _TRIAL.items()},
)
KINDS = {
    "timing": _TIMING,
    "failed": _FAILURE,
    "run.json": Kind(
        "remove it and give the run's command again: it keeps the trials that are whole",
        {"name": str, "config": dict, "config.data": dict, "config.seeds": list, "config.train": dict}
        | {"data.name": str, "data.source": str, "data.fingerprint": str, "models": list, "models.*": str}
        | {"baseline": (str, type(None))}
        | {"trials": list, "trials.*.key": str, "folds": list, "folds.*.test": list, "versions": dict}
        | {f"trials.*.{name}": kind for name, kind in _TRIAL.items()},
    ),
    "record.json": Kind(
        "the run's command trains the trial again",
        # The key is that of its folder, and the files' checksums hold: no foreign file has both.
        {"key": str, "files": dict, "files.*": str, "title": str, "scope": str, "n_parameters": int, "metrics": dict}
        | {"formulas": dict, "params": dict, "train": dict, "segments": dict, "versions": dict, "device": str}
        | {"fit": dict, "fit.seconds": _NUMBER, "fit.facts": dict, "fit.history": list, "fit.history.*": dict}
        | _TRIAL,
    ),
    "latency.json": Kind("the run's command measures it again", {"machines": dict, "machines.*.*.seconds": list}),
    "portfolio.json": _EVIDENCE,
    "diagnostics.json": _EVIDENCE,
    "attribution.json": Kind(
        "measure it again with: python -m bench attribute",
        {"market": str, "trials": dict, "trials.*.methods": dict, "trials.*.settings": dict},
    ),
    "importance.json": Kind(
        "measure it again with: python -m bench attribute",
        {"data": str, "trials": dict, "trials.*.by_field": dict, "trials.*.by_lag": dict, "trials.*.control": dict}
        | {"trials.*.fields": list, "trials.*.lags": list, "trials.*.settings": dict},
        lists_in_line=True,
    ),
    "calibration.json": Kind(
        "measure it again with: python -m bench calibrate",
        {"settings": dict, "level": _NUMBER, "markets": dict, "markets.*": dict},
    ),
    "final_report.json": Kind(
        "python -m bench report writes it again",
        {"run": dict, "sentences": list, "sentences.*.section": str, "sentences.*.text": str}
        | {"sentences.*.cells": dict, "sentences.*.cells.*": dict},
        version="schema_version",
    ),
}
"""By file name, or by the folder whose files are named for what they are about."""


def kind_of(path: Path) -> str:
    """What kind of file a path is: a key of `KINDS`."""
    if path.parent.name == "failed":
        return "failed"
    return "timing" if path.parent.parent.name == "timing" else path.name


@dataclass(frozen=True)
class Stored:
    """What was read.

    Attributes:
        content: without the checksum; None where it is missing or damaged.
        why: what is wrong with a damaged file.
    """

    path: Path
    state: Literal["missing", "damaged", "older", "whole"]
    content: dict[str, Any] | None = None
    why: str = ""

    @property
    def damage(self) -> str:
        """What is wrong, and what to do about it; empty for a file that is not damaged."""
        return (
            f"{self.path} is damaged ({self.why}); {KINDS[kind_of(self.path)].remedy}"
            if self.state == "damaged"
            else ""
        )

    def unless_damaged(self) -> dict[str, Any] | None:
        """The content, None where the file is missing; for what cannot be made again.

        Raises:
            ConfigError: it is damaged.
        """
        if self.damage:
            raise ConfigError(self.damage)
        return self.content


def read_json(path: Path) -> Stored:
    """Read a stored file and tell whether it is what was written."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Stored(path, "missing")
    except OSError as error:
        return Stored(path, "damaged", why=error.strerror or str(error))
    except (ValueError, RecursionError):
        return Stored(path, "damaged", why="it is not JSON")
    kind = KINDS[kind_of(path)]
    if not isinstance(found, dict):
        return Stored(path, "damaged", why="it is not a JSON object")
    checksum = found.pop(CHECKSUM, None)
    if checksum is not None and checksum != checksum_of(found, kind_of(path)):
        return Stored(path, "damaged", why="its checksum does not hold: it is not as it was written")
    if checksum is None and found and path.name == "latency.json" and "machines" not in found:
        # As it was before it had a format.
        found = {"machines": found}
    if found.get(kind.version, kind.format) != kind.format:
        return Stored(path, "damaged", why=f"it is of format {found[kind.version]!r}, not {kind.format}"[:200])
    if kind is _TIMING and checksum is not None and (why := _other_timing(found, path)):
        return Stored(path, "damaged", why=why)
    if checksum is not None:
        return Stored(path, "whole", found)
    wrong = next((part for part, type_ in kind.parts.items() if not _has(found, part.split("."), type_)), None)
    if wrong is not None:
        return Stored(path, "damaged", why=f"it has no usable '{wrong}': another kind of file")
    return Stored(path, "older", found)


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Replace a stored file atomically, its format and its checksum with it; what is not finite becomes null."""
    kind = KINDS[kind_of(path)]
    document = sealed({kind.version: kind.format, **document}, kind_of(path))
    text = json.dumps(document, indent=1, allow_nan=False)
    if kind.lists_in_line:
        text = re.sub(r"\[[^\[\]{}\"]*\]", lambda numbers: " ".join(numbers.group().split()), text)
    write_atomic(path, text + "\n")


def sealed(document: dict[str, Any], kind: str) -> dict[str, Any]:
    """A document of a kind as strict JSON, with the checksum of the rest as its last part."""
    plain = {key: value for key, value in strict(document).items() if key != CHECKSUM}
    return plain | {CHECKSUM: checksum_of(plain, kind)}


def checksum_of(document: dict[str, Any], kind: str) -> str:
    """sha256 of canonical JSON, hex: of what a reader of the written file gets."""
    # Read back first: keys that are numbers become text, and are sorted as such.
    canonical = json.dumps([kind, json.loads(json.dumps(document))], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def strict(value: Any) -> Any:
    """`value` as strict JSON has it: numbers that are not finite become None, tuples lists."""
    if isinstance(value, dict):
        return {key: strict(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_atomic(path: Path, text: str) -> None:
    """Replace a text file so that a reader sees the old or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _other_timing(found: dict[str, Any], path: Path) -> str:
    """What else than `<machine>/<device>[-scaling].json` a file of timings holds, which its checksum cannot tell."""
    shapes = {"axes" in entry for entry in found.get("entries", {}).values()}
    if shapes and shapes != {path.stem.endswith("-scaling")}:
        return "timings and scaling were mistaken for each other"
    place = (path.parent.name, path.stem.removesuffix("-scaling"))
    for told, here in zip((found.get("machine"), found.get("device")), place, strict=True):
        if told != here:
            return f"it holds what was measured on {told}, not on {here}"
    return ""


def _has(found: Any, where: list[str], type_: Any) -> bool:
    if not where:
        return isinstance(found, type_)
    first, *rest = where
    if first == "*":
        entries = list(found.values()) if isinstance(found, dict) else found
        return isinstance(entries, list) and all(_has(entry, rest, type_) for entry in entries)
    return isinstance(found, dict) and first in found and _has(found[first], rest, type_)

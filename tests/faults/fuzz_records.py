"""Targets of `tests.faults.fuzz`: every stored kind of file of a results folder, damaged, foreign or edited.

A file whose checksum no longer holds must be named. One without a checksum is older than checksums: whatever its parts
are, reading the run gives facts or one error.
"""

from __future__ import annotations

import atexit
import json
import os
import random
import shutil
import tempfile
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from bench.records.documents import CHECKSUM, read_json, write_json
from bench.records.store import ORACLE, RunStore, digest
from tests.faults.fuzz_inputs import ROOT, Read, target

RUN = "quick"
MODELS = ("gru", "linear")
DAYS = 20
ODD = (None, True, -1, 0, 3.7, 1e308, 10**19, "", "x", "nan", "../../x", [], [None], [[1]], {}, {"a": {}}, {"*": 1})


@cache
def template() -> Path:
    """A results folder of two short trials with a file of every kind, cut from the committed ones. Read only."""
    place = Path(tempfile.mkdtemp(prefix="fuzz_template_"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    whole, small = RunStore(ROOT / "results", RUN), RunStore(place, RUN)
    run = whole.run()
    trials = {
        t["model"]: t for t in run["trials"] if t["model"] in (*MODELS, "tcn") and (t["fold"], t["seed"]) == (0, 0)
    }
    keys = {trials[model]["key"] for model in MODELS}
    small.folder.mkdir(parents=True)
    pd.read_parquet(whole.folder / ORACLE).head(DAYS).to_parquet(small.folder / ORACLE, index=False)
    oracle = digest(small.folder / ORACLE)
    small.write_run({**run, "trials": list(trials.values()), "models": sorted(trials), "oracle": oracle})
    for key in keys:
        _short_trial(whole.trial_folder(key), small.trial_folder(key))
    for name in ("portfolio", "diagnostics"):
        shutil.copy(whole.folder / f"{name}.parquet", small.folder)
    small.write_failure(trials["tcn"]["key"], {**trials["tcn"], "error": "out of memory", "details": "Traceback"})
    for name in ("portfolio.json", "diagnostics.json", "latency.json", "final_report.json"):
        document = _content(whole.folder / name)
        if "trials" in document:
            document["trials"] = {key: entry for key, entry in document["trials"].items() if key in keys}
        write_json(small.folder / name, document)
    explained = _content(ROOT / "results/runs/planted-mixed/attribution.json")
    by_model = {entry["model"]: entry for entry in explained["trials"].values()}
    explained["trials"] = {trials[m]["key"]: by_model[m] | {"key": trials[m]["key"]} for m in MODELS}
    write_json(small.folder / "attribution.json", explained)
    write_json(small.folder / "importance.json", {"data": run["data"]["name"], "trials": {}})
    write_json(place / "calibration.json", _content(ROOT / "results/calibration.json"))
    for path in sorted((ROOT / "results/timing").glob("*/*.json")):
        timed = _content(path)
        timed["entries"] = {model: entry for model, entry in timed["entries"].items() if model in MODELS}
        write_json(place / path.relative_to(ROOT / "results"), timed)
    return place


def _content(path: Path) -> dict[str, Any]:
    content = read_json(path).content
    if content is None:
        raise FileNotFoundError(path)
    return content


def _short_trial(whole: Path, short: Path) -> None:
    """A trial with few days, over which a bootstrap is quick."""
    shutil.copytree(whole, short)
    pd.read_parquet(whole / "daily.parquet").head(DAYS).to_parquet(short / "daily.parquet", index=False)
    record = _content(whole / "record.json")
    stored = {name: digest(short / name) for name in record["files"] if (short / name).is_file()}
    write_json(short / "record.json", record | {"files": record["files"] | stored})


def linked(folder: Path, odd: Path) -> Path:
    """A results folder of links to the template's files, save that of one."""
    for path in template().rglob("*"):
        here = folder / "results" / path.relative_to(template())
        if path.is_dir():
            here.mkdir(parents=True, exist_ok=True)
        elif path != odd:
            here.parent.mkdir(parents=True, exist_ok=True)
            here.symlink_to(path)
    return folder / "results" / odd.relative_to(template())


def gathered(results: Path) -> None:
    """What every report does first; reading it lists what is damaged."""
    from bench.advice.facts import gather

    store = RunStore.open(results, RUN)
    for key in sorted(store.keys()):
        store.trial_damage(key)
    store.damages()
    assert gather(results, RUN).cells


@target
def records(folder: Path, rng: random.Random) -> Read:
    """A document or frame with wrong bytes, or another's: it must be named, unless it says what it said."""
    files = sorted(path for path in template().rglob("*") if path.suffix in (".json", ".parquet"))
    odd = rng.choice(files)
    here = linked(folder, odd)
    other = rng.choice([path for path in files if path.suffix == odd.suffix])
    shutil.copyfile(odd if rng.random() < 0.8 else other, here)

    def read() -> None:
        told = RunStore(folder / "results", RUN).damages()
        if here.read_bytes() != odd.read_bytes() and not any(str(folder) in why for why in told):
            # A checkpoint is the file of a record.
            stored = read_json(here) if odd.suffix == ".json" and odd.name != "checkpoint.json" else None
            if stored is None or (stored.state == "whole" and stored.content != read_json(odd).content):
                raise AssertionError(f"{odd.name} is not as it was written, and nothing says so")
        if not told or rng.random() < 0.3:
            gathered(folder / "results")

    return read


@target
def documents(folder: Path, rng: random.Random) -> Read:
    """A document without a checksum, with one to three of its parts of another type, doubled or gone."""
    odd = rng.choice(sorted(p for p in template().rglob("*.json") if p.name != "checkpoint.json"))
    document = _content(odd)
    document.pop(CHECKSUM, None)
    for _ in range(rng.randint(1, 3)):
        _edit(document, rng)
    # Behind a link, its bytes stay as they are.
    (folder / "_edited.json").write_text(json.dumps(document))
    os.symlink(folder / "_edited.json", linked(folder, odd))
    return lambda: gathered(folder / "results")


def _edit(document: Any, rng: random.Random) -> None:
    """Change one part, at a depth that is drawn at random: what is deep is not drawn more often for being much."""
    while True:
        places = list(document) if isinstance(document, dict) else list(range(len(document)))
        if not places:
            return
        at = rng.choice(places)
        inner = document[at]
        if isinstance(inner, (dict, list)) and inner and rng.random() < 0.7:
            document = inner
            continue
        if rng.random() < 0.3:
            del document[at]
        else:
            document[at] = deepcopy(rng.choice(ODD))
        return

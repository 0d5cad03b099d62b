"""The inputs of `tests.faults.fuzz`: a target is a decorated function that writes one and tells how it is read."""

from __future__ import annotations

import gzip
import io
import os
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from zoo.data.sources import load_panel

ROOT = Path(__file__).parents[2]
TOKENS = (b"\0", b"\n", b"\r", b'"', b",", b";", b"\t", b"NaN", b"1e999", b"-", b"\xff\xfe", b"2019-13-45")

Read = Callable[[], object]
Seed = Callable[[Path, random.Random], Read]
TARGETS: dict[str, Seed] = {}


def target(seed: Seed) -> Seed:
    """Register a function that writes one input below a folder and returns what reads it."""
    TARGETS[seed.__name__] = seed
    return seed


def rows(rng: random.Random) -> pd.DataFrame:
    """Long rows of four stocks, in half of all cases with one column of a type that no one expects there."""
    days = pd.bdate_range("2019-01-01", periods=30)
    frame = pd.DataFrame(
        [(day, f"S{k}", 10.0 + k + d / 7, 1000.0 + d) for k in range(4) for d, day in enumerate(days)],
        columns=["date", "symbol", "close", "volume"],
    ).assign(sector="energy")
    odd: dict[str, Callable[[], object]] = {
        "bool": lambda: True,
        "bytes": lambda: b"\xff\x00",
        "huge": lambda: 10**19,
        "infinite": lambda: float("inf"),
        "list": lambda: [1.0],
        "nothing": lambda: None,
        "text": lambda: "1,234.5 €",
        "timedelta": lambda: pd.Timedelta(days=1),
        "moment": lambda: pd.Timestamp("2019-01-02 16:00", tz="UTC"),
    }
    if rng.random() < 0.5:
        value = odd[rng.choice(sorted(odd))]()
        frame[rng.choice(list(frame.columns))] = pd.Series([value] * len(frame), dtype=object).infer_objects()
    return frame


def as_csv(rng: random.Random) -> bytes:
    text = rows(rng).to_csv(index=False, sep=rng.choice(",;\t|"))
    return text.encode(rng.choice(["utf-8", "utf-8-sig", "utf-16", "gb18030"]))


@target
def csv(folder: Path, rng: random.Random) -> Read:
    (folder / "x.csv").write_bytes(as_csv(rng))
    return lambda: load_panel(folder / "x.csv")


@target
def folder_of_csv(folder: Path, rng: random.Random) -> Read:
    for name, part in rows(random.Random(0)).groupby("symbol"):
        part.drop(columns="symbol").to_csv(folder / f"{name}.csv", index=False)
    return lambda: load_panel(folder, skip_bad_files=rng.random() < 0.5)


@target
def packed(folder: Path, rng: random.Random) -> Read:
    (folder / "x.csv.gz").write_bytes(gzip.compress(as_csv(rng)))
    return lambda: load_panel(folder / "x.csv.gz")


def zipped(rng: random.Random) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
        for name in rng.choice([["x.csv"], ["../x.csv"], ["/tmp/x.csv"], ["a/x.csv", "y.txt", "../z.csv"]]):
            archive.writestr(name, as_csv(rng))
    return buffer.getvalue()


@target
def zip_file(folder: Path, rng: random.Random) -> Read:
    (folder / "x.zip").write_bytes(zipped(rng))
    return lambda: load_panel(folder / "x.zip")


@target
def xlsx(folder: Path, rng: random.Random) -> Read:
    (folder / "x.xlsx").write_bytes(zipped(rng))
    return lambda: load_panel(rng.choice([folder, folder / "x.xlsx"]))


@target
def parquet(folder: Path, rng: random.Random) -> Read:
    try:
        rows(rng).to_parquet(folder / "x.parquet", index=False)
    except Exception:  # noqa: BLE001 - a column that the format cannot hold
        rows(random.Random(1)).to_parquet(folder / "x.parquet", index=False)
    return lambda: load_panel(folder / "x.parquet")


@target
def qlib(folder: Path, rng: random.Random) -> Read:
    days = [str(day.date()) for day in pd.bdate_range("2019-01-01", periods=20)]
    for part in ("calendars", "instruments", "features/s0", "features/s1"):
        (folder / part).mkdir(parents=True)
    (folder / "calendars" / "day.txt").write_text("\n".join(days))
    (folder / "instruments" / "all.txt").write_text("".join(f"S{k}\t{days[0]}\t{days[-1]}\n" for k in range(2)))
    for k in range(2):
        for name in ("close", "volume", "factor", "change"):
            np.append(0, np.linspace(10, 20, 20)).astype("<f4").tofile(folder / f"features/s{k}/{name}.day.bin")
    return lambda: load_panel(folder)


@target
def frame(folder: Path, rng: random.Random) -> Read:
    (folder / "unused").touch()
    table = rows(rng)
    return lambda: load_panel(table)


@target
def concepts(folder: Path, rng: random.Random) -> Read:
    rows(random.Random(0)).to_csv(folder / "_x.csv", index=False)
    (folder / "groups.csv").write_text("symbol,concept,start,end\nS0,oil,2019-01-01,\nS1,gas,,2019-01-20\n")
    return lambda: load_panel(folder / "_x.csv", concepts=folder / "groups.csv")


@target
def caches(folder: Path, rng: random.Random) -> Read:
    """A damaged cache must give the panel of its source, or be written anew."""
    from zoo.data import cache
    from zoo.data.writers.compare import difference

    source = folder / "_x.csv"
    rows(random.Random(0)).to_csv(source, index=False)
    os.utime(source, (1e9, 1e9))
    os.environ[cache.VARIABLE] = str(folder / "cache")
    cache.SMALLEST = 0
    plain = load_panel(source)

    def read() -> None:
        try:
            wrong = difference(load_panel(source, cache=False), load_panel(source))
        finally:
            os.environ[cache.VARIABLE] = cache.OFF
        if wrong or plain.n_days != 30:
            raise AssertionError(f"the cache gives other data: {wrong}")

    return read


@target
def configs(folder: Path, rng: random.Random) -> Read:
    from bench.experiment.config import load_config

    shutil.copy(rng.choice(sorted((ROOT / "configs").glob("*.yaml"))), folder / "x.yaml")
    return lambda: load_config(folder / "x.yaml")


def damage(data: bytes, rng: random.Random) -> bytes:
    """The bytes with one to four of them flipped, cut off, taken out, doubled or written over."""
    for _ in range(rng.randint(1, 4)):
        at, stop = sorted(rng.randint(0, len(data)) for _ in range(2))
        stop = min(stop, at + rng.choice([1, 8, 200]))
        way = rng.randrange(6)
        if way == 0 and data:
            at = min(at, len(data) - 1)
            data = data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        elif way == 1:
            data = data[:at]
        elif way == 2:
            data = data[:at] + data[stop:]
        elif way == 3:
            data = data[:stop] + data[at:]
        elif way == 4:
            data = data[:at] + rng.choice(TOKENS) + data[stop:]
        else:
            data = data[:at] + rng.randbytes(stop - at) + data[stop:]
    return data


def damage_one(folder: Path, rng: random.Random) -> None:
    """One file below a folder, chosen at random, is damaged; links and those that begin with `_` stay as they are."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    files = sorted(path for path in files if not path.name.startswith("_"))
    if files:
        file = rng.choice(files)
        file.write_bytes(damage(file.read_bytes(), rng))

"""Sentences generated from measured cells; each carries the ids of the cells it rests on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from bench.leaderboard import Leaderboard
from bench.report.tables import frame_rows, number


@dataclass(frozen=True)
class Sentence:
    """Text and the ids `model.column` (or `a-b.column` for pairs) of the cells behind it."""

    text: str
    cells: tuple[str, ...]


def verdict(board: Leaderboard) -> list[Sentence]:
    """Two sentences: who leads and how surely, and what that is worth against the runner-up and the baseline."""
    ranked = [row for row in frame_rows(board.frame) if row["ranked"]]
    if not ranked:
        return [Sentence("No model finished every fold, so there is nothing to rank.", ())]
    return [_leader(ranked[0]), _margin(board, ranked)]


def _leader(best: dict[Any, Any]) -> Sentence:
    name = best["model"]
    spread = f", seed sd {number(best['rank_ic_seed_sd'], 4)}" if math.isfinite(best["rank_ic_seed_sd"]) else ""
    text = (
        f"{best['title']} has the highest mean Rank IC on the {best['n_days']} test days: "
        f"{number(best['rank_ic'], 4)} ± {number(best['rank_ic_half'], 4)} (95 % over days{spread})"
    )
    if best["rank_ic"] - best["rank_ic_half"] <= 0:
        text += ", which cannot be told from 0"
    cells = (f"{name}.rank_ic", f"{name}.rank_ic_half", f"{name}.rank_ic_seed_sd", f"{name}.n_days")
    return Sentence(text + ".", cells)


def _margin(board: Leaderboard, ranked: list[dict[Any, Any]]) -> Sentence:
    best = ranked[0]["model"]
    others = [row["model"] for row in ranked[1:]]
    if not others:
        return Sentence("It is the only model that finished, so there is nothing to compare it with.", ())
    baseline = board.baseline
    shown = [others[0]] + ([baseline] if baseline in others[1:] else [])
    parts, cells = [], []
    for other in shown:
        pair = board.pairs[(board.pairs["a"] == best) & (board.pairs["b"] == other)].iloc[0]
        role = "the baseline" if other == baseline else "the runner-up"
        interval = f"[{number(pair['low'], 4, True)}, {number(pair['high'], 4, True)}]"
        if pair["low"] > 0:
            parts.append(f"it beats {role} {other} by {number(pair['difference'], 4)} {interval}")
        else:
            parts.append(
                f"there is no evidence of a difference to {role} {other} ({number(pair['difference'], 4, True)} "
                f"{interval}; this test would find {number(pair['detectable'], 4)} four times in five)"
            )
        cells += [f"{best}-{other}.{column}" for column in ("difference", "low", "high", "detectable")]
    text = ", and ".join(parts)
    return Sentence(text[0].upper() + text[1:] + ".", tuple(cells))


def setup_line(board: Leaderboard) -> str:
    """Data, days, stocks per day, split, seeds, device, versions, config hash: one line."""
    run, data = board.run, board.run["data"]
    low, median, high = data["stocks_per_day"]
    stocks = f"{median} stocks a day" + ("" if low == high else f" ({low} .. {high})")
    first = run["folds"][0]
    split = ", ".join(f"{name} {first[name][0]} .. {first[name][1]}" for name in ("train", "valid", "test"))
    folds = f"{len(run['folds'])} folds, first " if len(run["folds"]) > 1 else ""
    devices = sorted({r["device"] for r in board.records.values()})
    versions = ", ".join(f"{k} {v}" for k, v in run["versions"].items())
    config = run["config"]["data"]
    return (
        f"{data['name']}: {data['n_days']} days {data['days'][0]} .. {data['days'][1]}, {stocks}; "
        f"features {config['features']}, lookback {config['lookback']}; {folds}{split}, "
        f"embargo {first['embargo']} days; label {data['label']}; "
        f"{len(run['config']['seeds'])} seeds; {'/'.join(devices) or run['device']}; "
        f"{versions}; protocol {run['protocol']}; config {run['config_hash']}"
    )

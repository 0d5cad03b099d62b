"""The first lines of a report: who leads, how surely, on which data."""

from __future__ import annotations

from bench.advice.facts import Facts
from bench.stats.pairs import LEVEL
from bench.text.language import listed, translate
from bench.text.sentences import Sentence, say
from bench.text.tables import frame_rows
from zoo.config import feature_text


def verdict(facts: Facts) -> list[Sentence]:
    """Who leads and how surely, and what that is worth against the runner-up and the baseline."""
    rows = frame_rows(facts.board.frame)
    ranked = [row["model"] for row in rows if row["ranked"]]
    if not ranked:
        if any(row["n_trials"] for row in rows):
            return [say("No model has a Rank IC on every fold, so there is nothing to rank.")]
        return [say("No model finished, so there is nothing to rank.")]
    return [_leader(facts, ranked[0]), *_margins(facts, ranked)]


def _leader(facts: Facts, best: str) -> Sentence:
    rank_ic, sd = facts.cell(f"main.{best}.rank_ic"), facts.cell(f"main.{best}.rank_ic_seed_sd")
    doubt = rank_ic.low <= 0
    values = {"title": facts.title(best), "days": facts.cell(f"main.{best}.n_days"), "rank_ic": rank_ic}
    if not sd.measured:
        template = (
            "{title} has the highest mean Rank IC on the {days:,} test days: {rank_ic:.4f±} (95 % over days), which "
            "cannot be told from 0."
            if doubt
            else "{title} has the highest mean Rank IC on the {days:,} test days: {rank_ic:.4f±} (95 % over days)."
        )
        return say(template, **values)
    template = (
        "{title} has the highest mean Rank IC on the {days:,} test days: {rank_ic:.4f±} (95 % over days, seed sd "
        "{sd:.4f}), which cannot be told from 0."
        if doubt
        else "{title} has the highest mean Rank IC on the {days:,} test days: {rank_ic:.4f±} (95 % over days, seed sd "
        "{sd:.4f})."
    )
    return say(template, **values, sd=sd)


def _margins(facts: Facts, ranked: list[str]) -> list[Sentence]:
    best, others = ranked[0], ranked[1:]
    if not others:
        return [say("It is the only model that finished, so there is nothing to compare it with.")]
    baseline = facts.board.baseline
    shown = [others[0]] + ([baseline] if baseline in others[1:] else [])
    return [_margin(facts, best, other, other == baseline) for other in shown]


def _margin(facts: Facts, best: str, other: str, is_baseline: bool) -> Sentence:
    pair = f"pairs.{best}-{other}"
    difference, detectable = facts.cell(f"{pair}.difference"), facts.cell(f"{pair}.detectable")
    holm = facts.cell(f"{pair}.p_holm")
    role = translate("the baseline" if is_baseline else "the runner-up")
    if difference.low > 0 and holm.value <= LEVEL:
        return say("It beats {role} {other} by {difference:.4f~}.", holm, role=role, other=other, difference=difference)
    if difference.low > 0:
        # The best of many was picked after the fact, so the single interval promises too much.
        return say(
            "It leads {role} {other} by {difference:.4f~}, which is no evidence of a difference among {pairs} pairs "
            "(p = {holm:.2f} after Holm's correction).",
            role=role,
            other=other,
            difference=difference,
            pairs=len(facts.board.pairs),
            holm=holm,
        )
    return say(
        "There is no evidence of a difference to {role} {other} ({difference:+.4f~}; this test would find "
        "{detectable:.4f} four times in five).",
        role=role,
        other=other,
        difference=difference,
        detectable=detectable,
    )


def setup_line(facts: Facts) -> str:
    """Data, days, stocks per day, split, seeds, device, versions, config hash: one line."""
    run, data = facts.run, facts.run["data"]
    low, median, high = data["stocks_per_day"]
    config, first = run["config"]["data"], run["folds"][0]
    spans = {name: f"{first[name][0]} .. {first[name][1]}" for name in ("train", "valid", "test")}
    parts = [
        translate("{name}: {n} days {span}", name=data["name"], n=data["n_days"], span=" .. ".join(data["days"])),
        translate("{n} stocks a day", n=f"{median}" if low == high else f"{median} ({low} .. {high})"),
        translate(
            "features {features}, lookback {lookback}",
            features=feature_text(config["features"]),
            lookback=config["lookback"],
        ),
    ]
    several = len(run["folds"]) > 1
    parts += [
        translate("{n} folds, the first: train {train}, valid {valid}, test {test}", n=len(run["folds"]), **spans)
        if several
        else translate("train {train}, valid {valid}, test {test}", **spans),
        translate("embargo {n} days", n=first["embargo"]),
        translate("label {label}", label=data["label"]),
        translate("{n} seeds", n=len(run["config"]["seeds"])),
        _devices(facts),
        listed(f"{k} {v}" for k, v in run["versions"].items()),
        translate("protocol {protocol}, config {hash}", protocol=run["protocol"], hash=run["config_hash"]),
    ]
    return listed(parts, "; ")


def _devices(facts: Facts) -> str:
    """`cpu/cuda (names)`: where trials ran, and what was timed there."""
    kinds = "/".join(sorted({r["device"] for r in facts.board.records.values()})) or facts.run["device"]
    names = sorted({name for name in facts.board.frame["latency_device"] if name})
    return f"{kinds} ({listed(names)})" if names else kinds

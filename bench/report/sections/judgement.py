"""The sections that rest on evidence beyond one run: guide, capability, capture, claims."""

from __future__ import annotations

from collections import Counter

from bench.advice.capability import Capability, assess, load_capability
from bench.advice.claims import Judged, is_given, judged_claims
from bench.advice.facts import Facts
from bench.advice.guide import Advice, advise
from bench.scores.capture import NULL, CaptureMatrix
from bench.text.cells import DASH, Cell
from bench.text.document import Figure, Items, Prose, Section, prose, section
from bench.text.language import listed, phrase, retold, translate
from bench.text.sentences import say
from bench.text.tables import Column, ModelName, Table, frame_rows, table_of, word_table

ABILITIES = {
    "prediction": ("plain prediction", "{:.0%}"),
    "long_memory": ("long memory", "{:.0%}"),
    "relations": ("relations", "{:.0%}"),
    "speed": ("speed", "{:.3g} ms"),
    "interpretability": ("interpretability", "{:.2f}"),
    "training": ("training time", "{:.3g} s"),
}
"""By ability what it is called, and the format of its cell."""


def judgement(facts: Facts) -> list[Section | None]:
    """Selection guide and capability table."""
    advice = advise(facts)
    assessed = assess(facts)
    return [
        section(
            "guide",
            translate("Selection guide"),
            _basis(facts),
            *map(_scenario, advice),
            _recommend(),
        ),
        section(
            "capability",
            translate("What each model can do"),
            _formula(),
            _capability_table(facts, assessed, advice),
            _missing(assessed),
        ),
    ]


def _scenario(advice: Advice) -> Prose:
    return Prose(advice.sentences, label=translate("{title}.", title=advice.title))


def _basis(facts: Facts) -> Prose | None:
    """What the guide rests on, and what the run at hand adds."""
    if facts.matrix is None or facts.matrix.frame.empty:
        return None
    board = facts.board.frame[facts.board.frame["ranked"]]
    market = next(iter(facts.matrix.boards.values()))
    sentences = [
        say(
            "The guide rests on planted markets, where the truth is known: {n} models, {seeds} seeds, {days:,} test "
            "days each.",
            n=len(facts.matrix.frame),
            seeds=len(market.run["config"]["seeds"]),
            days=Cell("capture.matrix.n_days", float(market.frame["n_days"].to_numpy().max())),
        )
    ]
    if facts.board.oracle is None and len(board):
        best = board.iloc[0]["model"]
        cells = [facts.cell(f"main.{m}.rank_ic") for m in board["model"]]
        above = sum(c.low > 0 for c in cells)
        sentences.append(
            say(
                "On the data of this report itself the Rank IC of {above} of {n} models can be told from 0; the "
                "highest is {best} with {rank_ic:.4f±}.",
                *cells,
                above=above,
                n=len(cells),
                best=best,
                rank_ic=facts.cell(f"main.{best}.rank_ic"),
            )
        )
    return prose(*sentences)


def _recommend() -> Prose | None:
    command = "python -m bench recommend --max-latency-ms 5 --stocks 300 --lookback 60 --device cpu --need explain"
    sentence = say("Which one for your constraints: {command}", command=command)
    return prose(sentence, label=translate("Other constraints."))


def _formula() -> Prose | None:
    abilities = load_capability().abilities
    total = sum(a.weight for a in abilities.values())
    parts = [
        translate(
            "{weight:.0f} % {ability} ({cell}, 0 at {zero:g} and 1 at {one:g}{scale})",
            weight=100 * a.weight / total,
            ability=_ability(name),
            cell=a.cell.replace("{model}", "*"),
            zero=a.zero,
            one=a.one,
            scale=translate(", logarithmic") if a.scale == "log" else "",
        )
        for name, a in abilities.items()
    ]
    return prose(
        say("Overall score = 10 x ({parts}).", parts=" + ".join(parts)),
        say(
            "The parts' 95 % half-widths add in quadrature; that of speed is what its samples or its repeat differ by, "
            "times of a fit count as exact. A strength is an ability in which the model is surely above 0 and cannot "
            "be told from the best, a weakness one in which it is surely below the median; a use is named where the "
            "guide cannot tell the model from its first choice."
        ),
    )


def _missing(assessed: list[Capability]) -> Prose | None:
    without = {
        c.model: listed(_ability(n) for n, cell in c.cells.items() if not cell.measured)
        for c in assessed
        if not c.score.measured
    }
    if not without:
        return None
    text = listed(
        (translate("{model} ({abilities})", model=model, abilities=gone) for model, gone in without.items()), "; "
    )
    return prose(say("No score, because not measured: {models}.", models=text))


def capture(facts: Facts) -> Section | None:
    """The capture matrix."""
    matrix = facts.matrix
    if matrix is None or matrix.frame.empty:
        return None
    market = next(iter(matrix.boards.values()))
    oracle = {name: board.oracle["ic"] for name, board in matrix.boards.items() if board.oracle is not None}
    left_out = tuple(
        ("", translate("{model} is left out: not ranked on {markets}", model=m, markets=listed(gone)))
        for m, gone in matrix.missing.items()
    )
    return section(
        "capture",
        translate("Capture matrix: what each model finds where the truth is known"),
        prose(
            say(
                "Share of the attainable IC in per cent, with 95 % intervals over {days:,} test days; on null the "
                "IC itself, which must hold 0. Source {source}, {settings}.",
                days=Cell("capture.matrix.n_days", float(market.frame["n_days"].to_numpy().max())),
                source=market.run["data"]["source"],
                settings=retold(market.run["note"] or market.run["protocol"]).rstrip(".。"),
            ),
            say(
                "IC of the true signal: {ics}.",
                *[Cell(f"oracle.{m}.ic", ic) for m, ic in oracle.items()],
                ics=listed(f"{m} {ic:.3f}" for m, ic in oracle.items()),
            ),
        ),
        _capture_table(matrix),
        Figure("capture", translate("Capture of every model on every planted market.")),
        Items(left_out) if left_out else None,
    )


def claims(facts: Facts) -> Section | None:
    """Published claims, judged."""
    judged = judged_claims(facts)
    count = Counter(j.verdict for j in judged)
    rests_on = [
        c
        for j in judged
        for claimed, _, other, _ in j.compared
        for c in (claimed, other)
        if c.measured and not is_given(c)
    ]
    return section(
        "claims",
        translate("Published claims, tested"),
        prose(
            say(
                "Of {n} published claims {confirmed} are confirmed, {refuted} refuted and {undecided} not decided.",
                *rests_on,
                n=len(judged),
                confirmed=count["confirmed"],
                refuted=count["refuted"],
                undecided=count["not decided"],
            ),
        ),
        _claims_table(judged),
    )


def _ability(name: str) -> str:
    """What an ability is called, in the current language."""
    return translate(ABILITIES.get(name, (name, ""))[0])


def _capture_table(matrix: CaptureMatrix) -> Table | None:
    """Capture in per cent of every model on every market, with its interval; the IC itself on `null`."""
    columns = [
        Column(m, phrase("{market} IC", market=m), "+.3f~")
        if m == NULL
        else Column(m, phrase("{market} %", market=m), ".0f~", 100)
        for m in matrix.markets
    ]
    return table_of("capture", [Column("model", "model"), *columns], frame_rows(matrix.frame))


def _capability_table(facts: Facts, assessed: list[Capability], advice: list[Advice]) -> Table | None:
    """Model, overall score, measured strengths and weaknesses, and what it suits best."""
    columns = [
        Column("model", "model"),
        Column("score", "overall score (0-10)", ".1f±"),
        Column("strengths", "measured strengths"),
        Column("weaknesses", "measured weaknesses"),
        Column("uses", "best suited for"),
    ]
    rows = [
        {
            "model": ModelName(facts.title(c.model), (c.model,)),
            "score": c.score,
            "strengths": _list(c, c.strengths),
            "weaknesses": _list(c, c.weaknesses),
            "uses": listed((a.title for a in advice if c.model in a.tied), "; "),
        }
        for c in assessed
    ]
    return table_of("score", columns, rows)


def _list(entry: Capability, abilities: tuple[str, ...]) -> str:
    forms = {name: ABILITIES.get(name, (name, "{:.3g}"))[1] for name in abilities}
    return listed(f"{_ability(name)} {form.format(entry.cells[name].value)}" for name, form in forms.items())


def _claims_table(judged: list[Judged]) -> Table:
    """Claim, verdict and the cells it rests on."""
    rows = [
        [ModelName(j.claim.model, (j.claim.model,)), phrase(j.claim.claim), phrase(j.verdict), _grounds(j) or DASH]
        for j in judged
    ]
    return word_table(["model", "published claim", "verdict", "rests on"], rows, "claims")


def _grounds(judged: Judged) -> str:
    parts = [
        f"{measured.id} {measured:.4g~} {translate(word)} {other.id}{'' if is_given(other) else f' {other:.4g~}'}"
        for measured, word, other, _ in judged.compared
        if measured.measured and other.measured
    ]
    return listed([*parts, *([judged.why] if judged.why else [])], "; ")

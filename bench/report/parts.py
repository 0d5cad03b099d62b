"""The parts of `final_report.json` as types: what is written, and what its JSON schema is made of."""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar

from pydantic import ConfigDict, Field

from bench.advice.guide import USES
from bench.columns import FrameRow, Part, Real, means
from bench.portfolio.frames import PortfolioRow
from bench.stats.pairs import PairRow

SCHEMA_VERSION = 1
Days = tuple[str, str]
# Their columns depend on the metrics that are registered, so the types are made when they are needed.
LeaderboardRow = TypeVar("LeaderboardRow")
FoldRow = TypeVar("FoldRow")
EvidenceRow = TypeVar("EvidenceRow")


class Figures(Part):
    """A measured value with its 95 % interval."""

    value: Real = means("in the unit of its column")
    low: Real = means("lower end; null where there is no interval")
    high: Real = means("upper end")


class NamedFigures(Figures):
    """A measured cell."""

    cell: str = means("table.row.column")


class Said(Part):
    """A generated sentence and the cells it rests on."""

    text: str = means("as printed")
    cells: dict[str, Figures] = means("table.row.column -> figures")


class SaidIn(Said):
    """A generated sentence of a section."""

    section: str = means("section of the report")


class Run(Part):
    name: str = means("name of the run")
    note: str = means("the author's sentence on the settings")
    command: str = means("command that repeats the run")
    config_hash: str = means("8 hex digits of configuration, data and trials")
    versions: dict[str, str] = means("package -> version")


class Segments(Part):
    """A fold."""

    train: Days = means("first and last day, YYYY-MM-DD")
    valid: Days = means("first and last day, YYYY-MM-DD")
    test: Days = means("first and last day, YYYY-MM-DD")
    embargo: int = means("days dropped between segments", ge=0)


class Data(Part):
    name: str = means("short name")
    source: str = means("as configured: a path or planted:MARKET")
    fingerprint: str = means("16 hex digits that change with any value, day, symbol, membership or concept")
    days: Days = means("first and last day, YYYY-MM-DD")
    n_days: int = means("trading days", ge=0)
    n_stocks: int = means("stocks", ge=0)
    stocks_per_day: tuple[int, int, int] = means("least, median and most stocks in the universe on a day")
    notes: list[str] = means("what the reader assumed or found missing, a sentence each")
    label: str = means("definition of the raw label: the forward return that scores are measured by")
    snapshot_concepts: bool = means("the concepts carry no dates: today's groups stand for all of history")
    folds: list[Segments] = means("train, valid and test segments in time order", min_length=1)


class Processing(Part):
    features: str | list[str] = means("feature set, or the list of sets and columns")
    lookback: int = means("window length in days", ge=0)
    label: dict[str, Any] = means("horizon, lag in days and price of the forward return")
    split: dict[str, Any] = means("the split as configured")
    vwap: str | None = means("source, or typical: (high + low + close) / 3")
    concepts: str | None = means("file or column of concepts; null takes those of the source")
    universe: dict[str, Any] | None = means("restriction of the stocks; null takes all")


class Training(Part):
    protocol: str = means("what the settings follow")
    device: str = means("cpu or cuda")
    seeds: list[int] = means("seeds of every model and fold", min_length=1)
    baseline: str | None = means("model that differences are taken to")
    shared: dict[str, Any] = means("training settings; a model's own win over them")


class Trial(Part):
    """A finished trial."""

    key: str = means("16 hex digits")
    fold: int = means("index", ge=0)
    seed: int = means("seed", ge=0)
    device: str = means("cpu or cuda")
    segments: dict[str, Days] = means("train, valid and test days, YYYY-MM-DD")
    metrics: dict[str, int | Real] = means("as in results, of this trial alone")
    fit_seconds: Real = means("wall time in seconds")
    epochs: int = means("epochs run; 0 for a model fitted as a whole", ge=0)
    best_epoch: int | None = means("epoch whose weights were kept, from 1")
    rows_per_step: int | Real = means("rows of an optimiser step")


class Deviating(Part):
    """A training setting that is not the uniform one."""

    key: str = means("setting")
    value: Any = means("as used")
    uniform: Any = means("as in the uniform treatment")


class FailedModel(Part):
    """A model of which no trial finished."""

    model: str = means("registry name")
    title: str = means("printed name")
    planned: int = means("trials planned", ge=0)
    status: Literal["failed"] = means("as in results")
    trials: list[Trial] = means("finished trials: none", max_length=0)


class FinishedModel(Part):
    """Configuration and trials of a model."""

    model: str = means("registry name")
    title: str = means("printed name")
    planned: int = means("trials planned", ge=0)
    status: Literal["ok", "incomplete"] = means("as in results")
    scope: Literal["sample", "day", ""] = means("as in results; empty for scores from elsewhere")
    params: dict[str, Any] = means("hyper-parameters, defaults included")
    params_set: dict[str, Any] = means("those that were set")
    train: dict[str, Any] = means("training settings used")
    train_set: dict[str, Any] = means("those that differ from the shared ones")
    n_parameters: int = means("trained numbers", ge=0)
    deviations: list[Deviating] = means(
        "training settings that are not those of configs/uniform.yaml; empty for models fitted as a whole"
    )
    trials: list[Trial] = means("finished trials", min_length=1)


class Portfolio(Part):
    settings: dict[str, Any] | None = means(
        "what was simulated; costs and limit are fractions, lot in shares, initial and cost_minimum in money"
    )
    results: list[PortfolioRow] = means("best excess first")  # type: ignore[valid-type] - a type made by a call


class CaptureRow(FrameRow):
    """A model on the planted markets, a column for each with its interval."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Real] = Field(init=False)
    model: str = means("registry name")
    fit_s: Real = means("median over markets of the seconds of a fit")


class Capture(Part):
    """The capture matrix of planted markets."""

    experiment: str = means("its name")
    markets: list[str] = means("in its order")
    results: list[CaptureRow] = means(
        "per model the capture on each market, a fraction with <market>_low and _high; on null the IC itself; cells "
        "capture.<model>.<market>"
    )
    missing: dict[str, list[str]] = means("model -> markets on which it has no rank")


class Abilities(Part):
    """What a model can do."""

    model: str = means("registry name")
    score: Figures = means("0 .. 10")
    abilities: dict[str, NamedFigures] = means("ability -> the cell it is counted by")
    strengths: list[str] = means("abilities in which it cannot be told from the best")
    weaknesses: list[str] = means("abilities in which it is surely below the median")


class Tested(NamedFigures):
    """A comparison that a claim implies."""

    relation: Literal["above", "below"] = means("of the cell to the other")
    to: NamedFigures = means("the other cell")


class Claimed(Part):
    """A published claim, judged."""

    id: str = means("its name in configs/claims.yaml")
    model: str = means("registry name")
    claim: str = means("what was published")
    verdict: Literal["confirmed", "refuted", "not decided"] = means("of all tests together")
    why: str = means("why nothing was compared; empty where something was")
    tests: list[Tested] = means("what the claim implies")


class Recommended(Part):
    """What the selection guide says about a use."""

    use: str = means("what the model is wanted for", json_schema_extra={"enum": list(USES)})
    ranking: list[str] = means("models, best first; empty where nothing was measured")
    not_told_from_first: list[str] = means("models that cannot be told from the first, itself included")
    sentences: list[Said] = means("measurement, leader and margin, when the advice changes", min_length=1)


class Failure(Part):
    """A trial that failed."""

    key: str = means("of the trial")
    model: str = means("registry name")
    fold: int = means("index", ge=0)
    seed: int = means("seed", ge=0)
    error: str = means("why")
    details: str | None = means("traceback, or empty")


class FinalReport(Part, Generic[LeaderboardRow, FoldRow, EvidenceRow]):
    """What `python -m bench report` writes to runs/<name>/final_report.json. A figure that was not measured is null.
    Intervals are 95 % block-bootstrap intervals over days unless said otherwise. A cell is named table.row.column, its
    table being main (results), pairs (differences), portfolio, capture, score (capability) or one of evidence; oracle
    and guide name figures derived in place.
    """

    schema_version: Literal[1] = means("changes when a reader would have to")
    run: Run = means("what was run")
    data: Data = means("the data as read")
    processing: Processing = means(
        "how rows are made of the data. Feature columns are scaled by a robust z-score (median, 1.4826 x median "
        "absolute deviation) fitted on the train segment alone and clipped at 3; the train label is the percentile "
        "rank of the raw label within its day, -0.5, x 3.46"
    )
    training: Training = means("the treatment shared by all models")
    models: list[FailedModel | FinishedModel] = means("every model of the run, best Rank IC first", min_length=1)
    results: list[LeaderboardRow] = means("the main table; cells main.<model>.<column>", min_length=1)
    oracle: dict[str, Real] | None = means(
        "IC and Rank IC of the true signal of a planted market on the test days, and the designed IC"
    )
    folds: list[FoldRow] = means("per model and fold")
    differences: list[PairRow] = means("every pair of ranked models; cells pairs.<a>-<b>.difference and so on")
    portfolio: Portfolio = means("TopkDropout portfolios of the scores")
    capture: Capture | None = means("the capture matrix of planted markets; null where there is none")
    evidence: dict[str, list[EvidenceRow]] = means(
        "further tables by the first part of their cells' names: timing and timing-<device>, scaling, interpretability "
        "and methods (areas under precision-recall curves, 0 .. 1), scores, and others"
    )
    capability: list[Abilities] = means("overall score of every model by the formula of configs/capability.yaml")
    claims: list[Claimed] = means("published claims, judged")
    recommendations: list[Recommended] = means("the selection guide", min_length=1)
    failures: list[Failure] = means("trials that failed")
    sentences: list[SaidIn] = means("every generated sentence of the report, in English")
    checksum: str = means('sha256 of ["final_report.json", all the rest] as JSON with sorted keys and without blanks')

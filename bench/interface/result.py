"""A finished run as an object: its verdict, its tables as frames, its figures, its models ready to predict."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench.records.runs import last_run
from bench.records.store import RunStore
from bench.text.document import FIGURES
from bench.text.printable import one_line
from zoo.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from bench.advice.facts import Facts
    from zoo.checkpoint import Forecaster
    from zoo.data.panel import Panel

_LONGEST_CELL = 200  # characters that are shown


def open_run(run: str | Path | None = None, results: str | Path = "results") -> Result:
    """A stored run by its name or its folder (`elsewhere/runs/quick`); default: the one described last.

    Raises:
        ConfigError: no such run; names the nearest.
    """
    name = last_run(Path(results)) if run is None else str(run)
    return Result(RunStore.open_any(Path(results), name))


class Result:
    """What a run found, read from its records when it is asked for."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    @property
    def name(self) -> str:
        return self._store.name

    @property
    def folder(self) -> Path:
        """Where the run and its report are."""
        return self._store.folder

    @cached_property
    def _facts(self) -> Facts:
        from bench.advice.facts import gather

        return gather(self._store.results, self.name)

    @property
    def verdict(self) -> str:
        """Who leads and how surely, in sentences."""
        from bench.advice.verdict import verdict

        return " ".join(sentence.text for sentence in verdict(self._facts))

    @property
    def table(self) -> pd.DataFrame:
        """The leaderboard: a row per model, best Rank IC first, every metric with its interval."""
        return self._facts.board.frame.set_index("model")

    @property
    def pairs(self) -> pd.DataFrame:
        """A row per pair of ranked models: the difference of their Rank IC and its test."""
        return self._facts.board.pairs.copy()

    @property
    def daily(self) -> pd.DataFrame:
        """A row per model, fold, seed and test day: `datetime` and every daily metric."""
        from bench.scores.series import comparable, read_frames

        records = self._facts.board.records
        frames = comparable(records, read_frames(self._store, records))
        for at, name in enumerate(("model", "fold", "seed")):
            for key, frame in frames.items():
                frame.insert(at, name, records[key][name])
        parts = list(frames.values())
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["model", "fold", "seed"])

    @property
    def predictions(self) -> pd.DataFrame:
        """Scores of the test days, indexed (datetime, instrument): a float32 column per model, mean over its seeds.

        Raises:
            ConfigError: a trial's scores are not stored, as of a run that was committed without them.
        """
        from bench.experiment.evidence import SCORES

        columns: dict[str, Any] = {}
        for model in self.table.query("n_trials > 0").index:
            parts = []
            for key in (key for key, record in self._facts.board.records.items() if record["model"] == model):
                file = self._store.trial_folder(key) / SCORES
                if not file.is_file():
                    raise ConfigError(
                        f"run '{self.name}' does not hold the scores of {model} ({file} is missing); the run's command "
                        f"makes them again"
                    )
                parts.append(pd.read_parquet(file))
            columns[str(model)] = pd.concat(parts).groupby(["datetime", "instrument"])["score"].mean()
        return pd.DataFrame(columns).astype("float32")

    @property
    def importance(self) -> pd.DataFrame:
        """What the forecasts rest on: a row per model, axis (field or lag) and part of the input, with the spread over
        seeds and untrained networks; without rows until `python -m bench attribute RUN` has measured it."""
        from bench.attribution.importance_frames import input_frame

        return input_frame(self._store)

    @property
    def figures(self) -> dict[str, Path]:
        """The figures of the report that were drawn: name -> SVG file."""
        return {path.stem: path for path in sorted((self.folder / FIGURES).glob("*.svg"))}

    @property
    def models(self) -> Models:
        """The trained models by name, ready to predict."""
        return Models(self._store)

    @property
    def failures(self) -> pd.DataFrame:
        """A row per trial that failed: model, fold, seed, error."""
        columns = ["model", "fold", "seed", "error"]
        return pd.DataFrame([[f[c] for c in columns] for f in self._facts.board.failures.values()], columns=columns)

    def report(self, folder: str | Path, lang: str = "en", figures: bool = True) -> Path:
        """Write the report into a folder; gives its `comparison.md`, a page `comparison.html` is beside it.

        Raises:
            ConfigError: an unknown language.
        """
        from bench.report import write_report

        return write_report(self._store.results, self.name, folder=Path(folder), lang=lang, figures=figures)[1]

    def __repr__(self) -> str:
        run = self._store.run()
        seeds = ", ".join(map(str, run["config"]["seeds"]))
        return f"<Result of run '{self.name}': {', '.join(run['models'])} on {run['data']['name']}, seeds {seeds}>"

    def _repr_html_(self) -> str:
        from bench.report.tables.main import main_table

        table = main_table(self._facts.board)

        def row(tag: str, texts: list[str]) -> str:
            aligned = zip(texts, table.alignment, strict=True)
            cells = (f"<{tag} style='text-align:{a}'>{escape(one_line(t, _LONGEST_CELL))}</{tag}>" for t, a in aligned)
            return f"<tr>{''.join(cells)}</tr>"

        rows = "".join(row("td", texts) for texts in table.texts)
        return f"<p>{escape(self.verdict)}</p><table>{row('th', table.headers)}{rows}</table>"


class Models:
    """The models of a run by name."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    def __getitem__(self, name: str) -> TrainedModel:
        """The model of that name.

        Raises:
            ConfigError: the run has none; names the nearest.
        """
        known = list(self)
        if name not in known:
            near = did_you_mean(str(name), known)
            raise ConfigError(f"run '{self._store.name}' has no model '{name}'{near}; it has {', '.join(known)}")
        return TrainedModel(self._store, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._store.run()["models"])

    def __len__(self) -> int:
        return len(self._store.run()["models"])

    def __contains__(self, name: object) -> bool:
        return name in self._store.run()["models"]

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def __repr__(self) -> str:
        return f"<Models of run '{self._store.name}': {', '.join(self)}>"


class TrainedModel:
    """A model of a run as trained with each of its seeds, on one fold (by default the last)."""

    def __init__(self, store: RunStore, name: str, fold: int | None = None) -> None:
        self._store, self.name, self._fold = store, name, fold

    @cached_property
    def seeds(self) -> dict[int, Forecaster]:
        """The single forecasters by seed.

        Raises:
            ConfigError: none is stored whole, or there is no such fold.
        """
        from bench.experiment.predict import load_forecasters

        return load_forecasters(self._store, self.name, fold=self._fold)

    def fold(self, index: int) -> TrainedModel:
        """The same as trained on another fold."""
        return TrainedModel(self._store, self.name, index)

    def predict(
        self, data: Panel | pd.DataFrame | str | Path, *, start: str | None = None, end: str | None = None
    ) -> pd.Series:
        """Scores of new data, mean over seeds, under the normalisation of the training.

        Args:
            data: with the history that each window needs.
            start, end: first and last day to score, `YYYY-MM-DD`; default: all days with a full window.

        Returns:
            float32 Series `score` indexed (datetime, instrument); `attrs["notes"]` holds the notes on the data.

        Raises:
            ConfigError: as `seeds`.
            DataError: the data cannot be read or hold too little history.
        """
        from bench.experiment.predict import mean_scores

        return mean_scores(self.seeds.values(), data, start=start, end=end)

    def __repr__(self) -> str:
        fold = "the last fold" if self._fold is None else f"fold {self._fold}"
        return f"<TrainedModel {self.name} of run '{self._store.name}', {fold}>"

"""One experiment that stands for several runs, of planted markets and of horizons, and their results side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from bench.experiment.config import ExperimentConfig
from zoo.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from bench.interface.result import Result


def expand(config: ExperimentConfig) -> dict[str, ExperimentConfig]:
    """The experiments that one stands for, each a run, by what tells them apart: `local`, `h5`, `local-h5`.

    One experiment per planted market and per horizon; without either it is alone, under an empty key.
    """
    runs: dict[str, ExperimentConfig] = {}
    for one in expand_markets(config):
        market = one.name.removeprefix(f"{config.name}-") if config.markets else ""
        for days in config.horizons or [None]:
            key = "-".join(filter(None, (market, f"h{days}" if days else "")))
            runs[key] = one if days is None else _with_horizon(one, days)
    return runs


def _with_horizon(config: ExperimentConfig, days: int) -> ExperimentConfig:
    label = config.data.label.model_copy(update={"horizon": days})
    return config.model_copy(
        update={
            "name": f"{config.name}-h{days}",
            # The matrix compares markets on one label; each horizon has its own.
            "matrix": f"{config.matrix}-h{days}" if config.matrix else "",
            "horizons": [],
            "data": config.data.model_copy(update={"label": label}),
        }
    )


def expand_markets(config: ExperimentConfig) -> list[ExperimentConfig]:
    """One experiment per planted market, parameters of `data.source` kept; without markets the experiment itself."""
    _, _, query = config.data.source.partition("?")
    suffix = f"?{query}" if query else ""
    return [
        config.model_copy(
            update={
                "name": f"{config.name}-{market}",
                "matrix": config.name,
                "markets": [],
                "data": config.data.model_copy(update={"source": f"planted:{market}{suffix}"}),
            }
        )
        for market in config.markets
    ] or [config]


class Results(Mapping[str, "Result"]):
    """Results of the runs that one experiment stands for, by what tells them apart: `local`, `h5`, `local-h5`."""

    def __init__(self, results: Mapping[str, Result]) -> None:
        self._results = dict(results)

    def __getitem__(self, key: str) -> Result:
        if key not in self._results:
            there = ", ".join(self._results)
            raise ConfigError(f"no run {key!r} among these{did_you_mean(key, self._results)}; there are {there}")
        return self._results[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)

    def __contains__(self, key: object) -> bool:
        return key in self._results

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    @property
    def table(self) -> pd.DataFrame:
        """The leaderboards one below the other, indexed (run, model); the index says which run."""
        import pandas as pd

        return pd.concat({key: result.table for key, result in self.items()}, names=["run"])

    def __repr__(self) -> str:
        return "\n".join(f"{key}: {result!r}" for key, result in self.items())

    def _repr_html_(self) -> str:
        from html import escape

        return "".join(f"<h3>{escape(key)}</h3>{result._repr_html_()}" for key, result in self.items())

"""MLflow: a parent run for each run of the benchmark, a nested run for each of its trials.

Where: the server or file of MLFLOW_TRACKING_URI, else `<results>/mlflow.db` with artifacts in `<results>/mlflow/`; the
experiment of MLFLOW_EXPERIMENT_NAME, else `alpha-zoo`. A run is found again by the tags `run`, `results` and
`fingerprint`, a trial within it by `trial_key`. MLflow's usage reports are switched off unless the user has decided
otherwise.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from bench.tracking.content import RunContent, TrialContent
from bench.tracking.registry import Tracker, register_tracker

EXPERIMENT = "alpha-zoo"
_MOST = {"metrics": 1000, "params": 100, "tags": 100}  # of one request
_LONGEST = 500  # characters of a value, in all versions
_STRANGE = re.compile(r"[^\w\-./: ]", re.ASCII)
_PARENT = "mlflow.parentRunId"
_RECORD = "record"
"""The tag that a trial's run is given last: the checksum of what it tells."""
T = TypeVar("T")


@register_tracker("mlflow", packages=("mlflow",))
class Mlflow(Tracker):
    """Tells an MLflow tracking server, or a database in the results folder."""

    @classmethod
    def needed(cls) -> tuple[str, ...]:
        # The slim package has no database.
        uri = os.environ.get("MLFLOW_TRACKING_URI", "")
        return cls.packages if uri.startswith(("http", "databricks")) else (*cls.packages, "sqlalchemy", "alembic")

    def open(self, run: RunContent) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow.tracking import MlflowClient  # pyright: ignore[reportMissingImports]

        for name in ("mlflow", "alembic"):
            # A database that is made tells every table.
            logging.getLogger(name).setLevel(logging.WARNING)
        given = os.environ.get("MLFLOW_TRACKING_URI")
        self._client = MlflowClient(tracking_uri=given or f"sqlite:///{self.results / 'mlflow.db'}")
        self._experiment = self._experiment_id(None if given else (self.results / "mlflow").as_uri())
        found = self._search({name: run.tags[name] for name in ("run", "results", "fingerprint")})
        if found:
            self._run = found[0].info.run_id
            self._client.update_run(self._run, status="RUNNING")
        else:
            made = self._client.create_run(self._experiment, run_name=run.name, tags=run.tags)
            self._run = made.info.run_id
        self._describe(run)

    def knows(self, key: str, checksum: str) -> bool:
        whole = False
        for found in self._search({"trial_key": key, _PARENT: self._run}):
            if found.data.tags.get(_RECORD) == checksum and not whole:
                whole = True
            else:
                self._client.delete_run(found.info.run_id)
        return whole

    def log_trial(self, trial: TrialContent) -> None:
        tags = {**trial.tags, _PARENT: self._run} | ({"error": trial.error} if trial.error else {})
        made = self._client.create_run(self._experiment, run_name=trial.name, tags=_texts(tags))
        run_id = made.info.run_id
        steps = [(name, value, step) for name, values in trial.epochs.items() for step, value in values]
        self._log(run_id, [*steps, *((name, value, 0) for name, value in trial.metrics.items())], trial.parameters)
        self._client.set_tag(run_id, _RECORD, trial.checksum)
        self._client.set_terminated(run_id, "FAILED" if trial.error else "FINISHED")

    def finish(self, run: RunContent) -> None:
        self._describe(run)
        self._log(self._run, [(f"{model}/{name}", value, 0) for (model, name), value in run.metrics.items()], {})
        for path in run.files:
            self._client.log_artifact(self._run, str(path))
        if run.figures is not None:
            for path in sorted(p for p in run.figures.iterdir() if p.suffix in (".svg", ".png")):
                self._client.log_artifact(self._run, str(path), run.figures.name)
        self._client.set_terminated(self._run)

    def stop(self) -> None:
        self._client.set_terminated(self._run, "KILLED")

    def _experiment_id(self, artifacts: str | None) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        found = self._client.get_experiment_by_name(name)
        return found.experiment_id if found else self._client.create_experiment(name, artifact_location=artifacts)

    def _search(self, tags: dict[str, str]) -> list[Any]:
        wanted = " and ".join(f"tags.`{name}` = '{_quoted(value)}'" for name, value in _texts(tags).items())
        return list(self._client.search_runs([self._experiment], wanted, max_results=100))

    def _describe(self, run: RunContent) -> None:
        """The configuration; a parameter keeps its first value, so what differs by now is told by tags."""
        known = self._client.get_run(self._run).data.params
        now = _texts(run.parameters)
        self._log(self._run, [], {name: value for name, value in now.items() if name not in known})
        changed = {f"now.{name}": value for name, value in now.items() if known.get(name, value) != value}
        self._log(self._run, [], {}, run.tags | changed)

    def _log(
        self,
        run_id: str,
        metrics: Sequence[tuple[str, float, int]],
        params: dict[str, Any],
        tags: dict[str, str] | None = None,
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag  # pyright: ignore[reportMissingImports]

        now = int(1000 * time.time())
        parts: dict[str, list[Any]] = {
            "metrics": [Metric(_key(name), value, now, step) for name, value, step in metrics],
            "params": [Param(name, value) for name, value in _texts(params).items()],
            "tags": [RunTag(name, value) for name, value in _texts(tags or {}).items()],
        }
        for kind, values in parts.items():
            for some in _chunks(values, _MOST[kind]):
                self._client.log_batch(run_id, **{kind: some})


def _key(name: str) -> str:
    return _STRANGE.sub("_", name)[:250]


def _texts(values: dict[str, Any]) -> dict[str, str]:
    return {_key(name): str(value)[:_LONGEST] for name, value in values.items()}


def _quoted(value: str) -> str:
    return value.replace("'", "\\'")


def _chunks(values: list[T], most: int) -> Iterator[list[T]]:
    for at in range(0, len(values), most):
        yield values[at : at + most]

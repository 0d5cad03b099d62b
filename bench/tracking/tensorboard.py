"""TensorBoard: `<results>/tensorboard/<run>/`, a folder below it for each trial.

A trial's folder is named for model, fold, seed and key, and appears when it is complete. It holds the epochs, the final
metrics and the parameters (also as those of the HParams page); the run's own folder the leaderboard, the configuration,
the report as text and the figures as images. Look at it with: tensorboard --logdir results/tensorboard.
"""

from __future__ import annotations

import re
import shutil
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.tracking.content import RunContent, TrialContent
from bench.tracking.registry import Tracker, register_tracker
from zoo.data.files import whole_directory

FOLDER = "tensorboard"
_RECORD = "record"
_WHOLE = "run"  # the folder of the run's own figures
_STRANGE = re.compile(r"[^\w.-]")


@register_tracker("tensorboard", packages=("tensorboard",))
class Tensorboard(Tracker):
    """Writes event files below the results folder."""

    def open(self, run: RunContent) -> None:
        self._folder = self.results / FOLDER / run.name
        self._folder.mkdir(parents=True, exist_ok=True)

    def knows(self, key: str, checksum: str) -> bool:
        whole = False
        for folder in self._folder.glob(f"*-{key}"):
            try:
                same = (folder / _RECORD).read_text(encoding="ascii") == checksum
            except OSError:
                same = False
            if same and not whole:
                whole = True
            else:
                shutil.rmtree(folder)
        return whole

    def log_trial(self, trial: TrialContent) -> None:
        folder = self._folder / _STRANGE.sub("_", trial.name.replace(" ", "-") + f"-{trial.key}")
        with whole_directory(folder) as temporary:
            with _events(temporary) as add:
                for name, values in trial.epochs.items():
                    for step, value in values:
                        add.scalar(f"epoch/{name}", value, step)
                for name, value in trial.metrics.items():
                    add.scalar(f"final/{name}", value, 0)
                add.text("parameters", _listed(trial.parameters))
                add.text("tags", _listed(trial.tags | ({"error": trial.error} if trial.error else {})))
                add.hparams(trial.parameters, [f"final/{name}" for name in trial.metrics], trial.key)
            (temporary / _RECORD).write_text(trial.checksum, encoding="ascii")

    def finish(self, run: RunContent) -> None:
        with whole_directory(self._folder / _WHOLE) as temporary, _events(temporary) as add:
            for (model, name), value in run.metrics.items():
                add.scalar(f"{name}/{model}", value, 0)
            add.text("configuration", _listed(run.parameters))
            add.text("tags", _listed(run.tags))
            for path in (path for path in run.files if path.suffix == ".md"):
                add.text("report", path.read_text(encoding="utf-8"))
            for path in sorted(run.figures.glob("*.png")) if run.figures is not None else ():
                add.image(f"figures/{path.stem}", path)

    def stop(self) -> None:
        """Files have no state of a run."""


class _Adder:
    """Summaries of one event file."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def scalar(self, name: str, value: float, step: int) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportMissingImports]

        self._add(Summary(value=[Summary.Value(tag=name, simple_value=value)]), step)

    def text(self, name: str, text: str) -> None:
        """Markdown."""
        from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportMissingImports]
        from tensorboard.plugins.text import metadata  # pyright: ignore[reportMissingImports]
        from tensorboard.util.tensor_util import make_tensor_proto  # pyright: ignore[reportMissingImports]

        kind = metadata.create_summary_metadata(display_name=name, description="")
        self._add(Summary(value=[Summary.Value(tag=name, metadata=kind, tensor=make_tensor_proto([text]))]), 0)

    def image(self, name: str, path: Path) -> None:
        """A PNG as it is."""
        from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportMissingImports]

        data = path.read_bytes()
        width, height = struct.unpack(">II", data[16:24])
        image = Summary.Image(height=height, width=width, colorspace=4, encoded_image_string=data)
        self._add(Summary(value=[Summary.Value(tag=name, image=image)]), 0)

    def hparams(self, parameters: dict[str, Any], metrics: list[str], trial: str) -> None:
        # Its `api` imports TensorFlow.
        from tensorboard.plugins.hparams import summary_v2 as api  # pyright: ignore[reportMissingImports]

        self._add(api.hparams_pb(parameters, trial_id=trial), 0)
        columns = [api.HParam(name) for name in parameters], [api.Metric(name) for name in metrics]
        self._add(api.hparams_config_pb(*columns), 0)

    def _add(self, summary: Any, step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event  # pyright: ignore[reportMissingImports]

        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))


@contextmanager
def _events(folder: Path) -> Iterator[_Adder]:
    from tensorboard.summary.writer.event_file_writer import EventFileWriter  # pyright: ignore[reportMissingImports]

    writer = EventFileWriter(str(folder))
    try:
        yield _Adder(writer)
    finally:
        writer.close()


def _listed(values: dict[str, Any]) -> str:
    return "\n".join(f"- **{name}**: {value}" for name, value in values.items())

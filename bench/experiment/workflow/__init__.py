"""A workflow file of qlib as an experiment: told by its keys, translated key by key, nothing passed over in silence.

What is done here as there is taken over; what is done otherwise is told, in the run's note and before it starts; what
decides nothing here is listed as ignored; the rest is refused by its path.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.experiment.presets import find_config
from bench.experiment.workflow.several import PROTOCOL, experiment_of
from bench.experiment.workflow.translate import is_workflow, read_workflow
from bench.records.strict_yaml import read_lines
from zoo.errors import ConfigError

FETCH = "python -m bench data fetch qlib-cn"


def read_experiment(
    path: str | Path | Iterable[str | Path] | None,
) -> tuple[dict[str, Any], dict[Any, int], Path | None]:
    """The document of an experiment, the line of each of its keys, and the file; a workflow has no lines of its own.

    Raises:
        ConfigError: an unreadable file, a workflow that cannot be translated, several files of which one is none.
    """
    paths = [] if path is None else [path] if isinstance(path, (str, Path)) else list(path)
    files = [find_config(one) for one in paths]
    if not files:
        return {}, {}, None
    documents = [read_lines(file) for file in files]
    if len(files) == 1 and not is_workflow(documents[0][0]):
        return *documents[0], files[0]
    for file, (document, _) in zip(files, documents, strict=True):
        if not is_workflow(document):
            raise ConfigError(f"{file}: is no workflow of qlib; of experiments, one is run at a time")
    return experiment_of([read_workflow(file) for file in files]), {}, files[0]


def workflow_notes(path: str | Path | Iterable[str | Path] | None) -> list[str]:
    """What a run of workflow files does otherwise than they say; nothing for experiments."""
    paths = [] if path is None else [path] if isinstance(path, (str, Path)) else list(path)
    files = [file for file in map(find_config, paths) if is_workflow(read_lines(file)[0])]
    of = (lambda file: f"{file.name}: ") if len(files) > 1 else (lambda file: "")
    return [f"{of(file)}{note}" for file in files for note in read_workflow(file).notes()]


def check_source(source: str, protocol: str) -> None:
    """Refuse a workflow, or a published experiment, whose folder is not there, saying how to come by one."""
    from zoo.data.sources.paths import split_market

    if protocol not in (PROTOCOL, "published") or source.partition(":")[0] in ("planted", "installed"):
        return
    folder, _, market = source.rpartition("#")
    missing = Path(folder or source).expanduser()
    if not split_market(source)[0].exists() and not missing.exists():
        raise ConfigError(
            f"data.source (qlib_init.provider_uri): there is no folder {folder or source}; {FETCH} downloads one, and "
            f"--data DIR#{market or 'MARKET'} names another"
        )

"""`python -m bench time`: how long models take, and how that grows with lookback and stocks."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.console import elapsed, print_table
from bench.cli.options import DeviceOption, ModelOptions, ResultsOption
from bench.interface.console import say
from zoo.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from bench.speed.scaling import Sweep
    from bench.speed.side_by_side import Request


def time_(
    options: ModelOptions,
    scaling: Annotated[bool, typer.Option("--scaling", help="Growth with lookback and stocks instead.")] = False,
    stocks: Annotated[int, typer.Option("--stocks", min=4, help="Stocks of one day.")] = 300,
    lookback: Annotated[int | None, typer.Option("--lookback", min=1, help="Default: the experiment's.")] = None,
    device: DeviceOption = None,
    modes: Annotated[
        str | None, typer.Option("--modes", help="Of eager,compile,graphs. Default: eager; on CUDA all.")
    ] = None,
    scenarios: Annotated[
        str | None, typer.Option("--scenarios", help="Of train_step,train_epoch,one_day,one_stock,offline.")
    ] = None,
    rounds: Annotated[int | None, typer.Option("--rounds", min=1, help="Most rounds; default 40, scaling 20.")] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.0, help="Aimed at for a scenario in one of two passes.")
    ] = 8.0,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Of the CPU.")] = 1,
    lookbacks: Annotated[str | None, typer.Option("--lookbacks", help="With --scaling, e.g. 30,60,120.")] = None,
    stock_counts: Annotated[
        str | None, typer.Option("--stock-counts", help="With --scaling, e.g. 100,1000,5000.")
    ] = None,
    results: ResultsOption = Path("results"),
) -> None:
    """Time training and scoring of untrained networks on simulated data; adds to results/timing/."""
    # Read by the OpenMP library when torch loads it: idle threads must not spin on the cores being measured.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)
    experiment = options.experiment(device=device, data__lookback=lookback)

    from bench.experiment.entries.names import find_models, models_of
    from bench.experiment.plan import entry_of
    from bench.records.machine import resolve_device, torch_threads
    from bench.speed.modes import MODES, default_modes
    from bench.speed.scaling import LOOKBACKS, STOCKS, Sweep
    from bench.speed.side_by_side import Request
    from bench.speed.workloads import SCENARIOS

    where = resolve_device(experiment.device)
    names = find_models(options.models, experiment) if options.models else models_of(experiment)
    for name in names:
        entry_of(name, experiment)
    counts = _sizes(stock_counts, "--stock-counts", STOCKS)
    sweep = Sweep(_sizes(lookbacks, "--lookbacks", LOOKBACKS), counts, rounds or 20, seconds)
    mode_names = _chosen(modes, "--modes", MODES, default_modes(where))
    parts = _chosen(scenarios, "--scenarios", SCENARIOS, SCENARIOS)
    request = Request(experiment, names, mode_names, where, stocks, parts, rounds or 40, seconds)
    with torch_threads(threads):
        _measure(request, sweep if scaling else None, threads, options.plugin or [], results)


def _measure(request: Request, sweep: Sweep | None, threads: int, plugins: list[Path], results: Path) -> None:
    """Time the models, or how they grow over a sweep, while no other measurement runs."""
    from bench.records.documents import read_json
    from bench.records.machine import device_name, machine_id
    from bench.speed.frames import alone, record_path
    from bench.speed.memory import memory_process

    where = request.device
    header: dict[str, Any] = {
        "machine": machine_id(where),
        "device": where,
        "device_name": device_name(where),
        "load_before": round(os.getloadavg()[0], 2),
    }
    path = record_path(results, header["machine"], where, scaling=sweep is not None)
    # A damaged record would refuse what takes long to measure.
    read_json(path).unless_damaged()
    with alone(results, say), memory_process(where, threads, plugins) as remote:
        began = time.perf_counter()
        say(
            f"{header['device_name']}, {where}, {threads} thread(s); {len(request.models)} models of experiment "
            f"'{request.config.name}', untrained, on simulated data"
        )
        if header["load_before"] > 0.5:
            say(f"warning: the machine is not idle, its load is {header['load_before']:g}")
        header["checks"] = _checks(where, remote)
        _record(request, sweep, path, header, remote)
        say(f"{elapsed(began)}; record: {path}")


def _checks(device: str, remote: Any) -> dict[str, Any]:
    """Measure what is known: durations by another clock, the memory of a tensor."""
    from bench.speed.clock import check_clock
    from bench.speed.memory import check_memory

    clock = check_clock(device)
    for check in clock:
        verdict = "" if check.passed else "  FAILED: more than 5 % off"
        say(
            f"known duration, {check.operation}: expected {1000 * check.expected:.3f} ms, measured "
            f"{1000 * check.measured:.3f} ms, relative error {check.relative_error:+.3%}{verdict}"
        )
    memory = remote(check_memory, device)
    if memory["measured"] is None:
        say("memory: this system does not tell the peak of a process; not measured")
    else:
        say(
            f"known memory, {memory['operation']}: measured {memory['measured']:.2f} MiB, relative error "
            f"{memory['relative_error']:+.3%}"
        )
    return {"clock": [check.record() for check in clock], "memory": memory}


def _record(request: Request, sweep: Sweep | None, path: Path, header: dict[str, Any], remote: Any) -> None:
    """Measure, store each figure as it comes, print the table and what is missing from it."""
    from bench.report.tables.timing import repeat_line, scaling_table, timing_table
    from bench.speed import frames, scaling_frames
    from bench.speed.scaling import measure_scaling
    from bench.speed.side_by_side import measure_models
    from bench.text.tables import frame_rows

    records = []
    if sweep is None:
        for entries in measure_models(request, remote, say):
            frames.merge_timings(path, header, entries)
            records.append({**header, "entries": entries})
        frame = frames.frame_of(records)
        table = timing_table(frame)
    else:
        for label, entry in measure_scaling(request.config, request.models, request.device, sweep, remote, say):
            frames.merge_scaling(path, header, {label: entry})
            records.append({**header, "entries": {label: entry}})
        frame = scaling_frames.frame_of(records)
        table = scaling_table(frame)
    say("")
    print_table(table)
    say("")
    for row in frame_rows(frame):
        if row["reason"]:
            say(f"not measured, {row['model']} {row.get('mode', '')}".rstrip() + f": {row['reason']}")
    if sweep is None:
        say(repeat_line(frame))


def _chosen(text: str | None, option: str, known: tuple[Any, ...], default: tuple[Any, ...]) -> tuple[Any, ...]:
    """The names of a comma list, in the order in which they are known."""
    if text is None:
        return default
    asked = [part.strip() for part in text.split(",") if part.strip()]
    for name in asked:
        if name not in known:
            raise ConfigError(f"{option}: no '{name}'{did_you_mean(name, known)}; there are {', '.join(known)}")
    if not asked:
        raise ConfigError(f"{option}: none named; there are {', '.join(known)}")
    return tuple(name for name in known if name in asked)


def _sizes(text: str | None, option: str, default: tuple[int, ...]) -> tuple[int, ...]:
    if text is None:
        return default
    try:
        sizes = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        raise ConfigError(f"{option} {text}: must be whole numbers, such as 30,60,120") from None
    if sizes[0] < 2:
        raise ConfigError(f"{option} {text}: sizes must be at least 2")
    return sizes

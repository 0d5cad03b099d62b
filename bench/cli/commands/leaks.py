"""`python -m bench leaks`: does any piece of an experiment see what it must not?"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.cli.options import DataOptions


def leaks(
    options: DataOptions,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the findings to this file.")] = None,
) -> None:
    """Look for look-ahead in data, features, labels, segments and models; exit code 1 if any is found."""
    # On the CPU, where the same numbers give the same bits.
    experiment = options.experiment(device="cpu")
    from bench.cli import console
    from bench.experiment.config import expand_markets
    from bench.leaks.outcome import write_findings

    records = [_check_one(one, options.models) for one in expand_markets(experiment)]
    if json_file is not None:
        write_findings(json_file, records)
        console.say(f"findings: {json_file}")
    raise typer.Exit(0 if all(r["passed"] for r in records) else 1)


def _check_one(experiment: Any, models: str | None) -> dict[str, Any]:
    """Run the checks of one experiment, print the table, and return its record."""
    from bench.cli import console
    from bench.experiment.plan import make_plan
    from bench.leaks import make_subject, run_checks
    from bench.leaks.outcome import findings_record, findings_table

    began = time.perf_counter()
    with console.status("reading the data"):
        plan = make_plan(experiment, models)
        subject = make_subject(plan)
    with console.status("checking"):
        findings = run_checks(subject)
    console.print_table(findings_table(findings))
    console.say("")
    for name, why in subject.skipped.items():
        console.say(f"not checked: {name}: {why}")
    failed = [f.check for f in findings if not f.passed]
    sample = subject.sample
    console.say(
        f"{experiment.name} on {plan.panel.name}: {len(findings) - len(failed)} of {len(findings)} checks pass"
        f"{', failed: ' + ', '.join(failed) if failed else ''}; {len(subject.contenders)} model(s) on a sample of "
        f"{sample.n_stocks} stocks x {sample.n_days} days, {console.elapsed(began)}"
    )
    return findings_record(experiment.name, experiment.data.source, plan.config_hash, findings)

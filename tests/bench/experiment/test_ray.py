"""Trials on a Ray cluster: the records of one process, also where a node is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from cli_runs import SMALL, run_cli, scores_of

from bench.experiment.config import load_config
from bench.experiment.events import Done, Event, Limits
from bench.experiment.executors import make_executor
from bench.experiment.executors.inline import run_inline
from bench.experiment.plan import make_plan
from bench.records.store import RunStore
from zoo.errors import ConfigError


@pytest.fixture
def two_nodes() -> Iterator[object]:
    """A cluster whose head runs nothing, and two nodes of one processor each."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'alpha-zoo[ray]'")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()


@pytest.mark.filterwarnings("ignore")
def test_twelve_trials_survive_the_loss_of_a_node_with_the_scores_of_one_process(two_nodes, tmp_path):
    plan = make_plan(load_config(SMALL, {"seeds": [0, 1, 2, 3]}), "linear,gru,tcn")
    assert len(plan.trials) == 12
    there, here = RunStore(tmp_path / "there", "small"), RunStore(tmp_path / "here", "small")
    lost: list[Event] = []

    def lose_a_node_after_the_third(event: Event) -> None:
        if isinstance(event, Done):
            lost.append(event)
            if len(lost) == 3:
                node = two_nodes.list_all_nodes()[-1]
                threading.Thread(target=two_nodes.remove_node, args=(node, False)).start()

    make_executor("ray", address=two_nodes.address)(plan.trials, there, [], lose_a_node_after_the_third)
    assert {t.key for t in plan.trials} == set(there.keys())
    assert all(there.is_done(key) for key in there.keys())  # noqa: SIM118
    run_inline(plan.trials, here, [], lambda event: None)
    for store in (there, here):
        store.write_run(plan.describe([]))
    assert scores_of(tmp_path / "there") == scores_of(tmp_path / "here")


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_is_started_for_a_run_that_names_none_and_plugins_reach_it(plugin, tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'alpha-zoo[ray]'")
    file = plugin("rayed", "nodes = 1")
    command = ["run", SMALL, "--models", "rayed", "--plugin", file, "--seeds", "1", "--results", tmp_path / "results"]
    answer = run_cli(*command, "--executor", "ray", "--jobs", "2")
    assert answer.code == 0, answer.out + answer.err
    assert "2 trained, 0 stored, 0 failed" in answer.out
    again = run_cli(*command, "--jobs", "1")
    assert "nothing to train" in again.out


def test_settings_of_the_other_kind_are_refused():
    with pytest.raises(ConfigError, match="goes with --executor ray"):
        make_executor(address="10.0.0.1:6379")
    with pytest.raises(ConfigError, match="--trial-timeout"):
        make_executor("ray", limits=Limits(seconds=3))

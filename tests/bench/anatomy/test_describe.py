"""What `describe` measures, against what can be worked out by hand."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.anatomy.dataflow import has_circle, ranks
from bench.anatomy.describe import STOCKS, Description, describe_model, resolve
from bench.anatomy.drawing import boxes_of, draw_architecture
from bench.anatomy.tables import cost_lines, deviation_line, layer_table, settings_table, summary_table
from bench.experiment.config import load_config
from bench.experiment.presets import CONFIGS
from zoo.errors import ConfigError, ModelError
from zoo.registry import build, get_spec, list_models

T = 20


def describe(name: str, lookback: int = T, batch_size: int = 100, **params: Any) -> Description:
    changes = {"data.features": "raw", "data.lookback": lookback, f"models.{name}.params": params}
    return describe_model(name, load_config("uniform", {**changes, "train.batch_size": batch_size}))


@pytest.mark.parametrize("name", [n for n in list_models() if get_spec(n).gradient_trained])
def test_layers_hold_every_parameter_once_and_end_in_one_score_a_row(name: str) -> None:
    found = describe(name)
    assert sum(layer.parameters for layer in found.layers) == found.n_parameters
    model = build(name, n_features=found.n_features, lookback=T)
    assert found.n_parameters == sum(p.numel() for p in model.parameters())
    assert found.reach == T
    assert 1 <= (found.half_reach or 0) <= T
    assert found.step_flops is not None
    assert found.flops is not None
    assert 2 * found.flops < found.step_flops < 4 * found.flops
    assert len(layer_table(found).rows) == len(found.layers)


@pytest.mark.parametrize("name", [n for n in list_models() if get_spec(n).gradient_trained])
def test_the_drawn_graph_runs_from_input_to_score_through_every_part(name: str) -> None:
    found = describe(name)
    assert not has_circle(found.edges)
    assert {part for edge in found.edges for part in edge} - {"input", "concepts", "score"} == set(found.parts)
    assert all(any(source == part for source, _ in found.edges) for part in found.parts), "each part feeds something"
    boxes = boxes_of(found)
    assert len({(box.x, box.y) for box in boxes}) == len(boxes)


def test_flops_of_a_recurrent_net_are_those_of_its_matrix_products() -> None:
    found = describe("lstm", hidden_size=8, num_layers=2)
    cell = 2 * 4 * 8 * (found.n_features + 8) + 2 * 4 * 8 * (8 + 8)
    assert found.flops == T * cell + 2 * 8


def test_flops_of_an_mlp_and_what_it_keeps_for_the_backward_pass() -> None:
    found = describe("mlp", hidden_size=16, num_layers=2)
    n = T * found.n_features
    assert found.flops == 2 * (n * 16 + 16 * 16 + 16)
    assert found.flops is not None
    # Backward: the gradient of every weight, and of every input but the first.
    assert found.step_flops == 3 * found.flops - 2 * n * 16
    assert found.activation_bytes >= 2 * 16 * 4, "the two hidden layers"
    assert found.training_bytes == 16 * found.n_parameters + 100 * found.activation_bytes


def test_a_training_step_of_a_day_scope_network_holds_a_whole_day_at_least() -> None:
    one, day = (describe("gats", batch_size=rows, hidden_size=8) for rows in (1, STOCKS))
    assert one.training_bytes == day.training_bytes
    assert f"the backward pass of {STOCKS} rows" in " ".join(cost_lines(one))
    assert describe("gats", batch_size=3 * STOCKS, hidden_size=8).step_rows == 3 * STOCKS
    assert describe("gru", batch_size=1, hidden_size=8).step_rows == 1


def test_activations_of_attention_grow_with_the_lookback() -> None:
    short, long = (describe("transformer", lookback=t, hidden_size=8).activation_bytes for t in (20, 40))
    assert 1.8 * short < long < 4.2 * short


@pytest.mark.parametrize(("lookback", "seen"), [(10, 10), (20, 13)])
def test_the_measured_receptive_field_of_a_tcn_is_the_built_one_where_the_lookback_allows(
    lookback: int, seen: int
) -> None:
    found = describe("tcn", lookback=lookback, hidden_size=8, num_layers=2)
    assert found.built_reach == 13 == 1 + 2 * 2 * (1 + 2)
    assert found.reach == seen
    assert f"{seen} of {lookback} days" in " ".join(cost_lines(found))


def test_a_transformer_of_two_layers_is_drawn_as_a_chain() -> None:
    found = describe("transformer")
    chain = ["input", "embed", "layers.0", "layers.1", "head", "score"]
    assert set(found.edges) == set(itertools.pairwise(chain))
    assert ranks(found.edges) == {part: i for i, part in enumerate(chain)}


def test_hist_reads_concepts_and_its_last_layer_is_fed_by_the_three_parts_of_the_paper() -> None:
    edges = describe("hist").edges
    assert ("concepts", "fc_es") in edges
    assert {source for source, target in edges if target == "fc_out"} == {"fc_es_fore", "fc_is_fore", "fc_indi"}


def test_rows_are_named_in_shapes_and_layers_used_by_their_parent_have_none() -> None:
    shapes = {layer.name: layer.output for layer in describe("transformer", hidden_size=8).layers}
    assert shapes["embed"] == ("S", T, 8)
    assert shapes["head"] == ("S", 1)
    assert shapes["layers.1.self_attn"] == ()


def test_models_fitted_as_a_whole_say_so() -> None:
    linear = describe("linear")
    assert linear.layers == []
    assert "Fitted as a whole" in cost_lines(linear)[-1]
    assert f"{T * linear.n_features + 1:,} fitted numbers" in cost_lines(linear)[-1]


def test_settings_show_what_is_used_what_is_uniform_and_what_is_published() -> None:
    config = load_config(CONFIGS / "quick.yaml", {"models.gats.params": {"hidden_size": 16}, "train.lr": 0.5})
    rows = {row[0]: row[1:] for row in settings_table(describe_model("gats", config)).texts}
    assert rows["lr"] == ["0.5", "0.001", "0.0001"]
    assert rows["params.hidden_size"] == ["16", "64", "64"]
    assert rows["params.dropout"] == ["0", "0", "0.7"]


def test_an_experiment_is_summarised_with_its_deviations() -> None:
    changes = {"models": {"gru": {"params": {"hidden_size": 8}}, "mlp": {"train": {"lr": 0.1}}}, "data.lookback": 8}
    names, config, single = resolve(str(CONFIGS / "quick.yaml"), changes)
    assert not single
    described = [describe_model(name, config) for name in names]
    table = summary_table(described)
    assert table is not None
    assert [row[0] for row in table.texts] == ["gru", "mlp"]
    assert table.texts[0][-1] == "hidden_size 8"
    assert "mlp: lr 0.1 instead of 0.001" in deviation_line(described)


def test_describing_does_not_disturb_the_random_numbers_of_the_caller() -> None:
    before = torch.get_rng_state()
    describe("tabnet")
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_the_figure_is_written_and_the_same_every_time(tmp_path: Path, suffix: str) -> None:
    found = describe("localformer")
    files = [tmp_path / f"{i}{suffix}" for i in range(2)]
    for file in files:
        draw_architecture(found, file)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert len(files[0].read_bytes()) > 5000
    if suffix == ".svg":
        assert "convolutions.1" in _svg_text(found, tmp_path)


def _svg_text(found: Description, folder: Path) -> str:
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none"}):
        draw_architecture(found, folder / "text.svg")
    return (folder / "text.svg").read_text()


def test_figures_that_cannot_be_drawn_say_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.svg or \.png"):
        draw_architecture(describe("gru"), tmp_path / "gru.pdf")
    with pytest.raises(ConfigError, match="linear is fitted as a whole"):
        draw_architecture(describe("linear"), tmp_path / "linear.svg")


def test_an_unknown_target_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(ModelError, match="alstm"):
        resolve("altsm", {})
    with pytest.raises(ConfigError, match="does not exist"):
        resolve("nowhere.yaml", {})

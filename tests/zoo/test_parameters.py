"""Hyper-parameters: explained in the docstrings, refused where no network could be built with them."""

from __future__ import annotations

from typing import Any

import pytest

from zoo.errors import ModelError
from zoo.parameters import parameters_of
from zoo.registry import build, get_spec, list_models


@pytest.mark.parametrize("name", list_models())
def test_every_parameter_is_explained(name: str) -> None:
    silent = [p.name for p in get_spec(name).parameters.values() if not p.meaning]
    assert not silent


class Documented:
    """A model.

    Args:
        first: over
            two lines.
        second, third: together.

    What follows is text: not a parameter.
    """

    def __init__(
        self,
        *,
        n_features: int,
        lookback: int,
        first: int = 1,
        second: float = 2.0,
        third: str = "",
        dropout: float = 0,
    ) -> None:
        """
        Args:
            third: closer to the code, so it wins.
        """


def test_explanations_come_from_class_and_constructor_and_common_ones_need_none() -> None:
    found = {name: p.meaning for name, p in parameters_of(Documented).items()}
    assert list(found) == ["first", "second", "third", "dropout"]
    assert found["first"] == "over two lines"
    assert found["second"] == "together"
    assert found["third"] == "closer to the code, so it wins"
    assert "dropped" in found["dropout"]


@pytest.mark.parametrize(
    ("name", "params", "reason"),
    [
        ("lstm", {"num_layers": 0}, "'num_layers': must be at least 1, got 0"),
        ("transformer", {"num_layers": 0}, "'num_layers': must be at least 1, got 0"),
        ("gru", {"hidden_size": -4}, "'hidden_size': must be at least 1, got -4"),
        ("tcn", {"dropout": 1.5}, "'dropout': must be 0 .. 1, got 1.5"),
        ("tcn", {"channels": [0]}, "at least 1"),
        ("transformer", {"num_heads": 5}, "hidden_size 64 is not a multiple of num_heads 5"),
        ("tra", {"router_hidden": 0}, "router_hidden 0: hidden_size must be greater than zero"),
        ("tabnet", {"n_d": -3}, "n_d -3"),
    ],
)
def test_a_value_no_network_can_be_built_with_is_an_error_naming_model_and_value(
    name: str, params: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ModelError) as raised:
        build(name, n_features=3, lookback=8, **params)
    assert f"model '{name}'" in str(raised.value)
    assert reason in str(raised.value)


def test_values_out_of_range_are_found_before_anything_is_built() -> None:
    with pytest.raises(ModelError, match=r"quick.yaml: model 'gru', parameter 'dropout'"):
        get_spec("gru").check_params({"dropout": -0.1}, where="quick.yaml")

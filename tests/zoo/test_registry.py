"""The registry: names, globs, parameters, plugins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.zoo.small import MODELS
from zoo import registry
from zoo.errors import ModelError, UnavailableError
from zoo.network import Network, WholeModel
from zoo.registry import build, find_models, get_spec, list_models, load_plugin, register_model

PLUGIN = '''
from torch import nn
from zoo.network import Network
from zoo.registry import register_model

@register_model("{name}", title="Mine", paper="none")
class Mine(Network):
    """Last day only."""

    def __init__(self, *, n_features: int, lookback: int, scale: float = 1.0) -> None:
        super().__init__()
        self.scale, self.head = scale, nn.Linear(n_features, 1)

    def forward(self, x, *, day=None, concepts=None):
        return self.scale * self.head(x[:, -1]).squeeze(1)
'''


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    list_models()
    monkeypatch.setattr(registry, "_specs", dict(registry._specs))


def write_plugin(folder: Path, text: str, file: str = "mine.py") -> Path:
    path = folder / file
    path.write_text(text, encoding="utf-8")
    return path


def test_the_ten_networks_and_three_baselines_are_there():
    assert set(MODELS) >= {
        "alstm", "gats", "gru", "hist", "lightgbm", "linear", "localformer",
        "lstm", "mlp", "tabnet", "tcn", "tra", "transformer",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ("gru", ["gru"]),
        ("*lstm", ["alstm", "lstm"]),
        ("tcn,a*", ["tcn", "alstm"]),
        (" GRU , gru,*ru", ["gru"]),
        (["tcn", "l?near"], ["tcn", "linear"]),
        ("t[cr]*", ["tcn", "tra", "transformer"]),
    ],
)
def test_names_and_globs_are_found_in_the_order_given_each_once(patterns: str | list[str], expected: list[str]):
    assert find_models(patterns) == expected


def test_a_star_is_every_model():
    assert find_models("*") == list_models() == sorted(MODELS)


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        ("alstmm", r"no model 'alstmm' \(did you mean 'alstm'\?\); there are alstm, "),
        ("gru,trasformer", r"no model 'trasformer' \(did you mean 'transformer'\?\)"),
        ("x*", r"no model 'x\*'; there are"),
        (" , ", "no model named; there are"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(patterns: str, message: str):
    with pytest.raises(ModelError, match=message):
        find_models(patterns)


def test_a_spec_or_a_build_of_an_unknown_model_names_the_nearest():
    for call in (get_spec, lambda name: build(name, n_features=2, lookback=3)):
        with pytest.raises(ModelError, match=r"no model 'tabnt' \(did you mean 'tabnet'\?\)"):
            call("tabnt")


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"hidden_size": "wide"}, "'hidden_size': input should be a valid integer.* got 'wide'"),
        ({"hidden_size": 3.5}, "'hidden_size': .* got 3.5"),
        ({"dropout": None}, "'dropout': input should be a valid number, got None"),
        ({"rnn_type": "rnn"}, "'rnn_type': input should be 'gru' or 'lstm', got 'rnn'"),
        ({"hidden_size": [8]}, r"'hidden_size': .* got \[8\]"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_naming_model_parameter_and_value(params: dict[str, Any], reason: str):
    with pytest.raises(ModelError, match=f"model 'alstm', parameter {reason}"):
        build("alstm", n_features=2, lookback=3, **params)


def test_the_place_of_a_wrong_parameter_is_named_where_it_is_known():
    with pytest.raises(ModelError, match=r"my\.yaml, models\.gru: model 'gru' has no parameter 'hiden_size'"):
        get_spec("gru").check_params({"hiden_size": 8}, where="my.yaml, models.gru")


def test_checked_values_have_the_declared_type_and_defaults_are_not_filled_in():
    assert get_spec("alstm").check_params({"hidden_size": "16", "dropout": 0}) == {"hidden_size": 16, "dropout": 0.0}


def test_a_registered_model_is_built_with_its_parameters():
    @register_model("twice", title="Twice", paper="none", scope="day", needs_concepts=True)
    class Twice(Network):
        def __init__(self, *, n_features: int, lookback: int, factor: float = 2.0) -> None:
            super().__init__()
            self.given = n_features, lookback, factor

    model = build("twice", n_features=3, lookback=4, factor=5)
    assert isinstance(model, Twice)
    assert model.given == (3, 4, 5.0)
    spec = get_spec("twice")
    assert (spec.scope, spec.needs_concepts, spec.gradient_trained) == ("day", True, True)
    assert spec.source_file == Path(__file__)
    assert [(p.name, p.type_name, p.default) for p in spec.parameters.values()] == [("factor", "float", 2.0)]


def test_a_model_fitted_as_a_whole_says_so():
    @register_model("whole", title="Whole", paper="none")
    class Whole(WholeModel):
        def __init__(self, *, n_features: int, lookback: int) -> None:
            super().__init__()

    assert not get_spec("whole").gradient_trained


def test_a_positional_argument_is_refused():
    with pytest.raises(ModelError, match="model 'loose': constructor argument 'hidden_size' must be keyword-only"):

        @register_model("loose", title="Loose", paper="none")
        class Loose(Network):
            def __init__(self, hidden_size: int = 3, *, n_features: int, lookback: int) -> None:
                super().__init__()

    assert "loose" not in list_models()


@pytest.mark.parametrize("name", ["GRU2", "a-b", "", "a b", "x" * 65, "../up"])
def test_a_name_that_could_not_be_a_folder_everywhere_is_refused(name: str):
    with pytest.raises(ModelError, match="must be lower-case letters, digits and '_'"):
        register_model(name, title="", paper="")(Network)


def test_a_missing_package_makes_a_model_unavailable_and_is_named():
    @register_model("needy", title="Needy", paper="none", packages=("torch", "no_such_package_at_all"))
    class Needy(Network):
        def __init__(self, *, n_features: int, lookback: int) -> None:
            super().__init__()

    assert get_spec("needy").missing_packages() == ["no_such_package_at_all"]
    with pytest.raises(UnavailableError, match="'needy' needs no_such_package_at_all: pip install"):
        build("needy", n_features=1, lookback=1)


def test_a_plugin_adds_a_model_from_a_file_elsewhere(tmp_path: Path):
    load_plugin(write_plugin(tmp_path, PLUGIN.format(name="mine")))
    assert "mine" in list_models()
    model = build("mine", n_features=3, lookback=4, scale=0.0)
    assert torch.equal(model(torch.randn(5, 4, 3)), torch.zeros(5))
    load_plugin(tmp_path / "mine.py")


def test_a_plugin_may_not_take_the_name_of_another_model(tmp_path: Path):
    with pytest.raises(ModelError, match=r"model 'gru' is already registered by .*gru\.py"):
        load_plugin(write_plugin(tmp_path, PLUGIN.format(name="gru")))
    assert get_spec("gru").source_file.name == "gru.py"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import no_such_module_at_all", "fails to import: ModuleNotFoundError"),
        ("def f(:", "fails to import: SyntaxError"),
        ("1 / 0", "fails to import: ZeroDivisionError"),
    ],
)
def test_a_plugin_that_fails_names_file_and_reason(tmp_path: Path, text: str, reason: str):
    with pytest.raises(ModelError, match=rf"plugin .*mine\.py {reason}"):
        load_plugin(write_plugin(tmp_path, text))


def test_a_plugin_that_is_not_there_or_not_python_is_refused(tmp_path: Path):
    with pytest.raises(ModelError, match="does not exist"):
        load_plugin(tmp_path / "gone.py")
    with pytest.raises(ModelError, match="is not a Python file"):
        load_plugin(write_plugin(tmp_path, "x = 1", "mine.txt"))

"""Weights in the reference's names become ours, or the error says which tensor is at fault."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.models.golden import FOLDER, Golden
from zoo.errors import ModelError
from zoo.interop import load_reference_state, reference_key
from zoo.registry import build


def lstm_state() -> dict[str, np.ndarray]:
    return Golden.load("LSTMModel").part("state:")


def test_a_state_loads_without_saying_its_sizes() -> None:
    state = load_reference_state("lstm", lstm_state())
    assert all(tensor.dtype == torch.float32 for tensor in state.values())
    build("lstm", n_features=5, lookback=9, hidden_size=12).load_state_dict(state)


@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("name", ["lstm", "gru", "transformer", "localformer"])
def test_the_number_of_layers_is_read_off_the_state(name: str, num_layers: int) -> None:
    ours = build(name, n_features=2, lookback=3, num_layers=num_layers).state_dict()
    assert load_reference_state(name, ours).keys() == ours.keys()


def test_files_load_like_arrays(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    expected = load_reference_state("lstm", lstm_state())
    save_file(lstm_state(), tmp_path / "plain.safetensors")
    np.savez(tmp_path / "plain.npz", **lstm_state())
    for path in (tmp_path / "plain.safetensors", str(tmp_path / "plain.npz"), FOLDER / "LSTMModel_small.npz"):
        found = load_reference_state("lstm", path)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_a_state_is_copied_not_shared() -> None:
    arrays = {key: torch.tensor(value).float() for key, value in lstm_state().items()}
    load_reference_state("lstm", arrays)["head.bias"].fill_(77)
    assert arrays["fc_out.bias"] != 77


@pytest.mark.parametrize("key", ["encoder_layer.linear1.weight", "pos_encoder.pe"])
def test_dead_layers_and_buffers_of_the_reference_are_dropped(key: str) -> None:
    arrays: dict[str, Any] = {**Golden.load("Transformer").part("state:"), key: np.zeros(3, np.float32)}
    assert reference_key("transformer", key) is None
    load_reference_state("transformer", arrays)


def test_the_duplicates_of_a_tcn_are_dropped() -> None:
    state = load_reference_state("tcn", Golden.load("TCNModel").part("state:"))
    assert not [key for key in state if ".net." in key]


def test_an_unknown_tensor_is_an_error_that_names_it_and_its_neighbour() -> None:
    arrays = lstm_state()
    arrays["fc_out.wieght"] = arrays.pop("fc_out.weight")
    with pytest.raises(ModelError, match=r"'fc_out\.wieght' \(did you mean 'head\.weight'\?\)"):
        load_reference_state("lstm", arrays)


@pytest.mark.parametrize("key", ["rnn.bias_hh_l1", "rnn.weight_ih_l0"])
def test_a_missing_tensor_is_an_error_that_names_it(key: str) -> None:
    arrays = lstm_state()
    del arrays[key]
    with pytest.raises(ModelError, match=f"lacks .* {key}"):
        load_reference_state("lstm", arrays)


def test_a_tensor_without_the_axes_it_must_have_is_an_error() -> None:
    arrays = Golden.load("TCNModel").part("state:")
    for shape in ((), (3,)):
        with pytest.raises(ModelError, match="fewer axes than model 'tcn'"):
            load_reference_state("tcn", {**arrays, "tcn.network.0.conv1.weight_v": np.zeros(shape, np.float32)})


def test_it_is_reached_from_the_package_alone() -> None:
    code = "import zoo; print(zoo.interop.load_reference_state.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "load_reference_state\n", done.stderr


def test_a_state_of_another_model_is_an_error() -> None:
    with pytest.raises(ModelError, match="no tensor for"):
        load_reference_state("tcn", lstm_state())
    with pytest.raises(ModelError, match=r"lacks .* head\.bias"):
        load_reference_state("lstm", {})


def test_an_unknown_model_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(ModelError, match="did you mean 'lstm'"):
        load_reference_state("lstmm", lstm_state())


def test_a_file_that_cannot_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent\.npz does not exist"):
        load_reference_state("lstm", tmp_path / "absent.npz")
    for name in ("broken.npz", "broken.safetensors", "state.pt"):
        (tmp_path / name).write_bytes(b"not a file of tensors")
        with pytest.raises(ModelError, match=name):
            load_reference_state("lstm", tmp_path / name)


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "objects.npz", evil=np.array([{}], dtype=object))
    with pytest.raises(ModelError, match="cannot be read"):
        load_reference_state("lstm", tmp_path / "objects.npz")


def test_text_is_not_a_tensor() -> None:
    with pytest.raises(ModelError, match=r"'fc_out\.bias' .* not numeric"):
        load_reference_state("lstm", {**lstm_state(), "fc_out.bias": np.array(["a"])})

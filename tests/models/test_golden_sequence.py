"""LSTM, GRU, ALSTM, TCN, Transformer and LocalFormer against the reference implementation's numbers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.models.golden import (
    Golden,
    assert_scores_and_gradients,
    assert_training_steps,
    reference_network,
)

RECURRENT = {"hidden_size": 12}
ENCODER = {"hidden_size": 16, "num_heads": 4, "ffn_size": 2048}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "LSTMModel": ("lstm", RECURRENT),
    "GRUModel": ("gru", RECURRENT),
    "ALSTMModel": ("alstm", RECURRENT),
    "ALSTMModel_lstm": ("alstm", {**RECURRENT, "rnn_type": "lstm"}),
    "TCNModel": ("tcn", {"channels": [8, 8, 10]}),
    "Transformer": ("transformer", ENCODER),
    "Localformer": ("localformer", ENCODER),
}


@pytest.mark.parametrize("stem", CASES)
def test_scores_and_gradients_equal_the_reference(stem: str) -> None:
    golden, (name, params) = Golden.load(stem), CASES[stem]
    assert_scores_and_gradients(golden, name, reference_network(golden, name, **params), atol=1e-6)


@pytest.mark.parametrize("stem", CASES)
def test_five_training_steps_equal_the_reference(stem: str) -> None:
    golden, (name, params) = Golden.load(stem), CASES[stem]
    assert_training_steps(golden, reference_network(golden, name, **params), atol=1e-6)

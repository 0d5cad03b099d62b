"""MLP: a multilayer perceptron on the flattened window.

Rumelhart, Hinton & Williams 1986, "Learning representations by back-propagating errors".
The reference's DNN is one hidden layer of 256 with batch normalisation and LeakyReLU, fitted by its own loop.
Here it is two plain hidden layers, so that a row's score depends on no other row, in training neither.
"""

from __future__ import annotations

from torch import nn

from zoo.network import Days, Membership, Network, Scores, Windows
from zoo.registry import register_model


@register_model(
    "mlp",
    title="MLP",
    paper="Rumelhart, Hinton & Williams 1986, Learning representations by back-propagating errors",
    complexity=("T", "N"),
    quick={"hidden_size": 64},
    published={"hidden_size": 256},
)
class MLP(Network):
    """Hidden layers with ReLU on the window's `T * F` values, then one linear unit.

    Args:
        hidden_size: width of the hidden layers; at 128 the model is about as large as the networks.
        num_layers: number of hidden layers.
        dropout: after each hidden layer.
    """

    def __init__(
        self,
        *,
        n_features: int,
        lookback: int,
        hidden_size: int = 128,
        num_layers: int = 2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        widths = [n_features * lookback, *[hidden_size] * num_layers]
        hidden = [nn.Sequential(nn.Linear(width, hidden_size), nn.ReLU(), nn.Dropout(dropout)) for width in widths[:-1]]
        self.net = nn.Sequential(*hidden, nn.Linear(widths[-1], 1))

    def forward(self, x: Windows, *, day: Days | None = None, concepts: Membership | None = None) -> Scores:
        """Scores `[S]` of rows `x [S, T, F]`."""
        return self.net(x.flatten(1)).squeeze(1)

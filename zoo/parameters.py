"""Hyper-parameters of a model: read off its constructor and docstrings, and checked before it is built."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

SHAPE_ARGUMENTS = ("n_features", "lookback")
COMMON = {
    "hidden_size": "width of the hidden state",
    "num_layers": "layers, one upon the other",
    "num_heads": "attention heads; must divide hidden_size",
    "ffn_size": "width inside the feed-forward layers; None: 4 * hidden_size",
    "kernel_size": "steps that a convolution reads",
    "rnn_type": "the recurrent net",
    "dropout": "probability that an activation is dropped in training",
}
"""Parameters that mean the same in every model, and what."""


@dataclass(frozen=True)
class Parameter:
    """One hyper-parameter of a model: its YAML key, type, default, and what it is in one sentence."""

    name: str
    annotation: Any
    default: Any
    meaning: str

    @property
    def type_name(self) -> str:
        if isinstance(self.annotation, type):
            return self.annotation.__name__
        return str(self.annotation).replace("typing.", "")

    def check(self, value: Any) -> Any:
        """`value` as the annotated type.

        Raises:
            ValueError: it is not of that type, or outside the range that the parameter has in every model.
        """
        try:
            checked = TypeAdapter(self.annotation, config=ConfigDict(strict=False)).validate_python(value)
        except ValidationError as error:
            raise ValueError(error.errors()[0]["msg"].lower()) from None
        if self.name in COMMON and isinstance(checked, (int, float)):
            if self.name == "dropout" and not 0 <= checked <= 1:
                raise ValueError("must be 0 .. 1")
            if self.name != "dropout" and checked < 1:
                raise ValueError("must be at least 1")
        return checked


def parameters_of(cls: type) -> dict[str, Parameter]:
    """Hyper-parameters in constructor order, explained by the `Args:` of the class or of its constructor."""
    hints = get_type_hints(cls.__init__)
    meanings = {**COMMON, **_explained(cls.__doc__), **_explained(cls.__init__.__doc__)}
    return {
        name: Parameter(name, hints.get(name, Any), p.default, meanings.get(name, ""))
        for name, p in inspect.signature(cls.__init__).parameters.items()
        if p.kind is p.KEYWORD_ONLY and name not in SHAPE_ARGUMENTS
    }


def _explained(docstring: str | None) -> dict[str, str]:
    """`{name: text}` of a docstring's `Args:` section; `n_d, n_a: text` explains both."""
    section = re.search(r"^Args:\n((?:[ ]+\S.*\n?|\n(?=[ ]))+)", inspect.cleandoc(docstring or ""), re.MULTILINE)
    if section is None:
        return {}
    entries = re.findall(r"^ {4}(\w[\w, ]*): (.*(?:\n {5,}.*)*)", section[1], re.MULTILINE)
    return {name.strip(): " ".join(text.split()).rstrip(".") for names, text in entries for name in names.split(",")}

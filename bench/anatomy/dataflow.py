"""Which part of a network feeds which, read off the autograd graph of one score.

An operation belongs to the part whose parameters it uses; what flows into it comes from the nearest parts upstream.
So the graph is that of the computation itself, whether parts are called as modules or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from bench.anatomy.cost import random_batch, watched
from zoo.network import Batch, Network

INPUT, CONCEPTS, SCORE = "input", "concepts", "score"
Edges = dict[tuple[str, str], None]
"""(from, to), in the order of the computation."""


def dataflow(model: Network, lookback: int, n_features: int, part_of: Callable[[str], str]) -> Edges:
    """Edges between parts, from `input` (and `concepts`, where they are read) to `score`.

    Args:
        part_of: the part that a parameter or module of this name belongs to.
    """
    batch = random_batch(4, lookback, n_features)
    assert batch.concepts is not None
    data = {id(tensor.requires_grad_()): name for tensor, name in ((batch.x, INPUT), (batch.concepts, CONCEPTS))}
    owner = {id(p): part_of(name) for name, p in model.named_parameters()}
    root, output_of = _score(model, batch, part_of)
    edges: Edges = {}
    # By node: the parts that its value comes from; and the part whose weights it is, where it is nothing but weights.
    sources: dict[Any, tuple[dict[str, None], str | None]] = {}
    for node in _inputs_first(root):
        variable = getattr(node, "variable", None)
        if variable is not None:
            name = data.get(id(variable))
            sources[node] = ({name: None}, None) if name else ({}, owner.get(id(variable)))
            continue
        below = [sources[f] for f, _ in node.next_functions if f is not None]
        flowing = {part: None for found, _ in below for part in found}
        weights = next((part for _, part in below if part is not None), None)
        part = output_of.get(node) or (weights if flowing else None)
        if part is None:
            sources[node] = (flowing, weights)
            continue
        edges |= {(found, part): None for found in flowing if found != part}
        sources[node] = ({part: None}, None)
    return edges | {(found, SCORE): None for found in sources[root][0]}


def ranks(edges: Edges) -> dict[str, int]:
    """Row of each part: one below the lowest part that feeds it, of those that are computed before it."""
    found: dict[str, int] = {}
    for source, target in edges:
        found.setdefault(source, 0)
        found.setdefault(target, 0)
    order = {part: i for i, part in enumerate(found)}
    for part in found:
        before = [found[s] for s, t in edges if t == part and order[s] < order[part]]
        found[part] = 1 + max(before) if before else 0
    return found


def has_circle(edges: Edges) -> bool:
    """Whether some part feeds, over others, itself."""
    row = ranks(edges)
    return any(row[source] >= row[target] for source, target in edges)


def _score(model: Network, batch: Batch, part_of: Callable[[str], str]) -> tuple[Any, dict[Any, str]]:
    """The node of the summed score, and the nodes that are outputs of a part called as a module."""
    output_of: dict[Any, str] = {}

    def remember(part: str, output: Any) -> None:
        output_of.update({tensor.grad_fn: part for tensor in _tensors(output) if tensor.grad_fn is not None})

    parts = {
        name: module
        for name, module in model.named_modules()
        if name and part_of(name) == name and any(True for _ in module.parameters())
    }
    with watched(parts, remember), torch.enable_grad():
        return model.eval().score(batch).sum().grad_fn, output_of


def _tensors(output: Any) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, (tuple, list)):
        for item in output:
            yield from _tensors(item)


def _inputs_first(root: Any) -> list[Any]:
    """The nodes that `root` depends on, each after those it depends on itself, then `root`."""
    order: list[Any] = []
    done: set[Any] = set()
    stack = [(root, False)]
    while stack:
        node, ready = stack.pop()
        if ready:
            order.append(node)
        elif node not in done:
            done.add(node)
            stack.append((node, True))
            stack += [(f, False) for f, _ in node.next_functions if f is not None and f not in done]
    return order

"""TabNet's parts against literal formulas: sparsemax, ghost batch norm, losses."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from zoo.models._tabnet import GhostBatchNorm, reconstruction_loss, sparsemax, sparsity


def same(found: Tensor, expected: Tensor, atol: float = 1e-6) -> None:
    torch.testing.assert_close(found.detach(), expected.detach().to(found.dtype), atol=atol, rtol=0)


def projection(z: Tensor) -> Tensor:
    """Projection onto the simplex by bisection on the threshold, float64."""
    low, high = z.amin(-1, keepdim=True).double() - 1, z.amax(-1, keepdim=True).double()
    for _ in range(100):
        middle = (low + high) / 2
        too_much = (z - middle).clamp_min(0).sum(-1, keepdim=True) > 1
        low, high = torch.where(too_much, middle, low), torch.where(too_much, high, middle)
    return (z - high).clamp_min(0)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
@pytest.mark.parametrize("n", [1, 2, 7, 360])
def test_sparsemax_projects_onto_the_simplex(n, scale):
    z = torch.randn(50, n, generator=torch.Generator().manual_seed(n)) * scale
    found = sparsemax(z)
    same(found, projection(z))
    same(found.sum(1), torch.ones(50))


def test_sparsemax_keeps_its_digits_under_a_large_common_offset():
    z = torch.randint(-8, 8, (20, 50)).float() / 8
    assert torch.equal(sparsemax(z + 4096), sparsemax(z))


def test_sparsemax_shares_ties_evenly():
    found = sparsemax(torch.tensor([[2.0, 2.0, 0.5], [1.0, 1.0, 1.0]]))
    same(found, torch.tensor([[0.5, 0.5, 0.0], [1 / 3, 1 / 3, 1 / 3]]))


def test_sparsemax_gradient_is_exact():
    z = torch.randn(4, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2
    assert torch.autograd.gradcheck(sparsemax, z.requires_grad_())
    assert torch.autograd.gradgradcheck(sparsemax, z)


@pytest.mark.parametrize(("count", "size", "parts"), [(20, 8, (10, 10)), (9, 4, (5, 4)), (8, 8, (8,)), (11, 9, (11,))])
def test_ghost_parts_are_normalised_apart_and_counted_in_turn(count, size, parts):
    x = torch.randn(count, 3) * 2 + 1
    ghost, plain = GhostBatchNorm(3, size), nn.BatchNorm1d(3, momentum=0.01)
    found = ghost(x)
    same(found, torch.cat([plain(part) for part in x.split(parts)]))
    for key, value in plain.state_dict().items():
        same(ghost.state_dict()[key], value)


def test_a_part_of_one_row_is_normalised_by_the_running_statistics():
    ghost = GhostBatchNorm(3, 2)
    ghost.running_mean, ghost.running_var = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 4.0, 9.0])
    row = torch.tensor([[2.0, 0.0, 9.0]])
    same(ghost(row), torch.tensor([[1.0, -1.0, 2.0]]), atol=1e-4)
    same(ghost.running_mean, torch.tensor([1.0, 2.0, 3.0]))
    assert [len(part) for part in torch.randn(7, 3).chunk(3)] == [3, 3, 1]
    found = ghost(torch.cat([torch.randn(6, 3), row]).requires_grad_())
    expected = (row - ghost.running_mean) / (ghost.running_var + ghost.eps).sqrt()
    same(found[6:], expected)
    ghost(torch.randn(6, 3))
    found.sum().backward()


def test_sparsity_is_zero_for_one_column_masks_and_largest_for_even_ones():
    one, even = torch.eye(4), torch.full((4, 4), 0.25)
    same(sparsity([one, one]), torch.tensor(0.0))
    same(sparsity([one, even]), torch.log(torch.tensor(4.0)) / 4)


def test_reconstruction_errors_are_relative_to_the_spread_of_a_column_and_constant_ones_are_left_out():
    target = torch.tensor([[0.1, 1.0, 0.0], [0.1, 3.0, 10.0], [0.1, 5.0, 20.0]])
    found, hidden = target + torch.tensor([1.0, 2.0, 5.0]), torch.tensor([[1.0, 1, 0], [1, 0, 1], [1, 0, 1]])
    same(reconstruction_loss(found, target, hidden), torch.tensor(4 / 8 + 50 / 200))
    constant = torch.full((7, 2), 0.1, requires_grad=True)
    loss = reconstruction_loss(constant * 2, constant.detach(), torch.ones(7, 2))
    loss.backward()
    assert loss == 0

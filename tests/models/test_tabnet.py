"""TabNet against reference values, its masks and explanation, and its pre-training."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zoo.registry
from tests.models.golden import Golden
from zoo.errors import ModelError
from zoo.interop import load_reference_state, reference_key
from zoo.models._tabnet import sparsemax, sparsity
from zoo.models.tabnet import TabNet
from zoo.network import Batch
from zoo.training.losses import mse


@pytest.fixture(scope="module")
def golden() -> Golden:
    return Golden.load("TabNet")


def build(**params) -> TabNet:
    torch.manual_seed(0)
    small = {"n_features": 3, "lookback": 4, "hidden_size": 7, "n_d": 5, "n_a": 6, "n_steps": 3}
    model = zoo.registry.build("tabnet", **{**small, **params})
    assert isinstance(model, TabNet)
    return model


def renamed(golden: Golden, prefix: str) -> dict[str, np.ndarray]:
    """Arrays under a prefix by our names of them."""
    return {reference_key("tabnet", key) or "": value for key, value in golden.part(prefix).items()}


def reference(golden: Golden) -> TabNet:
    model = build(
        n_features=11,
        lookback=1,
        hidden_size=6,
        n_a=7,
        virtual_batch_size=8,
        update_prior=False,
        pretrain=True,
        pretrain_target="hidden",
    )
    model.load_state_dict(load_reference_state("tabnet", golden.part("state:")))
    return model


def rows(count: int = 20, lookback: int = 4, n_features: int = 3, seed: int = 1) -> Batch:
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(count, lookback, n_features, generator=draw)
    index = torch.arange(count)
    return Batch(x, torch.randn(count, generator=draw), torch.zeros_like(index), index)


def same(found: Tensor, expected: np.ndarray | Tensor, atol: float = 1e-6) -> None:
    expected = torch.as_tensor(expected).to(found.dtype).detach()
    torch.testing.assert_close(found.detach(), expected, atol=atol, rtol=0)


def same_gradients(model: TabNet, expected: dict[str, np.ndarray], atol: float) -> None:
    names = {name for name, p in model.named_parameters() if p.grad is not None}
    assert names == set(expected)
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            same(parameter.grad, expected[name], atol)


def test_scores_and_gradients_equal_the_reference(golden):
    model = reference(golden).eval()
    x = torch.tensor(golden.arrays["in:x"]).unsqueeze(1).requires_grad_()
    found = model(x)
    same(found, golden.arrays["out"])
    encoded = model.encoder(x.flatten(1), torch.tensor(golden.arrays["in:priors"]))
    same(encoded.summary, golden.arrays["out:vec"])
    same(sparsity(encoded.masks), golden.arrays["out:sparse_loss"])
    loss = found.square().mean()
    same(loss, golden.arrays["loss"])
    loss.backward()
    same_gradients(model, renamed(golden, "grad:"), atol=1e-6)
    assert x.grad is not None
    same(x.grad.squeeze(1), golden.arrays["grad_in:x"])


def test_a_ghost_batch_training_pass_equals_the_reference(golden):
    model = reference(golden).train()
    found = model(torch.tensor(golden.arrays["in:x"]).unsqueeze(1))
    same(found, golden.arrays["train_out"], atol=1e-5)
    loss = found.square().mean()
    same(loss, golden.arrays["train_loss"], atol=1e-5)
    loss.backward()
    same_gradients(model, renamed(golden, "train_grad:"), atol=1e-4)
    state = model.state_dict()
    for key, value in renamed(golden, "train_state:").items():
        same(state[key], value)


def test_reconstruction_and_its_loss_equal_the_reference(golden):
    model = reference(golden)
    model.load_state_dict(load_reference_state("tabnet", golden.part("state:") | golden.part("train_state:")))
    model.eval()
    x, hidden = torch.tensor(golden.arrays["in:x"]), torch.tensor(golden.arrays["in:S_mask"])
    same(model.reconstruct(x, hidden), golden.arrays["out:pretrain_recon"])
    same(model.pretraining_loss(x, hidden), golden.arrays["out:pretrain_loss_paper"], atol=1e-5)


def test_sparsemax_equals_the_reference(golden):
    same(sparsemax(torch.tensor(golden.arrays["in:sparsemax"])), golden.arrays["out:sparsemax"])


def test_it_has_as_many_parameters_as_the_reference():
    model = zoo.registry.build("tabnet", n_features=6, lookback=60)
    assert sum(p.numel() for p in model.parameters()) == 567_345


def test_columns_are_laid_out_feature_by_feature_oldest_first():
    model, batch = build().eval(), rows()
    seen: list[Tensor] = []
    model.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model(batch.x)
    for feature in range(3):
        for t in range(4):
            assert torch.equal(seen[0][:, feature * 4 + t], batch.x[:, t, feature])


def test_in_evaluation_a_score_depends_on_its_own_row_only():
    model, batch = build(), rows()
    model.train()(batch.x)
    model.eval()
    one_by_one = torch.cat([model(batch.x[i : i + 1]) for i in range(20)])
    same(model(batch.x), one_by_one)
    other = batch.x.clone()
    other[1:] = 100.0
    same(model(other)[:1], one_by_one[:1])


def priors_of(model: TabNet, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """The priors each mask was made with, and the masks."""
    priors: list[Tensor] = []
    for module in model.encoder.masks:
        module.register_forward_pre_hook(lambda _, args: priors.append(args[1]))
    return priors, model.encoder(x.flatten(1)).masks


def test_a_column_read_by_one_step_is_less_available_to_the_next():
    model = build(n_steps=4, relax=1.5).eval()
    priors, masks = priors_of(model, rows().x)
    assert len(masks) == 3
    same(priors[0], torch.ones(20, 12))
    same(priors[1], 1.5 - masks[0])
    same(priors[2], (1.5 - masks[0]) * (1.5 - masks[1]))


def test_the_reference_variant_never_updates_the_prior():
    priors, _ = priors_of(build(n_steps=4, update_prior=False).eval(), rows().x)
    assert all((prior == 1).all() for prior in priors)


def test_the_explanation_weighs_each_mask_by_its_share_of_the_decision():
    model, batch = build().eval(), rows()
    found = model.explain(batch)["mask"]
    assert found.shape == (20, 4, 3)
    same(found.sum((1, 2)), torch.ones(20))
    _, masks, decisions = model.encoder(batch.x.transpose(1, 2).flatten(1))
    for row in range(20):
        share = torch.stack([decision[row].sum() for decision in decisions])
        total = sum(m[row] * s for m, s in zip(masks, share / share.sum(), strict=True))
        same(found[row], torch.stack([total[feature * 4 : feature * 4 + 4] for feature in range(3)], dim=1))


def test_a_row_without_any_decision_is_explained_by_the_plain_mean_of_its_masks():
    model, batch = build().eval(), rows()
    for transform in model.encoder.transforms:
        last = transform.get_submodule("own_norms.1")
        for parameter in last.parameters():
            nn.init.zeros_(parameter)
        first = transform.get_submodule("shared_norms.0")
        for name in ("shared_norms.1", "own_norms.0"):
            for parameter in transform.get_submodule(name).parameters():
                nn.init.zeros_(parameter)
        nn.init.zeros_(first.get_parameter("weight"))
        nn.init.constant_(first.get_parameter("bias"), -1.0)
    found = model.explain(batch)["mask"]
    same(found.sum((1, 2)), torch.ones(20))


def test_sparsity_weight_adds_the_entropy_of_the_masks_to_the_loss():
    batch = rows()
    plain, weighted = build().eval(), build(sparsity_weight=0.5).eval()
    masks = plain.encoder(batch.x.transpose(1, 2).flatten(1)).masks
    same(weighted.training_loss(batch, mse), plain.training_loss(batch, mse) + 0.5 * sparsity(masks))


@pytest.mark.parametrize("count", [1, 2, 20])
def test_training_reaches_every_parameter_also_with_one_row(count):
    batch = rows(count, lookback=5, n_features=1)
    model = build(n_features=1, lookback=5).train()
    model.training_loss(batch, mse).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_without_own_or_without_shared_blocks_it_still_scores():
    for params in ({"n_shared": 0}, {"n_ind": 0}, {"n_shared": 1, "n_ind": 1}):
        assert build(**params).train()(rows().x).isfinite().all()


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"n_steps": 1}, "n_steps.*1"),
        ({"n_shared": 0, "n_ind": 0}, "n_shared"),
        ({"virtual_batch_size": 0}, "virtual_batch_size.*0"),
        ({"pretrain_target": "all"}, "pretrain_target.*all"),
    ],
)
def test_parameters_out_of_range_are_named(params, named):
    with pytest.raises(ModelError, match=f"'tabnet'.*{named}"):
        build(**params)


def test_pretraining_is_off_by_default_and_then_there_is_no_decoder():
    model = build()
    assert model.stages == ("main",)
    assert not any("decoder" in key for key in model.state_dict())
    with pytest.raises(ModelError, match="pretrain=True"):
        model.reconstruct(torch.zeros(2, 12), torch.zeros(2, 12))


def test_the_pretraining_stage_reads_no_label_and_trains_encoder_and_decoder_only():
    model, batch = build(pretrain=True).train(), rows()
    assert model.stages == ("pretrain", "main")
    model.on_stage("pretrain")
    unlabelled = Batch(batch.x, torch.full_like(batch.label, torch.nan), batch.day, batch.stock)
    model.training_loss(unlabelled, mse).backward()
    without = {name for name, p in model.named_parameters() if p.grad is None}
    assert without == {"head.weight", "head.bias"}
    model.zero_grad()
    model.on_stage("main")
    model.training_loss(batch, mse).backward()
    without = {name for name, p in model.named_parameters() if p.grad is None}
    assert without == {name for name, _ in model.named_parameters() if name.startswith("decoder.")}


def test_the_encoder_sees_nothing_of_what_is_hidden():
    model, x = build(pretrain=True).eval(), rows().x.flatten(1)
    hidden = torch.bernoulli(torch.full_like(x, 0.3))
    changed = torch.where(hidden > 0, 50.0, x)
    assert torch.equal(model.reconstruct(x, hidden), model.reconstruct(changed, hidden))


def test_pretraining_learns_to_reconstruct_hidden_entries():
    torch.manual_seed(0)
    common = torch.randn(256, 1, 1)
    batch = rows(256)
    batch = Batch(common + 0.1 * batch.x, batch.label, batch.day, batch.stock)
    model = build(pretrain=True, n_d=8, n_a=8).train()
    model.on_stage("pretrain")
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = model.training_loss(batch, mse)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    # 12 columns, 0.3 hidden: the mean of each column leaves 3.6.
    assert np.mean(losses[-5:]) < 1.5 < 3.6 < losses[0]


def test_a_pretrained_state_loads_into_a_model_without_decoder():
    trained, plain = build(pretrain=True).eval(), build().eval()
    nn.init.ones_(trained.head.weight)
    plain.load_state_dict(trained.state_dict())
    same(plain(rows().x), trained(rows().x))
    with pytest.raises(RuntimeError, match="decoder"):
        trained.load_state_dict(plain.state_dict())


def test_a_reference_state_with_decoder_loads_into_a_model_without_one(golden):
    plain = build(n_features=11, lookback=1, hidden_size=6, n_a=7, update_prior=False).eval()
    plain.load_state_dict(load_reference_state("tabnet", golden.part("state:")))
    same(plain(torch.tensor(golden.arrays["in:x"]).unsqueeze(1)), golden.arrays["out"])


def test_an_incomplete_reference_state_names_what_it_lacks(golden):
    state = golden.part("state:")
    del state["model.steps.1.atten_tran.fc.bias"]
    with pytest.raises(ModelError, match=r"encoder\.masks\.1\.linear\.bias"):
        load_reference_state("tabnet", state)

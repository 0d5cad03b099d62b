"""What the report says about training settings that are not the uniform ones."""

from __future__ import annotations

from bench.experiment.deviations import deviation_sentence, deviations, uniform_settings
from zoo.config import TrainConfig

UNIFORM = {"lr": 1e-3, "batch_size": 1024, "grad_clip": 3.0, "max_steps_per_epoch": None}
NONE = "Deviations from the uniform treatment: none."


def test_equal_settings_deviate_in_nothing() -> None:
    assert deviations(dict(UNIFORM), UNIFORM) == []
    assert deviation_sentence({"gru": dict(UNIFORM), "tcn": dict(UNIFORM)}, UNIFORM) == NONE
    assert deviation_sentence({}, UNIFORM) == NONE


def test_what_all_share_is_said_once_and_the_rest_by_model() -> None:
    slow = {**UNIFORM, "batch_size": 800}
    text = deviation_sentence({"gru": slow, "gats": {**slow, "lr": 1e-4, "grad_clip": None}}, UNIFORM)
    assert text == (
        "Deviations from the uniform treatment: all networks: batch_size 800 instead of 1024; "
        "gats: lr 0.0001 instead of 0.001, grad_clip none instead of 3."
    )


def test_a_single_model_is_named() -> None:
    text = deviation_sentence({"gru": {**UNIFORM, "max_steps_per_epoch": 5}}, UNIFORM)
    assert text == "Deviations from the uniform treatment: gru: max_steps_per_epoch 5 instead of none."


def test_the_uniform_treatment_names_every_setting_there_is() -> None:
    assert uniform_settings().keys() == TrainConfig.model_fields.keys()

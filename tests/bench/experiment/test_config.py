from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.experiment.config import ExperimentConfig, load_config, parse_override
from bench.experiment.presets import DEFAULT_CONFIG, experiments
from zoo.config import WalkForwardSplit
from zoo.errors import ConfigError


@pytest.fixture
def yaml_file(tmp_path: Path):
    def write(text: str, name: str = "week.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def refused(path: Path | None, **overrides: object) -> str:
    """The message of the error that loading ends in."""
    with pytest.raises(ConfigError) as error:
        load_config(path, {key.replace("__", "."): value for key, value in overrides.items()})
    return str(error.value)


@pytest.mark.parametrize("path", experiments())
def test_every_experiment_that_comes_with_the_package_loads(path):
    config = load_config(path)
    assert config.models


def test_the_default_experiment_says_that_it_is_quick():
    assert "quick" in load_config(DEFAULT_CONFIG).note.lower()


def test_an_empty_file_is_all_defaults(yaml_file):
    assert load_config(yaml_file("# nothing\n")) == ExperimentConfig() == load_config(None)


@pytest.mark.parametrize(
    ("text", "line", "key", "near"),
    [
        ("name: a\nseedz: [1]\n", 2, "seedz", "seeds"),
        ("train:\n  lr: 1.0e-3\n  batchsize: 5\n", 3, "train.batchsize", "batch_size"),
        ("data:\n  label:\n    horizn: 2\n", 3, "data.label.horizn", "horizon"),
        ("data:\n  split: {trian: 0.5}\n", 2, "data.split.trian", "train"),
        ("data:\n  split:\n    mode: walk_forward\n    expandin: true\n", 4, "data.split.expandin", "expanding"),
        ("models:\n  gru:\n    parms: {}\n", 3, "models.gru.parms", "params"),
    ],
)
def test_an_unknown_key_names_file_line_key_and_the_nearest(yaml_file, text, line, key, near):
    path = yaml_file(text)
    assert refused(path) == f"{path}, line {line}: unknown key '{key}' (did you mean '{near}'?)"


def test_a_key_of_the_other_split_mode_is_unknown(yaml_file):
    assert "unknown key 'data.split.step'" in refused(yaml_file("data:\n  split: {train: 0.6, step: 6m}\n"))


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("mode", "walkforward", "'data.split.mode': must be fixed or walk_forward, got 'walkforward'"),
        ("embargo", "some", "'data.split.embargo': must be auto, or a number of days from 0 on, got 'some'"),
        ("train", "abc", "'data.split.train': must be a fraction such as 0.6, or two dates: [2015-01-01, 2016-12-31]"),
    ],
)
def test_a_bad_split_is_one_message_in_the_words_of_the_file(yaml_file, key, value, expected):
    path = yaml_file(f"data:\n  split: {{{key}: {value}}}\n")
    (message,) = refused(path).splitlines()
    assert message.startswith(f"{path}, line 2: {expected}")


@pytest.mark.parametrize("order", [1, -1])
def test_a_split_of_another_mode_drops_the_segments_of_the_file(yaml_file, order: int):
    path = yaml_file("data: {split: {train: 0.6, valid: 0.2, test: 0.2, embargo: 3}}\n")
    asked = {"data.split.mode": "walk_forward", "data.split.train": "2y"}
    split = load_config(path, dict([*asked.items()][::order])).data.split
    assert isinstance(split, WalkForwardSplit)
    assert (split.train, split.test, split.embargo) == ("2y", "6m", 3)
    assert load_config(path, {"data.split.mode": "fixed", "data.split.train": 0.5}).data.split.train == 0.5


def test_a_key_unlike_any_other_is_named_without_a_guess(yaml_file):
    assert refused(yaml_file("qqq: 1\n")).endswith("unknown key 'qqq'")


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("train:\n  lr: fast\n", 2, "'train.lr': input should be a valid number, unable to parse string as a number"),
        ("train:\n  lr: -1\n", 2, "'train.lr': input should be greater than 0, got -1"),
        ("train: {lr: .nan}\n", 1, "'train.lr': input should be"),
        ("train:\n  batch_size: 2.5\n", 2, "'train.batch_size': input should be a valid integer"),
        ("seeds: 3\n", 1, "'seeds': input should be a valid list, got 3"),
        ("seeds: []\n", 1, "'seeds': list should have at least 1 item"),
        ("seeds: [1, 1]\n", 1, "'seeds': must be different and within 0 .. 4294967295, got [1, 1]"),
        ("seeds: [-1]\n", 1, "'seeds': must be different and within 0 .. 4294967295, got [-1]"),
        ("seeds: [4294967296]\n", 1, "within 0 .. 4294967295, got [4294967296]"),
        ("train:\n  batch_size: 10000001\n", 2, "should be less than or equal to 10000000, got 10000001"),
        ("device: gpu\n", 1, "'device': input should be 'auto', 'cpu' or 'cuda', got 'gpu'"),
        ("name: ../x\n", 1, "'name': must be 1 to 80 letters, digits, '.', '_' or '-'"),
        ("name: ''\n", 1, "'name': must be 1 to 80 letters"),
        (f"name: {'a' * 81}\n", 1, "'name': must be 1 to 80 letters"),
        ("name: .hidden\n", 1, "'name': must be 1 to 80 letters"),
        ('name: "a\\n"\n', 1, "'name': must be 1 to 80 letters"),
        ("data: prices.csv\n", 1, "'data': input should be a valid dictionary"),
        ("data:\n  split: {train: 0.9, valid: 0.2, test: 0.2}\n", 2, "fractions must be positive and sum to at most 1"),
        ("data:\n  split: {mode: weekly}\n", 2, "'data.split.mode'"),
    ],
)
def test_a_bad_value_names_file_line_key_and_value(yaml_file, text, line, expected):
    path = yaml_file(text)
    message = refused(path)
    assert message.startswith(f"{path}, line {line}: ")
    assert expected in message


def test_all_mistakes_are_named_at_once(yaml_file):
    message = refused(yaml_file("seedz: 1\ntrain:\n  lr: -1\n"))
    assert len(message.splitlines()) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seeds: [1]\nseeds: [2]\n", "key 'seeds' is given twice"),
        ("train: {lr: 1, lr: 2}\n", "key 'lr' is given twice"),
        ("name: [\n", "not valid YAML"),
        ("- a\n- b\n", "must be a mapping of keys, found list"),
        ("just words\n", "must be a mapping of keys, found str"),
        ("a: !!python/object/apply:os.system ['true']\n", "not valid YAML"),
        ("? [a, b]\n: 1\n", "not valid YAML"),
        ("train: &t {lr: *t}\n", "a section lies within itself"),
        (f"a: {'[' * 3000}\n", "or 40 levels"),
        ("1: 2\n", "keys should be strings"),
        ("a: \x07\n", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_experiment_is_refused_by_name(yaml_file, text, expected):
    path = yaml_file(text)
    message = refused(path)
    assert str(path) in message
    assert expected in message


def test_a_file_that_is_not_text_is_refused_by_name(tmp_path):
    path = tmp_path / "week.yaml"
    path.write_bytes(b"name: \xff\xfe\n")
    assert f"{path}: not valid YAML" in refused(path)


def test_a_missing_file_names_the_nearest_one(yaml_file):
    path = yaml_file("")
    message = refused(path.with_name("weak.yaml"))
    assert "does not exist (did you mean 'week.yaml'?)" in message


def test_a_folder_in_place_of_a_file_is_refused(tmp_path):
    assert "does not exist" in refused(tmp_path)


def test_overrides_win_over_the_file_and_leave_the_rest(yaml_file):
    path = yaml_file("train: {lr: 1.0e-3, patience: 7}\nmodels: {gru: }\n")
    config = load_config(path, {"train.lr": 0.5, "models.gru.params.hidden_size": 8, "models.tcn.train.lr": 0.1})
    assert (config.train.lr, config.train.patience) == (0.5, 7)
    assert config.models["gru"].params == {"hidden_size": 8}
    assert config.models["tcn"].train == {"lr": 0.1}


def test_a_wrong_override_is_blamed_on_the_command_line_and_not_on_the_file(yaml_file):
    path = yaml_file("train: {lr: 1.0e-3}\n")
    message = refused(path, train__lr=-1)
    assert "--set" in message
    assert str(path) not in message


def test_what_lies_inside_a_section_given_by_override_is_blamed_on_the_command_line(yaml_file):
    path = yaml_file("data:\n  universe: members.txt\n  split: {train: 0.6}\n")
    message = refused(path, data__universe={"top_liquidty": 30})
    assert message == "--set: unknown key 'data.universe.top_liquidty' (did you mean 'top_liquidity'?)"
    assert refused(path, data__split__train=0.9).startswith(f"{path}, line 3 with --set: 'data.split': fractions must")


def test_an_unknown_key_of_an_override_names_the_nearest():
    assert re.search(r"--set.*unknown key 'train\.lrr' \(did you mean 'lr'\?\)", refused(None, train__lrr=1))


def test_an_override_below_a_value_is_refused(yaml_file):
    assert "'lr' is a value, not a section" in refused(yaml_file("train: {lr: 1.0e-3}\n"), train__lr__x=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("train.lr=5e-4", ("train.lr", "5e-4")),
        ("train.lr=5.0e-4", ("train.lr", 5e-4)),
        ("seeds=[1, 2]", ("seeds", [1, 2])),
        ("baseline=null", ("baseline", None)),
        ("baseline=", ("baseline", None)),
        ("note=a=b", ("note", "a=b")),
        (" name = x ", ("name", "x")),
        ("models.gru.params={hidden_size: 4}", ("models.gru.params", {"hidden_size": 4})),
    ],
)
def test_an_override_is_a_dotted_key_and_yaml(text, expected):
    assert parse_override(text) == expected


def test_a_learning_rate_without_a_point_is_still_a_number():
    # YAML 1.1 reads 5e-4 as text.
    assert load_config(None, dict([parse_override("train.lr=5e-4")])).train.lr == 5e-4


@pytest.mark.parametrize("text", ["train.lr", "=3", " =3", "a=[", "a={b: 1", "a=2015-02-31"])
def test_an_override_that_is_none_is_refused(text):
    with pytest.raises(ConfigError, match=re.escape(f"--set {text}")):
        parse_override(text)

"""The library is compiled once, found again, safe to build at once, and its absence is told but does no harm."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import zoo
from tests.kernels.usable import usable
from zoo import kernels
from zoo.errors import UnavailableError
from zoo.kernels.build import SOURCE, build, source_digest

ROOT = Path(__file__).parents[2]
compiled = pytest.mark.skipif(not usable(), reason="no C compiler was found, or $ZOO_RECURRENT is torch")


def process(cache: Path) -> subprocess.Popen[str]:
    """A fresh interpreter that builds what it needs into `cache` and says what it uses."""
    environment = {**os.environ, "ALPHA_ZOO_CACHE": str(cache), kernels.VARIABLE: "auto"}
    code = "from zoo import kernels; print(kernels.recurrent_backend())"
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def test_the_digest_that_trial_keys_read_is_that_of_the_source() -> None:
    assert source_digest() == kernels.SOURCE_DIGEST, f"write {source_digest()!r} to zoo.kernels.SOURCE_DIGEST"


def test_source_files_stay_short() -> None:
    assert all(len(file.read_text().splitlines()) < 300 for file in SOURCE.iterdir())


@compiled
def test_processes_may_build_at_once_and_leave_one_library_that_is_not_built_again(tmp_path: Path) -> None:
    outputs = [one.communicate(timeout=240)[0] for one in [process(tmp_path), process(tmp_path)]]
    assert outputs[0] == outputs[1]
    assert outputs[0].startswith("own kernel (")
    (library,) = (tmp_path / "kernels").iterdir()
    before = library.stat().st_mtime_ns
    assert build(tmp_path / "kernels").library.zoo_lanes() in (4, 8, 16)
    assert library.stat().st_mtime_ns == before


@compiled
def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert build(tmp_path / "file" / "cache").library.zoo_lanes() in (4, 8, 16)


@pytest.mark.parametrize(("compiler", "told"), [("no-such-compiler", "not found"), ("false", "compiler")])
def test_without_a_working_compiler_torch_computes_and_the_reason_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiler: str, told: str
) -> None:
    torch.manual_seed(0)
    model, x = zoo.build("gru", n_features=3, lookback=5, hidden_size=4).eval(), torch.randn(2, 5, 3)
    monkeypatch.setenv(kernels.VARIABLE, "torch")
    expected = model(x)
    assert kernels.recurrent_backend() == "torch (ZOO_RECURRENT=torch)"
    monkeypatch.setenv(kernels.VARIABLE, "auto")
    monkeypatch.setenv("ALPHA_ZOO_CACHE", str(tmp_path))
    monkeypatch.setenv("CC", compiler)
    kernels._attempt.cache_clear()
    try:
        assert kernels.recurrent_backend().startswith("torch (")
        assert told in kernels.recurrent_backend()
        assert torch.equal(model(x), expected)
    finally:
        kernels._attempt.cache_clear()


def test_a_choice_that_cannot_be_met_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(kernels.VARIABLE, "kernel")
    monkeypatch.setattr(kernels, "_attempt", lambda: "no compiler found")
    with pytest.raises(UnavailableError, match="no compiler found; install gcc or clang"):
        kernels.library()
    monkeypatch.setenv(kernels.VARIABLE, "kernal")
    with pytest.raises(UnavailableError, match="did you mean 'kernel'"):
        kernels.recurrent_backend()

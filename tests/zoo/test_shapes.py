"""Signatures state shapes; the tests run with every call held to them, users without that cost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import torch

from zoo.crosssection import pearson_rows, rank_rows
from zoo.training.losses import mse


def test_days_and_stocks_of_two_arguments_must_agree():
    with pytest.raises(jaxtyping.TypeCheckError):
        pearson_rows(np.zeros((3, 4)), np.zeros((3, 5)))
    with pytest.raises(jaxtyping.TypeCheckError):
        rank_rows(np.zeros(3))
    with pytest.raises(jaxtyping.TypeCheckError):
        mse(torch.zeros(3), torch.zeros(3, 1))


def test_without_the_checker_the_package_needs_nothing_of_it():
    code = """
import sys
sys.modules["jaxtyping"] = sys.modules["beartype"] = None
import numpy as np, zoo.crosssection, zoo.training.losses
assert zoo.crosssection.rank_rows(np.array([[2.0, 1.0]])).tolist() == [[2.0, 1.0]]
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])

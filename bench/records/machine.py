"""What machine and which libraries a figure was measured with."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata

from zoo.errors import UnavailableError
from zoo.kernels import recurrent_backend


def recurrence() -> str:
    """What computes recurrent nets on the CPU, or why nothing can: the last bits of their scores depend on it."""
    try:
        return recurrent_backend()
    except UnavailableError as error:
        return f"none: {error}"


def versions() -> dict[str, str]:
    """Versions of Python and the libraries numbers depend on, and what computes recurrent nets on the CPU."""
    found = {"python": platform.python_version()}
    for package in ("torch", "numpy", "pandas", "alpha-zoo"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found | {"cpu recurrence": recurrence()}


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Compute with that many intra-op threads on the CPU within the block."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cpu_name() -> str:
    """Marketing name of the processor, or its architecture where none is told."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:
            for line in stream:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def device_name(device: str) -> str:
    """Name of the device that computes: the GPU's for `cuda`, the processor's for `cpu`."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name()
    return cpu_name()


def machine_id(device: str) -> str:
    """A file-safe key for records of timings: device name, cores, operating system."""
    name = f"{device_name(device)}-{os.cpu_count()}-cores-{platform.system()}"
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()


def resolve_device(device: str) -> str:
    """`cpu` or `cuda`; `auto` takes CUDA where it works.

    Raises:
        ConfigError: `cuda` was asked for and there is none.
    """
    import torch

    from zoo.errors import ConfigError

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device: cuda was asked for, but torch finds no CUDA device; use auto or cpu")
    return device

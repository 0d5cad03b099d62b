"""The code that a model's numbers depend on, as a hash: part of every trial's key."""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path

from bench.metrics.formula import file_of, imports_of
from bench.records.store import key_of
from zoo import registry

SHARED = ("zoo.trainer", "zoo.data.windows", "zoo.training.losses")
"""Where the code that every trial runs through begins."""
# The registry decides which code runs, not what it computes; configuration values stand in the key themselves.
_WITHOUT_NUMBERS = frozenset({"zoo", "zoo.registry", "zoo.parameters", "zoo.errors", "zoo.config"})


@lru_cache
def source_hash(model: str) -> str:
    """Hash of `source_files`; comments, docstrings and layout do not count."""
    return key_of([code_of(file) for file in source_files(model)])


def source_files(model: str) -> list[Path]:
    """The model's own file, inside the package or not, and all that it and the trainer import, transitively.

    Of imports those of `zoo` count, and those of files beside a plugin; installed packages do not.
    """
    spec = registry.get_spec(model)
    own = spec.source_file.resolve()
    found = {own}
    waiting = [(own, spec.cls.__module__), *((file_of(name, own.parent, _WITHOUT_NUMBERS), name) for name in SHARED)]
    while waiting:
        file, module = waiting.pop()
        if file is None:
            continue
        found.add(file)
        for name in _imports(file, module):
            imported = file_of(name, own.parent, _WITHOUT_NUMBERS)
            if imported is not None and imported not in found:
                waiting.append((imported, name))
    return [own, *sorted(found - {own})]


@lru_cache
def code_of(file: Path) -> str:
    """A file's syntax tree without comments, docstrings, layout, and what a model declares that decides no number."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "register_model":
            node.keywords = [k for k in node.keywords if k.arg not in registry.WITHOUT_NUMBERS]
        body = getattr(node, "body", None)
        first = body[0] if isinstance(body, list) and body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(body, list):
            body[0] = ast.Expr(ast.Constant(""))
    return ast.dump(tree)


def forget_sources() -> None:
    """From now on files are read again: a plugin may have been changed since."""
    for cached in (source_hash, code_of, _imports):
        cached.cache_clear()


@lru_cache
def _imports(file: Path, module: str) -> list[str]:
    """Dotted names that a file may import as modules, inside functions too."""
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    imports = (node for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom)))
    return [dotted for node in imports for _, dotted, _ in imports_of(node, file, module)]

"""The code that a metric's numbers depend on, as a hash: what a record holds beside each of its daily series."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from functools import lru_cache
from importlib.util import resolve_name
from pathlib import Path
from typing import Any

from bench.metrics import scored
from bench.metrics.registry import Metric
from bench.records.store import key_of

ROOT = Path(__file__).resolve().parents[2]
_WITHOUT_NUMBERS = ("bench.metrics.registry", "zoo.errors")
_WHOLE = ""

Code = tuple[Path, str, str]
"""File, name of its module, name of what it defines; no name = all of it."""


@lru_cache
def formula_hash(metric: Metric) -> str:
    """Hash of the metric's function and of all that it uses: of its file, of files beside it, of `zoo` and this room.

    What else these files define does not count, nor do comments, docstrings, types, layout and what `register_metric`
    is told. The hash is the same under every version of Python: committed records hold it.
    """
    name = metric.function.__name__
    own = metric.source_file.resolve()
    known = any(name in _names(statement) for statement in _statements(own))
    start: Code = (own, metric.function.__module__, name if known else _WHOLE)
    waiting, used = [start, (Path(scored.__file__).resolve(), scored.__name__, "Scored")], set()
    while waiting:
        code = waiting.pop()
        if code not in used:
            used.add(code)
            waiting += _uses(code, own.parent)
    texts = {key_of(_structure(statement)) for code in used for statement in _defining(code)}
    return key_of(sorted(texts))


def _defining(code: Code) -> Iterator[ast.stmt]:
    """The statements that define a name, and those of its file that name nothing."""
    file, _, wanted = code
    for statement in _statements(file):
        names = _names(statement)
        if not isinstance(statement, (ast.Import, ast.ImportFrom)) and (not names or wanted in (_WHOLE, *names)):
            yield statement


def _uses(code: Code, beside: Path) -> Iterator[Code]:
    """What the definition of a name refers to: other names of its file, and what is imported."""
    file, module, wanted = code
    here = {name for statement in _statements(file) for name in _names(statement)}
    used = {n.id for s in _defining(code) for n in ast.walk(s) if isinstance(n, ast.Name)} | {wanted}
    yield from ((file, module, name) for name in used & here)
    for node in (n for statement in _statements(file) for n in ast.walk(statement)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for bound, dotted, name in imports_of(node, file, module):
                found = file_of(dotted, beside, _WITHOUT_NUMBERS) if wanted == _WHOLE or bound in used | {"*"} else None
                if found is not None:
                    yield found, dotted, name


def imports_of(node: ast.Import | ast.ImportFrom, file: Path, module: str) -> Iterator[tuple[str, str, str]]:
    """The name that is bound, the module it comes from, its name there; both of a submodule and of a name in one."""
    for alias in node.names:
        if isinstance(node, ast.Import):
            yield alias.asname or alias.name.split(".")[0], alias.name, _WHOLE
            continue
        package = module if file.name == "__init__.py" else module.rpartition(".")[0]
        base = resolve_name("." * node.level + (node.module or ""), package) if node.level else node.module or ""
        yield alias.asname or alias.name, base, _WHOLE if alias.name == "*" else alias.name
        yield alias.asname or alias.name, f"{base}.{alias.name}", _WHOLE


def file_of(module: str, beside: Path, without: Collection[str]) -> Path | None:
    """The file of a module of `zoo`, of this room or `beside` a plugin; None for all others and for names of no module.

    Args:
        without: modules that decide no number.
    """
    if module in without:
        return None
    ours = module.split(".")[0] == "zoo" or f"{module}.".startswith("bench.metrics.")
    path = (ROOT if ours else beside).joinpath(*module.split("."))
    return next((f for f in (path.with_suffix(".py"), path / "__init__.py") if f.is_file()), None)


def _names(statement: ast.stmt) -> set[str]:
    """What a statement of a module defines, imports left out."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return {statement.name}
    return {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _statements(file: Path) -> list[ast.stmt]:
    """The statements of a file."""
    return _parsed(file, file.stat().st_mtime_ns)


@lru_cache
def _parsed(file: Path, _changed: int) -> list[ast.stmt]:
    """The same without docstrings and types, and functions without the decorators that register them."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [s for s in body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]  # type: ignore[attr-defined]
        if isinstance(node, ast.FunctionDef):
            node.decorator_list, node.returns = [d for d in node.decorator_list if not _registers(d)], None
        if isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant("")
    return tree.body


def _registers(decorator: ast.expr) -> bool:
    return getattr(getattr(decorator, "func", None), "id", "") in ("register_metric", "register_summary")


def _structure(node: Any) -> Any:
    """A syntax tree as nested lists. Versions of Python differ in the empty fields they know of."""
    if isinstance(node, ast.AST):
        fields = [[name, _structure(value)] for name, value in ast.iter_fields(node) if value not in (None, [])]
        return [type(node).__name__, fields]
    return [_structure(entry) for entry in node] if isinstance(node, list) else repr(node)

"""The model registry: one file and one decorator add a model.

`@register_model` on a `Network` subclass makes it known to `build`, the CLI, the tests and the report. Every module
of `zoo.models` is imported on first use; `load_plugin` adds a file from elsewhere.
"""

from __future__ import annotations

import fnmatch
import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from zoo.config import Size
from zoo.errors import ModelError, UnavailableError, ZooError, did_you_mean
from zoo.network import Network, WholeModel
from zoo.parameters import Parameter, parameters_of

Scope = Literal["sample", "day"]
N = TypeVar("N", bound=type[Network])

WITHOUT_NUMBERS = frozenset({"complexity", "quick", "published", "variants"})
"""What a model declares that decides no number by itself: parameters count in a trial's key once they are chosen."""

_specs: dict[str, ModelSpec] = {}
_scanned = False


@dataclass(frozen=True)
class ModelSpec:
    """What the registry knows of a model.

    Attributes:
        name: registry key, lower case.
        cls: the `Network` subclass.
        scope: `sample` scores each row alone; `day` scores the rows of a day together.
        title: name as printed in reports.
        paper: citation, or a sentence where there is none.
        needs_concepts: True where the model cannot run on data without concepts.
        packages: import names of optional packages the model cannot run without.
        complexity: how the cost of a day grows with the lookback T and the number of stocks N, in theory.
        quick: parameters of a small network, for runs of minutes.
        published: parameters of the published network, whatever the defaults may become.
        variants: parameters with which its scaling is measured once more.
    """

    name: str
    cls: type[Network]
    scope: Scope
    title: str
    paper: str
    needs_concepts: bool = False
    packages: tuple[str, ...] = ()
    complexity: tuple[str, str] = ("", "")
    quick: dict[str, Any] = field(default_factory=dict)
    published: dict[str, Any] = field(default_factory=dict)
    variants: tuple[dict[str, Any], ...] = ()

    def sized(self, size: Size) -> dict[str, Any]:
        """The parameters declared for a size; none, the defaults, where nothing is declared."""
        return {"default": {}, "quick": self.quick, "published": self.published}[size]

    @property
    def gradient_trained(self) -> bool:
        return not issubclass(self.cls, WholeModel)

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Hyper-parameters in constructor order."""
        return parameters_of(self.cls)

    @property
    def source_file(self) -> Path:
        return Path(inspect.getfile(self.cls))

    def missing_packages(self) -> list[str]:
        return [p for p in self.packages if importlib.util.find_spec(p) is None]

    def check_params(self, params: dict[str, Any], where: str = "") -> dict[str, Any]:
        """Validated and coerced copy of `params`, without filling in defaults.

        Raises:
            ModelError: an unknown key or a value of the wrong type, naming the nearest valid key.
        """
        known, checked = self.parameters, {}
        prefix = f"{where}: " if where else ""
        for key, value in params.items():
            if key not in known:
                raise ModelError(
                    f"{prefix}model '{self.name}' has no parameter '{key}'"
                    f"{did_you_mean(key, known)}; it takes {', '.join(known) or 'none'}"
                )
            try:
                checked[key] = known[key].check(value)
            except ValueError as error:
                raise ModelError(f"{prefix}model '{self.name}', parameter '{key}': {error}, got {value!r}") from None
        return checked


def register_model(
    name: str,
    *,
    title: str,
    paper: str,
    scope: Scope = "sample",
    needs_concepts: bool = False,
    packages: tuple[str, ...] = (),
    complexity: tuple[str, str] = ("", ""),
    quick: dict[str, Any] | None = None,
    published: dict[str, Any] | None = None,
    variants: tuple[dict[str, Any], ...] = (),
) -> Callable[[N], N]:
    """Class decorator that adds a `Network` to the registry; see `ModelSpec` for the arguments.

    Raises:
        ModelError: the name is taken by another class, a constructor argument is not keyword-only, or parameters are
            declared that the constructor does not take.
    """

    def register(cls: N) -> N:
        if name != name.lower() or not name.replace("_", "").isalnum() or len(name) > 64:
            raise ModelError(f"model name {name[:80]!r} must be lower-case letters, digits and '_', at most 64")
        taken = _specs.get(name)
        if taken is not None and taken.source_file != Path(inspect.getfile(cls)):
            raise ModelError(f"model '{name}' is already registered by {taken.source_file}")
        for p in list(inspect.signature(cls.__init__).parameters.values())[1:]:
            if p.kind is not p.KEYWORD_ONLY:
                raise ModelError(f"model '{name}': constructor argument '{p.name}' must be keyword-only")
        declared = (quick or {}, published or {}, *variants)
        spec = ModelSpec(
            name, cls, scope, title, paper, needs_concepts, packages, complexity, *declared[:2], variants=variants
        )
        for params in declared:
            spec.check_params(params, where=f"register_model of {name}")
        _specs[name] = spec
        return cls

    return register


def _scan() -> None:
    global _scanned
    if not _scanned:
        _scanned = True
        import zoo.models

        for module in pkgutil.iter_modules(zoo.models.__path__):
            if not module.name.startswith("_"):
                importlib.import_module(f"zoo.models.{module.name}")


def load_plugin(path: str | Path) -> None:
    """Import a Python file that registers models, markets or metrics of its own.

    Raises:
        ZooError: the file is missing, fails to import, or registers what cannot be.
    """
    file = Path(path)
    if not file.is_file():
        raise ModelError(f"plugin {file} does not exist")
    _scan()
    module_name = f"zoo_plugin_{file.stem}"
    spec = importlib.util.spec_from_file_location(module_name, file)
    if spec is None or spec.loader is None:
        raise ModelError(f"plugin {file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except ZooError:
        raise
    except Exception as error:
        raise ModelError(f"plugin {file} fails to import: {type(error).__name__}: {error}") from error


def list_models(pattern: str = "*") -> list[str]:
    """Registered names that match a shell glob, sorted."""
    _scan()
    return sorted(fnmatch.filter(_specs, pattern))


def find_models(patterns: str | Iterable[str]) -> list[str]:
    """Names matched by a comma list (or several) of names and globs, in the order given, each once.

    Raises:
        ModelError: an entry matches nothing; names the nearest model.
    """
    entries = patterns.split(",") if isinstance(patterns, str) else list(patterns)
    found: dict[str, None] = {}
    for entry in (e.strip() for e in entries):
        if not entry:
            continue
        matches = list_models(entry.lower())
        if not matches:
            raise ModelError(
                f"no model '{entry}'{did_you_mean(entry, list_models())}; there are {', '.join(list_models())}"
            )
        found.update(dict.fromkeys(matches))
    if not found:
        raise ModelError(f"no model named; there are {', '.join(list_models())}")
    return list(found)


def get_spec(name: str) -> ModelSpec:
    """The spec of one model.

    Raises:
        ModelError: no such model; names the nearest one.
    """
    _scan()
    if name not in _specs:
        raise ModelError(f"no model '{name}'{did_you_mean(name, _specs)}; there are {', '.join(list_models())}")
    return _specs[name]


def build(name: str, *, n_features: int, lookback: int, **params: Any) -> Network:
    """A freshly initialised model for inputs `[S, lookback, n_features]`.

    Raises:
        ModelError: unknown model or parameter, or parameters that the model cannot be built with.
        UnavailableError: a package the model needs is not installed.
    """
    spec = get_spec(name)
    if missing := spec.missing_packages():
        raise UnavailableError(f"model '{name}' needs {', '.join(missing)}: pip install {' '.join(missing)}")
    checked = spec.check_params(params)
    try:
        return spec.cls(n_features=n_features, lookback=lookback, **checked)
    except (ModelError, ValueError, ArithmeticError, RuntimeError) as error:
        if isinstance(error, ModelError) and f"'{name}'" in str(error):
            raise
        given = ", ".join(f"{key} {value!r}" for key, value in checked.items()) or "its defaults"
        raise ModelError(f"model '{name}' cannot be built with {given}: {error}") from error

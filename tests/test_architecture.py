"""What may import what, and what importing costs."""

from __future__ import annotations

import ast
import os
import resource
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "pandas", "scipy", "pyarrow", "matplotlib", "arch", "lightgbm", "safetensors", "captum", "jinja2")
# Of what the package depends on, the part that `zoo` may need to be imported and to train.
CORE = {"torch", "numpy", "pandas", "scipy", "yaml", "pydantic"}


def python(code: str, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """`code` in a fresh interpreter that finds the packages."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def loaded_after(code: str, *arguments: str) -> set[str]:
    """Which heavy packages are loaded once `code` has run."""
    done = python(f"{code}\nimport sys; print('LOADED', *sorted(set(sys.modules) & {set(HEAVY)!r}))", *arguments)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("LOADED")[2].split())


def command(*arguments: str) -> str:
    """Code that runs a command line and goes on after its exit."""
    return (
        f"import sys; sys.argv = ['bench', *{list(arguments)!r}]\n"
        "from bench.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
    )


def test_importing_a_package_costs_nothing():
    assert loaded_after("import zoo; dir(zoo)") == set()
    assert loaded_after("import bench; dir(bench)") == set()
    assert loaded_after(
        "import zoo.errors, zoo.registry; import bench.records.store, bench.experiment.config, bench.cli"
    ) <= {"torch"}


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["predict", "--help"]])
def test_help_imports_neither_torch_nor_pandas(arguments):
    assert loaded_after(command(*arguments)) == set()


@pytest.mark.parametrize("arguments", [["config", "--all"], ["config", "full", "--set", "train.lr=5e-4"]])
def test_settings_are_printed_without_torch(arguments):
    assert "torch" not in loaded_after(command(*arguments))


def test_help_costs_less_than_a_second():
    # Processor time, which does not depend on what else the machine does.
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-m", "bench", "--help"], capture_output=True, check=True, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert b"Which network" in done.stdout
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1


def test_zoo_trains_and_predicts_with_its_core_packages_alone():
    blocked = [*(set(HEAVY) - CORE), "tabulate", "typer", "rich", "sklearn", "qlib", "ray", "mlflow", "bench"]
    code = f"""
import sys
for name in {blocked!r}:
    sys.modules[name] = None
import zoo
from zoo import trainer
from zoo.config import DataConfig, TrainConfig
from zoo.data.split import make_folds
from zoo.data.windows import Dataset
panel = zoo.load_panel("planted:local?stocks=8&days=120")
config = DataConfig(lookback=4)
data = Dataset(panel, config, make_folds(panel.days, config.split, 2, 30)[0])
assert "gru" in zoo.list_models()
model = zoo.build("gru", n_features=data.n_features, lookback=4, hidden_size=4)
trainer.fit(model, data.train, data.valid, TrainConfig(max_epochs=1), scope="sample")
assert trainer.predict(model, data.test, scope="sample").shape == (len(data.test.days), 8)
"""
    done = python(code)
    assert done.returncode == 0, done.stderr


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(file: Path, at_run_time: bool = False) -> set[str]:
    """Dotted names a file imports, inside functions too; `at_run_time` leaves out those of the type checker alone."""
    found, tree = set(), ast.parse(file.read_text(encoding="utf-8"))
    checked = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n.test)]
    skipped = {id(part) for n in checked for inner in n.body for part in ast.walk(inner)} if at_run_time else set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_zoo_does_not_know_bench():
    assert not [file for file in modules("zoo") if any(name.split(".")[0] == "bench" for name in imported(file))]


def test_networks_know_neither_data_nor_training():
    forbidden = ("zoo.data", "zoo.trainer", "zoo.checkpoint")
    files = modules("zoo/models")
    assert len(files) > 10
    assert not [(file, name) for file in files for name in imported(file) if name.startswith(forbidden)]


def test_nothing_is_unpickled_or_evaluated():
    unsafe = {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
    for file in [*modules("zoo"), *modules("bench")]:
        assert not imported(file) & unsafe, file
        calls = [n.func for n in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(n, ast.Call)]
        # `model.eval()` is torch's switch; `eval(...)` is not.
        assert not {f.id for f in calls if isinstance(f, ast.Name)} & {"eval", "exec"}, file
        assert not {f.attr for f in calls if isinstance(f, ast.Attribute)} & {"read_pickle", "unsafe_load"}, file


ROOMS = sorted({file.parent for package in ("zoo", "bench") for file in modules(package)})


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.relative_to(ROOT).as_posix())
def test_a_room_holds_at_most_twelve_files(room):
    # Networks are one file each, however many there are.
    if room != ROOT / "zoo" / "models":
        assert len([file for file in room.glob("*.py") if file.name != "__init__.py"]) <= 12


def test_no_files_import_each_other_in_a_circle():
    files = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
        for file in [*modules("zoo"), *modules("bench")]
    }
    graph = {}
    for name, file in files.items():
        # Of `from package import module` the module counts: the package is only where it lies.
        named = imported(file, at_run_time=True) & set(files) - {name}
        graph[name] = {i for i in named if not any(j.startswith(f"{i}.") for j in named)}
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("package", ["zoo", "bench"])
def test_no_file_has_more_than_300_lines(package):
    assert {f.name: n for f in modules(package) if (n := len(f.read_text("utf-8").splitlines())) > 300} == {}

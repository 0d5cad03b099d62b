"""The pages as a site: what is taken from the code is there and whole, and the site builds."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from document_blocks import PAGES, ROOT

from bench.interface.keys import keys
from bench.metrics import list_metrics
from bench.report.tables.main import INTERVAL
from bench.report.tables.portfolio import CAPACITY
from bench.report.tables.significance import HOLM
from zoo.registry import list_models

spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "hooks.py")
assert spec is not None
assert spec.loader is not None
hooks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hooks)

SITE = {Path(name).name: hooks.on_page_markdown(text) for name, text in PAGES.items() if name.startswith("docs/")}


def test_the_pages_hold_what_the_code_knows():
    assert [key.key for key in keys() if not key.section and f"| `{key.key}` |" not in SITE["settings.md"]] == []
    texts = SITE["numbers.md"].replace("&lt;", "<").replace("\\|", "|")
    definitions = [m.definition for m in list_metrics() if m.in_frame] + [d.text for d in (INTERVAL, CAPACITY, HOLM)]
    assert [text for text in definitions if text not in texts] == []
    assert [name for name in list_models() if f"| `{name}` |" not in SITE["index.md"]] == []
    assert "## Add a metric" in SITE["extending.md"]


def test_no_mark_of_something_generated_is_left():
    assert [name for name, text in SITE.items() if "<!-- generated" in text] == []


def test_what_is_generated_is_tables_of_one_width():
    for name, text in SITE.items():
        for table in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
            widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
            assert len(widths) == 1, f"{name}: {table[:200]}"


def test_every_page_is_in_the_contents():
    contents = (ROOT / "docs" / "mkdocs.yml").read_text(encoding="utf-8")
    listed = [page for entry in yaml.safe_load(contents)["nav"] for page in entry.values()]
    assert sorted(listed) == sorted(SITE)


def test_the_site_builds_without_a_warning(tmp_path: Path):
    pytest.importorskip("mkdocs", reason="mkdocs is not installed: pip install '.[docs]'")
    pytest.importorskip("material", reason="mkdocs-material is not installed: pip install '.[docs]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(ROOT / "docs" / "mkdocs.yml")]
    done = subprocess.run([*command, "-d", str(tmp_path / "site")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "settings.html").is_file()

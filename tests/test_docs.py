import importlib
import inspect
import re
import runpy
from pathlib import Path

import pytest

import skvae
from skvae import BaseAutoencoder

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
README = (ROOT / "README.md").read_text()
API = (ROOT / "docs" / "api.md").read_text()


def test_api_page_has_every_public_name():
    filled = runpy.run_path(str(ROOT / "docs" / "write_api.py"))["filled"]
    assert filled(API) == API, "Run: python docs/write_api.py"


def test_api_page_has_every_public_file():
    for path in (ROOT / "skvae").iterdir():
        name = path.name.removesuffix(".py")
        if name.startswith("_") or not (path.suffix == ".py" or path.is_dir()):
            continue
        names = importlib.import_module(f"skvae.{name}").__all__
        missing = [n for n in names if f"| `{n}` |" not in API]
        assert not missing, f"docs/api.md has no `<!-- skvae.{name} -->`"


def test_readme_has_a_row_for_every_estimator():
    for name in skvae.__all__:
        cls = getattr(skvae, name)
        if inspect.isclass(cls) and cls is not BaseAutoencoder:
            assert f"| `{name}(" in README, f"README.md lacks a row for {name}"


def test_readme_has_a_sentence_for_every_file():
    for path in (ROOT / "skvae").iterdir():
        name = f"{path.name}/" if path.is_dir() else path.name
        if not name.startswith("__") and name != "py.typed":
            assert f"| `{name}` |" in README, f"README.md lacks a row for {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"

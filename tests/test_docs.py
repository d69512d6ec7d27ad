import importlib
import inspect
import re
from pathlib import Path

import pytest

import skvae
from skvae import BaseAutoencoder

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
README = (ROOT / "README.md").read_text()
API = (ROOT / "docs" / "api.md").read_text()


def public_objects():
    """Yield module and name of everything that a module declares public."""
    for path in sorted((ROOT / "skvae").iterdir()):
        name = path.name.removesuffix(".py")
        if name.startswith("_") or not (path.suffix == ".py" or path.is_dir()):
            continue
        module = importlib.import_module(f"skvae.{name}")
        for public in getattr(module, "__all__", ()):
            yield module.__name__, public


def summary(thing):
    """Return the first paragraph of a docstring as one line of a table."""
    paragraph = inspect.getdoc(thing).partition("\n\n")[0]
    return " ".join(paragraph.split()).replace("|", "\\|")


@pytest.mark.parametrize(("module", "name"), [*public_objects()])
def test_api_page_has_the_summary_of_every_public_name(module, name):
    thing = getattr(importlib.import_module(module), name)
    row = f"| `{name}` | {summary(thing)} |"
    assert row in API, f"docs/api.md lacks, under {module}:\n{row}"


def test_api_page_has_no_names_that_are_gone():
    listed = set(re.findall(r"^\| `(\w+)` \|", API, re.MULTILINE))
    names = {name for _, name in public_objects()} | set(vars(BaseAutoencoder))
    parameters = {
        name
        for public in skvae.__all__
        if inspect.isclass(getattr(skvae, public))
        for name in inspect.signature(getattr(skvae, public)).parameters
    }
    fitted = {name for name in listed if name.endswith("_")}
    assert listed - names - parameters - fitted == set()


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

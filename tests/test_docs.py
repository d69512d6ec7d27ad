import importlib
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
README = (ROOT / "README.md").read_text()
API = (ROOT / "docs" / "api.md").read_text()


def public_rooms():
    for path in (ROOT / "skvae").iterdir():
        name = path.name.removesuffix(".py")
        if not name.startswith("_") and (path.suffix == ".py" or path.is_dir()):
            yield f"skvae.{name}"


def test_script_fills_the_api_page_with_every_public_name():
    script = runpy.run_path(str(ROOT / "docs" / "write_api.py"))
    page = script["filled"](API)
    for room in ("skvae", *public_rooms()):
        names = importlib.import_module(room).__all__
        missing = [n for n in names if n[0] != "_" and f"| `{n}` |" not in page]
        assert not missing, f"docs/api.md has no `<!-- {room} -->`"


def test_api_page_names_nothing_that_is_no_more():
    for room, table in re.findall(
        r"<!-- (skvae[\w.]*) -->\n(.*?)<!-- end -->", API, re.S
    ):
        named = re.findall(r"^\| `(\w+)` \|", table, re.M)
        gone = set(named) - set(importlib.import_module(room).__all__)
        assert not gone, "Run: python docs/write_api.py"


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

"""Write the tables of api.md: every public name with the summary of its docstring.

    python docs/write_api.py

A table stands between `<!-- module -->` and `<!-- end -->`; that of the scorers' names
between `<!-- scorers -->` and `<!-- end -->`.
"""

import importlib
import inspect
import re
from pathlib import Path

from skvae.scorers import SCORERS

PAGE = Path(__file__).parent / "api.md"


def filled(page: str) -> str:
    """Return the page with its tables as they should be."""
    pattern = r"<!-- (skvae[\w.]*|scorers) -->\n.*?<!-- end -->"
    return re.sub(pattern, lambda match: _block(match[1]), page, flags=re.DOTALL)


def _block(marker: str) -> str:
    rows = _scorers() if marker == "scorers" else _members(marker)
    table = "\n".join(["| name | what it is |", "| --- | --- |", *rows])
    return f"<!-- {marker} -->\n{table}\n<!-- end -->"


def _scorers() -> list[str]:
    return [f"| `{name}` | {meaning} |" for name, meaning in SCORERS.items()]


def _members(module: str) -> list[str]:
    namespace = importlib.import_module(module)
    words = {cls.__name__: f'`"{word}"`: ' for word, cls in _names(namespace).items()}
    return [
        f"| `{name}` | {words.get(name, '')}{_summary(getattr(namespace, name))} |"
        for name in namespace.__all__
        if not name.startswith("__")
    ]


def _names(namespace: object) -> dict[str, type]:
    """Return the classes that a parameter takes by name."""
    return getattr(namespace, "NAMES", {})


def _summary(thing: object) -> str:
    paragraph = inspect.getdoc(thing).partition("\n\n")[0]
    return " ".join(paragraph.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

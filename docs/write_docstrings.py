"""Fill in the docstrings of the estimators: entries that they share are worded once.

    python docs/write_docstrings.py

A parameter or attribute is worded in the docstring of the class that introduces it,
`BaseAutoencoder` or `VAE`; its entry is copied to all other estimators, except where
`OWN` says that a class has its own words.
"""

import inspect
import re
from pathlib import Path

import skvae

FOLDER = Path(skvae.__file__).parent / "estimators"
CLASSES = [
    thing
    for thing in (getattr(skvae, name) for name in skvae.__all__)
    if inspect.isclass(thing) and thing is not skvae.BaseAutoencoder
]
OWN = {("RAE", "latent_density"), ("TwoStageVAE", "latent_density_")}
# Classes whose words for an entry are those of all others, the first one's first.
SOURCES = [skvae.BaseAutoencoder, skvae.VAE]


def filled(cls: type, source: str) -> str:
    """Return the source of a file with the docstring of its class as it should be."""
    old = cls.__doc__
    if source.count(old) != 1:
        raise ValueError(f"The docstring of {cls.__name__} is not in its file once.")
    new = old
    names = {"Parameters": parameters(cls), "Attributes": attributes(cls)}
    for section in names:
        text = "\n".join(words(cls, section, name) for name in names[section])
        text = text if entries(cls, section) else f"{text}\n"
        new = re.sub(pattern(section), lambda m, text=text: m[1] + text, new)
    return source.replace(old, new)


def parameters(cls: type) -> list[str]:
    """Return the names of the parameters of a class in the order of its signature."""
    return list(inspect.signature(cls).parameters)


def attributes(cls: type) -> list[str]:
    """Return the names of the fitted attributes of a class."""
    shared = list(entries(skvae.BaseAutoencoder, "Attributes"))
    return [*shared, *(n for n in entries(cls, "Attributes") if n not in shared)]


def words(cls: type, section: str, name: str) -> str:
    """Return the entry of a name, from the class that words it for `cls`."""
    sources = [cls] if (cls.__name__, name) in OWN else [*SOURCES, cls]
    for source in sources:
        if name in entries(source, section):
            return entries(source, section)[name]
    raise ValueError(f"No docstring has an entry for {name!r} of {cls.__name__}.")


def entries(cls: type, section: str) -> dict[str, str]:
    """Return the entries of a section of a class's docstring, by name."""
    match = re.search(pattern(section), cls.__doc__)
    if match is None:
        raise ValueError(
            f"The docstring of {cls.__name__} has no section {section!r}. Write its "
            "heading and the line below; entries of shared names are filled in."
        )
    found = re.split(r"\n(?=    \w)", match[2]) if match[2] else []
    return {entry.split(" : ")[0].strip(): entry for entry in found}


def pattern(section: str) -> str:
    """Return the pattern of a section: its heading and its entries."""
    return rf"(    {section}\n    -+\n)((?:(?:    .*\n?)*\S)?)"


def main() -> None:
    """Write the files whose docstrings differ."""
    for cls in CLASSES:
        path = Path(inspect.getfile(cls))
        source = path.read_text(encoding="utf-8")
        path.write_text(filled(cls, source), encoding="utf-8")


if __name__ == "__main__":
    main()

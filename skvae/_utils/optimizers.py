"""Parts of a module that bring optimizers of their own."""

from typing import Any


class HasOptimizers:
    """Base class of modules with parameters that the networks' Adam must not touch."""

    def optimizers(self) -> list[Any]:
        """Return optimizers of these parameters, with the interface of torch's.

        They have ``param_groups``, ``state`` and ``step()``, as torch's optimizers do.
        """
        return []

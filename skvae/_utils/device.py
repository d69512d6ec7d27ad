"""Which device torch computes on."""

from typing import Any

import torch


def resolve_device(device: Any) -> torch.device:
    """Return the torch device for "auto", a name or a device.

    Raises
    ------
    ValueError
        If there is no such device on this machine.
    """
    if isinstance(device, str) and device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
        torch.zeros(1, device=resolved).item()
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            "The 'device' parameter must be 'auto', 'cpu', or a device that torch can "
            f"use on this machine. Got {device!r} instead ({reason})."
        ) from None
    return resolved

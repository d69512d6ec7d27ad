"""Which device torch computes on."""

from typing import Any

import torch


def resolve_device(device: Any, local_rank: int | None = None) -> torch.device:
    """Return the torch device for "auto", a name or a device.

    Parameters
    ----------
    device : str or torch.device
    local_rank : int, optional
        Number of this process among those on the machine, each of which has a CUDA
        device of its own with "auto".

    Raises
    ------
    ValueError
        If there is no such device on this machine.
    """
    if isinstance(device, str) and device == "auto":
        if torch.cuda.is_available() and local_rank is not None:
            return torch.device("cuda", local_rank % torch.cuda.device_count())
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


def available_device(name: str) -> torch.device:
    """Return the device of another machine, or what this one has in its place.

    That is the first device of the same type, else the CPU.

    Parameters
    ----------
    name : str
        Such as "cuda:1", "mps" or "xpu".
    """
    try:
        device = torch.device(name)
        if device.type == "cpu":
            return device
        n_devices = torch.get_device_module(device).device_count()
    except (AttributeError, RuntimeError):  # a type that this torch does not know
        return torch.device("cpu")
    if n_devices == 0:
        return torch.device("cpu")
    exists = (device.index or 0) < n_devices
    return device if exists else torch.device(device.type, 0)

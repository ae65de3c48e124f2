"""The symmetries of the square: the ways to turn and mirror a batch of photos."""

import torch

from fastdefect.training.predict import View


def turned(quarters: int, mirrored: bool) -> View:
    """Turn batches (n, c, side, side) by ``quarters`` of a full turn, then mirror them."""

    def view(batch: torch.Tensor) -> torch.Tensor:
        found = torch.rot90(batch, quarters, dims=(2, 3))
        return found.flip(3) if mirrored else found

    return view


# All eight; the first changes nothing.
DIHEDRAL: tuple[View, ...] = tuple(
    turned(quarters, mirrored) for mirrored in (False, True) for quarters in range(4)
)

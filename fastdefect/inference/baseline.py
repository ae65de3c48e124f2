"""What a model says of photos that it was not trained on: the baseline of ``fastdefect drift``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.errors import BundleError
from fastdefect.inference.tensors import read_tensors, tensor_bytes

# Of each tensor: the type of its values, and the number of axes.
_TYPES: Mapping[str, tuple[type, int]] = {
    "parts": (np.int64, 1),
    "passed": (np.uint8, 1),
    "p_defect": (np.float64, 1),
    "distance": (np.float64, 1),
}


@dataclass(frozen=True, eq=False)
class Sample:
    """Decisions on n photos, each (n,).

    ``parts`` names the part of each photo. ``passed``: by the decision rule, whatever the check for
    unlike photos says. ``p_defect`` is calibrated. ``distance`` is that to the training photos, in
    usual distances; NaN where it is not known.
    """

    parts: NDArray[Any]
    passed: NDArray[np.bool_]
    p_defect: Floats
    distance: Floats

    def __len__(self) -> int:
        return len(self.parts)

    @property
    def n_parts(self) -> int:
        """The number of parts."""
        return len(np.unique(self.parts))

    def where(self, chosen: NDArray[np.bool_]) -> "Sample":
        """The photos that are ``chosen`` (n,)."""
        return Sample(
            self.parts[chosen], self.passed[chosen], self.p_defect[chosen], self.distance[chosen]
        )


def baseline_bytes(sample: Sample) -> bytes:
    """``sample`` as safetensors; parts become numbers, so that no name leaves the training."""
    numbered = np.unique(sample.parts, return_inverse=True)[1]
    return tensor_bytes(
        {
            "parts": numbered.astype(np.int64),
            "passed": sample.passed.astype(np.uint8),
            "p_defect": sample.p_defect.astype(np.float64),
            "distance": sample.distance.astype(np.float64),
        }
    )


def read_baseline(content: bytes, where: str) -> Sample:
    """The sample in ``content``, from ``where``; raises ``BundleError`` if it is damaged."""
    parts, passed, p_defect, distance = read_tensors(content, _TYPES, "baseline", where).values()
    if not len(parts) == len(passed) == len(p_defect) == len(distance):
        raise BundleError(f"{where}: the values of its baseline are not of the same photos.")
    if (
        not ((p_defect >= 0) & (p_defect <= 1)).all()
        or not (np.isnan(distance) | (distance >= 0)).all()
    ):
        raise BundleError(f"{where}: its baseline has values that are not valid.")
    return Sample(parts, passed > 0, p_defect, distance)

"""What a model says of photos that it was not trained on: the baseline of ``fastdefect drift``."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from fastdefect.aliases import Floats
from fastdefect.errors import BundleError

_TYPES: dict[str, type] = {
    "parts": np.int64,
    "passed": np.uint8,
    "p_defect": np.float64,
    "distance": np.float64,
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
    return save(
        {
            "parts": numbered.astype(np.int64),
            "passed": sample.passed.astype(np.uint8),
            "p_defect": sample.p_defect.astype(np.float64),
            "distance": sample.distance.astype(np.float64),
        }
    )


def read_baseline(content: bytes, where: str) -> Sample:
    """The sample in ``content``, from ``where``; raises ``BundleError`` if it is damaged."""
    try:
        found = load(content)
        if set(found) != set(_TYPES):
            raise ValueError(f"expected {', '.join(_TYPES)}, found {', '.join(sorted(found))}")
        parts, passed, p_defect, distance = (found[name] for name in _TYPES)
    except (SafetensorError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise BundleError(f"{where}: its baseline can't be read: {error}.") from error
    for name, dtype in _TYPES.items():
        each = found[name]
        if each.dtype != dtype or each.shape != (len(parts),) or not each.size:
            raise BundleError(
                f"{where}: expected {name} of its baseline as {len(parts)} values of "
                f"{dtype.__name__}, found shape {each.shape} of {each.dtype}."
            )
    if not ((p_defect >= 0) & (p_defect <= 1)).all() or not (distance >= 0).all():
        raise BundleError(f"{where}: its baseline has values that are not valid.")
    return Sample(parts, passed > 0, p_defect, distance)

"""A cache of features on disk: a frozen network computes each photo once for all runs.

There is one file per network in the user's cache folder (``files.cache_folder``). The content
can be computed again, so the folder may be deleted at any time.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from fastdefect.aliases import Floats32
from fastdefect.data.store import PhotoStore
from fastdefect.files import delete_oldest
from fastdefect.training.features import FrozenBackbone
from fastdefect.training.tensor_file import write_tensors

FORMAT = "fastdefect-features-1"
FILE_MB, FOLDER_MB = 256, 1024  # above these limits, the least recently used features go
_MIB = 2**20


class FeatureCache:
    """The features of one frozen network, keyed by the pixels of the photos."""

    def __init__(self, backbone: FrozenBackbone, folder: Path | None) -> None:
        """Read the features of ``backbone`` from ``folder``; ignore a damaged file."""
        self._backbone = backbone
        name = f"{network_key(backbone)}.safetensors"
        self.path = folder / name if folder is not None else None
        self._known = _read(self.path) if self.path is not None else {}
        self._used: dict[bytes, Floats32] = {}
        self.computed = 0

    def features(
        self,
        store: PhotoStore | NDArray[np.uint8],
        rows: Sequence[int],
        *,
        on_batch: Callable[[int], None] | None = None,
    ) -> Floats32:
        """Return ``FrozenBackbone.features`` (n, n_features); compute only those not yet cached.

        ``on_batch`` receives the number of photos done, cached ones included.
        """
        digests = [_digest(store[row]) for row in rows]
        new = [place for place, digest in enumerate(digests) if digest not in self._known]
        known = len(rows) - len(new)
        if new:
            vectors = self._backbone.features(
                store,
                [rows[place] for place in new],
                on_batch=(lambda done: on_batch(known + done)) if on_batch else None,
            )
            self._known |= {digests[place]: vectors[i] for i, place in enumerate(new)}
            self.computed += len(new)
        self._used |= {digest: self._known[digest] for digest in digests}
        return np.stack([self._known[digest] for digest in digests])

    def save(self) -> None:
        """Write the cached features, those used in this process first.

        Old files are deleted while the folder is too large. Raises OSError if writing fails.
        """
        if self.path is None or not self._used:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.computed:
            _write(self.path, {**self._used, **self._known})
        else:
            self.path.touch()
        delete_oldest(self.path.parent, FOLDER_MB, spare=self.path)


def network_key(backbone: FrozenBackbone) -> str:
    """Return a file name for all that the features depend on apart from the pixels."""
    body, device = backbone.body, backbone.device
    steps = asdict(backbone.preprocessing)
    del steps["view_input"]  # the body sees the photo alone
    facts = [FORMAT, torch.__version__, device.type, steps, repr(body)]
    digest = hashlib.sha256(json.dumps(facts).encode())
    for name, value in sorted(body.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:32]


def _digest(photo: NDArray[np.uint8]) -> bytes:
    return hashlib.sha256(photo.tobytes()).digest()


def _read(path: Path) -> dict[bytes, Floats32]:
    try:
        with safe_open(path, framework="np") as file:
            header = file.metadata() or {}
            digests, vectors = file.get_tensor("digests"), file.get_tensor("features")
    except (OSError, SafetensorError):
        return {}
    if header.get("format") != FORMAT or header.get("sha256") != _checksum(digests, vectors):
        return {}
    return {digest.tobytes(): vector for digest, vector in zip(digests, vectors, strict=True)}


def _write(path: Path, known: Mapping[bytes, Floats32]) -> None:
    width = len(next(iter(known.values())))
    most = max(FILE_MB * _MIB // (4 * width), 1)
    kept = list(known.items())[:most]
    digests = np.stack([np.frombuffer(digest, np.uint8) for digest, _ in kept])
    vectors = np.stack([vector for _, vector in kept])
    header = {"format": FORMAT, "sha256": _checksum(digests, vectors)}
    tensors = {"digests": torch.from_numpy(digests), "features": torch.from_numpy(vectors)}
    write_tensors(path, tensors, header)


def _checksum(*arrays: NDArray[np.uint8] | Floats32) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(array.tobytes())
    return digest.hexdigest()

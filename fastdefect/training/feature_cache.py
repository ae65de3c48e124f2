"""Features on disk: a frozen network looks once at each photo, whatever run asks.

One file for each network, in the user's cache folder (``files.cache_folder``). All of it can be
computed again: the folder may be deleted at any time.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import nn

from fastdefect.data.loaders import Preprocessing
from fastdefect.data.store import PhotoStore
from fastdefect.files import atomic_path
from fastdefect.training.features import pooled_features

FORMAT = "fastdefect-features-1"
FILE_MB, FOLDER_MB = 256, 1024  # above it, what was asked for longest ago is forgotten
_MIB = 2**20

Vector = NDArray[np.float32]


class FeatureCache:
    """What one frozen network saw, by the pixels that it was shown."""

    def __init__(
        self,
        body: nn.Module,
        preprocessing: Preprocessing,
        device: torch.device,
        folder: Path | None,
    ) -> None:
        """Read what ``folder`` has of ``body``; a file that is damaged counts as none."""
        self._body, self._preprocessing, self._device = body, preprocessing, device
        name = f"{network_key(body, preprocessing, device)}.safetensors"
        self.path = folder / name if folder is not None else None
        self._known = _read(self.path) if self.path is not None else {}
        self._asked: dict[bytes, Vector] = {}
        self.computed = 0

    def look(
        self,
        store: PhotoStore | NDArray[np.uint8],
        rows: Sequence[int],
        *,
        on_batch: Callable[[int], None] | None = None,
    ) -> NDArray[np.float32]:
        """``pooled_features`` of the photos in ``rows``, (n, n_features), of the new ones computed.

        ``on_batch`` is told the number of photos done, known ones included.
        """
        digests = [_digest(store[row]) for row in rows]
        new = [place for place, digest in enumerate(digests) if digest not in self._known]
        known = len(rows) - len(new)
        if new:
            vectors = pooled_features(
                self._body,
                store,
                [rows[place] for place in new],
                self._preprocessing,
                device=self._device,
                on_batch=(lambda done: on_batch(known + done)) if on_batch else None,
            )
            self._known |= {digests[place]: vectors[i] for i, place in enumerate(new)}
            self.computed += len(new)
        self._asked |= {digest: self._known[digest] for digest in digests}
        return np.stack([self._known[digest] for digest in digests])

    def save(self) -> None:
        """Write what is known now, what was asked for first; raises OSError where it can't.

        Older files go while the folder is too large.
        """
        if self.path is None or not self._asked:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.computed:
            _write(self.path, {**self._asked, **self._known})
        else:
            self.path.touch()
        _make_room(self.path)


def network_key(body: nn.Module, preprocessing: Preprocessing, device: torch.device) -> str:
    """What the features depend on beside the pixels, as a name for a file."""
    facts = [FORMAT, torch.__version__, device.type, asdict(preprocessing), repr(body)]
    digest = hashlib.sha256(json.dumps(facts).encode())
    for name, value in sorted(body.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:32]


def _digest(photo: NDArray[np.uint8]) -> bytes:
    return hashlib.sha256(photo.tobytes()).digest()


def _read(path: Path) -> dict[bytes, Vector]:
    try:
        with safe_open(path, framework="np") as file:
            header = file.metadata() or {}
            digests, vectors = file.get_tensor("digests"), file.get_tensor("features")
    except (OSError, SafetensorError):
        return {}
    if header.get("format") != FORMAT or header.get("sha256") != _content(digests, vectors):
        return {}
    return {digest.tobytes(): vector for digest, vector in zip(digests, vectors, strict=True)}


def _write(path: Path, known: Mapping[bytes, Vector]) -> None:
    width = len(next(iter(known.values())))
    most = max(FILE_MB * _MIB // (4 * width), 1)
    kept = list(known.items())[:most]
    digests = np.stack([np.frombuffer(digest, np.uint8) for digest, _ in kept])
    vectors = np.stack([vector for _, vector in kept])
    header = {"format": FORMAT, "sha256": _content(digests, vectors)}
    with atomic_path(path) as temporary:
        save_file({"digests": digests, "features": vectors}, temporary, metadata=header)


def _content(*arrays: NDArray[np.uint8] | Vector) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(array.tobytes())
    return digest.hexdigest()


def _make_room(newest: Path) -> None:
    others = [path for path in newest.parent.glob("*.safetensors") if path != newest]
    room = FOLDER_MB * _MIB - newest.stat().st_size
    for path in _latest_first(others):
        room -= path.stat().st_size
        if room < 0:
            path.unlink(missing_ok=True)


def _latest_first(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)

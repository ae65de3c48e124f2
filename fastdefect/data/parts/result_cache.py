"""The result of a search for photos of the same part, on the disk: later commands read it."""

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from fastdefect.data.parts.code import code_digest
from fastdefect.data.parts.search import Link, SameParts
from fastdefect.files import delete_oldest, write_bytes

FORMAT = "fastdefect-same-parts-2"
FOLDER_MB = 64  # above this limit, the least recently used results go


def result_path(folder: Path, digests: Sequence[bytes]) -> Path:
    """The file for the result of a search in photos, known by the sha256 of each in their order."""
    code = code_digest("candidates", "keypoints", "matching", "search")
    facts = f"{FORMAT} {code} {cv2.__version__} {np.__version__}"
    key = hashlib.sha256(facts.encode() + b"".join(digests)).hexdigest()
    return folder / f"{key[:32]}.safetensors"


def read_result(path: Path, n: int) -> SameParts | None:
    """The result of a search in ``n`` photos; None if the file does not have one."""
    try:
        with safe_open(path, framework="np") as file:
            header = file.metadata() or {}
            group, links, evidence = (
                file.get_tensor(name) for name in ("group", "links", "evidence")
            )
    except (OSError, SafetensorError):
        return None
    whole = links.shape == (len(evidence), 4) and len(group) == n
    if (
        header.get("format") != FORMAT
        or not whole
        or header.get("sha256") != _sha256(group, links, evidence)
    ):
        return None
    with suppress(OSError):
        os.utime(path)
    found = (
        Link(one, other, value, bool(mirrored), bool(copy))
        for (one, other, mirrored, copy), value in zip(
            links.tolist(), evidence.tolist(), strict=True
        )
    )
    return SameParts(tuple(group.tolist()), tuple(found))


def write_result(path: Path, result: SameParts) -> None:
    """Write a result, and delete old ones; a folder that cannot be written is left as it is."""
    links = [(link.one, link.other, link.mirrored, link.copy) for link in result.links]
    content = {
        "group": np.array(result.group, np.int64),
        "links": np.array(links, np.int64).reshape(-1, 4),
        "evidence": np.array([link.evidence for link in result.links], np.float64),
    }
    header = {"format": FORMAT, "sha256": _sha256(*content.values())}
    with suppress(OSError, SafetensorError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, save(content, metadata=header))
        delete_oldest(path.parent, FOLDER_MB, spare=path)


def _sha256(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(array.tobytes())
    return digest.hexdigest()

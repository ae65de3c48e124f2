"""Damaged texts, JSON and headers of tensors."""

import json
import random
from copy import deepcopy
from typing import Any

from helpers.mutations import BYTES, mutated

_TEXTS = (
    "",
    " ",
    "NaN",
    "1e999",
    "-1",
    "0",
    "99999999999999999999",
    "9" * 5000,
    "x" * 200_000,
    "null",
    "true",
    "\0",
    "\ufeff",
    "é",
    "\udcff",
    "../../../etc/passwd",
    "/dev/zero",
    "a\nb",
    '"',
    "'",
    "[" * 30_000,
    "{" * 20_000,
    "[[x]]",
    "=",
    "#",
    "a,b,c",
    ";;",
    "\t",
    "2026-13-45",
    "CON",
    "inf",
    "🔧",
)
_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1.5,
    1e308,
    10**30,
    float("nan"),
    "",
    "x" * 1000,
    [],
    {},
    [[]],
    {"a": {}},
)


def mutated_text(data: bytes, rng: random.Random) -> bytes:
    """Lines and words dropped, repeated or replaced, or bytes changed."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        lines = data.split(b"\n")
        at = rng.randrange(len(lines))
        match rng.randrange(6):
            case 0:
                del lines[at]
            case 1:
                lines[at:at] = [lines[at]] * rng.choice((1, 3, 500))
            case 2 | 3:
                words = lines[at].replace(b",", b" , ").replace(b"=", b" = ").split(b" ")
                text = rng.choice(_TEXTS).encode("utf-8", "surrogateescape")
                words[rng.randrange(len(words))] = text
                lines[at] = b"".join(words) if rng.random() < 0.5 else b" ".join(words)
            case 4:
                rng.shuffle(lines)
            case _:
                data = rng.choice(BYTES)(data or b"\n", rng)
                continue
        data = b"\n".join(lines)
    return data


def mutated_json(data: bytes, rng: random.Random) -> bytes:
    """Values of other types, keys dropped or repeated; one of four is damaged as a text."""
    if rng.random() < 0.25:
        return mutated_text(data, rng)
    content = json.loads(data)
    for _ in range(rng.choice((1, 1, 2, 5))):
        holder, key = _place(content, rng)
        if holder is None:
            return json.dumps(rng.choice(_VALUES)).encode()
        if rng.random() < 0.3:
            del holder[key]
        elif rng.random() < 0.3 and isinstance(holder, list):
            holder *= rng.choice((2, 50))
        else:
            holder[key] = deepcopy(rng.choice(_VALUES))
    return json.dumps(content).encode()


def _place(content: Any, rng: random.Random) -> tuple[Any, Any]:
    """A container in the content, and a key or an index of it; None if it is empty."""
    holder, key = None, None
    while isinstance(content, dict | list) and content:
        keys = list(content) if isinstance(content, dict) else list(range(len(content)))
        holder, key = content, rng.choice(keys)
        content = content[key]
        if rng.random() < 0.2:
            break
    return holder, key


def mutated_tensors(data: bytes, rng: random.Random) -> bytes:
    """The header of a safetensors file as JSON, or bytes."""
    size = int.from_bytes(data[:8], "little")
    if rng.random() < 0.4 or 8 + size > len(data):
        return mutated(data, "", [], rng)
    header = mutated_json(data[8 : 8 + size], rng)
    length = len(header) if rng.random() < 0.8 else rng.choice((0, 2**63, len(data) * 2, 2**40))
    return length.to_bytes(8, "little") + header + data[8 + size :]

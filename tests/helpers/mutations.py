"""Damage of files: of their bytes, and of what they are made of. All of it follows from a seed."""

import random
import struct
import zlib
from collections.abc import Callable, Sequence

Mutation = Callable[[bytes, random.Random], bytes]

# Sizes, counts and offsets at which programs go wrong.
_NUMBERS = (
    0,
    1,
    2,
    127,
    128,
    255,
    256,
    32767,
    32768,
    65535,
    65536,
    0x7FFFFFFF,
    0x80000000,
    2**32 - 1,
)


def _number(rng: random.Random, most: int) -> int:
    return (rng.choice(_NUMBERS) if rng.random() < 0.7 else rng.getrandbits(32)) % (most + 1)


def flip_bits(data: bytes, rng: random.Random) -> bytes:
    """Some bits, most of them near the beginning, where the headers are."""
    found = bytearray(data)
    near = rng.choice((0.03, 0.2, 1.0))
    for _ in range(rng.randint(1, 12)):
        found[int(rng.random() * near * len(found))] ^= 1 << rng.randrange(8)
    return bytes(found)


def cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def drop(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.randint(1, max(1, len(data) // 4)) :]


def repeat(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data))
    piece = data[start : start + rng.randint(1, max(1, len(data) // 4))]
    return data[:start] + piece * rng.choice((2, 3, 20)) + data[start + len(piece) :]


def insert(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + rng.randbytes(rng.choice((1, 2, 4, 100))) + data[start:]


def zero(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data))
    long = min(rng.randint(1, max(1, len(data) // 3)), len(data) - start)
    return data[:start] + bytes(long) + data[start + long :]


def set_number(data: bytes, rng: random.Random) -> bytes:
    """A number of 2 or 4 bytes, in either order, near the beginning or anywhere."""
    size = rng.choice((2, 4))
    span = min(len(data), rng.choice((40, 200, len(data))))
    start = rng.randrange(max(1, span - size))
    value = _number(rng, 256**size - 1).to_bytes(size, rng.choice(("little", "big")))
    return data[:start] + value + data[start + size :]


BYTES: tuple[Mutation, ...] = (flip_bits, cut, drop, repeat, insert, zero, set_number)


# ---- by the structure of each kind ---------------------------------------------------------


def png(data: bytes, rng: random.Random) -> bytes:
    """Chunks dropped, repeated, swapped, changed or with other pixels; their sums are right."""
    chunks = _png_chunks(data)
    at = rng.randrange(len(chunks))
    kind, content = chunks[at]
    match rng.randrange(6):
        case 0:
            del chunks[at]
        case 1:
            chunks[at:at] = [chunks[at]] * rng.choice((1, 5))
        case 2:
            other = rng.randrange(len(chunks))
            chunks[at], chunks[other] = chunks[other], chunks[at]
        case 3 if content:
            chunks[at] = kind, rng.choice(BYTES)(content, rng)
        case 4:
            head = bytearray(chunks[0][1].ljust(13, b"\0"))
            field = rng.choice(((0, 4), (4, 4), (8, 1), (9, 1), (10, 1), (11, 1), (12, 1)))
            value = _number(rng, 256 ** field[1] - 1)
            head[field[0] : sum(field)] = value.to_bytes(field[1], "big")
            chunks[0] = b"IHDR", bytes(head)
        case _:
            names = (
                b"acTL",
                b"fcTL",
                b"fdAT",
                b"iCCP",
                b"zTXt",
                b"iTXt",
                b"tRNS",
                b"PLTE",
                b"eXIf",
                b"gAMA",
            )
            body = rng.randbytes(rng.choice((0, 1, 4, 26, 300)))
            if rng.random() < 0.5:
                body = b"x\0\0" + zlib.compress(bytes(rng.choice((10, 100_000, 5_000_000))))
            chunks.insert(rng.randint(1, len(chunks)), (rng.choice(names), body))
    return data[:8] + b"".join(_png_chunk(*each) for each in chunks)


def _png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    return found


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def jpeg(data: bytes, rng: random.Random) -> bytes:
    """Segments dropped, repeated, swapped, changed or of a wrong length; sizes in the frame."""
    segments, scan = _jpeg_segments(data)
    at = rng.randrange(len(segments))
    marker, content = segments[at]
    match rng.randrange(6):
        case 0:
            del segments[at]
        case 1:
            segments[at:at] = [segments[at]] * rng.choice((1, 10))
        case 2:
            other = rng.randrange(len(segments))
            segments[at], segments[other] = segments[other], segments[at]
        case 3 if content:
            segments[at] = marker, rng.choice(BYTES)(content, rng)
        case 4:
            frames = [i for i, (each, _) in enumerate(segments) if 0xC0 <= each <= 0xC2]
            if frames:
                body = bytearray(segments[frames[0]][1])
                start, size = rng.choice(((0, 1), (1, 2), (3, 2), (5, 1), (6, 1), (7, 1)))
                body[start : start + size] = _number(rng, 256**size - 1).to_bytes(size, "big")
                segments[frames[0]] = segments[frames[0]][0], bytes(body)
        case _:
            scan = rng.choice(BYTES)(scan, rng) if scan else scan
    wrong = rng.randrange(len(segments) + 3)
    joined = b"".join(
        struct.pack(
            ">BBH", 0xFF, each, (len(body) + 2) & 0xFFFF if i != wrong else _number(rng, 65535)
        )
        + body
        for i, (each, body) in enumerate(segments)
    )
    return data[:2] + joined + scan


def _jpeg_segments(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """The segments up to the first scan, and the rest."""
    found, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        found.append((data[at + 1], data[at + 4 : at + 2 + size]))
        at += 2 + size
        if found[-1][0] == 0xDA:
            break
    return found, data[at:]


def tiff(data: bytes, rng: random.Random) -> bytes:
    """An entry of the directory: tag, type, number of values or value; or the next directory."""
    order = "<" if data[:2] == b"II" else ">"
    found = bytearray(data)
    (at,) = struct.unpack_from(f"{order}I", data, 4)
    if data[2:4] not in (b"*\0", b"\0*") or at + 2 > len(data):
        return rng.choice(BYTES)(data, rng)
    (n,) = struct.unpack_from(f"{order}H", data, at)
    entry = at + 2 + 12 * rng.randrange(max(1, n))
    if entry + 12 > len(data):
        return rng.choice(BYTES)(data, rng)
    match rng.randrange(7):
        case 0:
            struct.pack_into(
                f"{order}H",
                found,
                entry,
                rng.choice((256, 257, 258, 259, 273, 277, 278, 279, 317, 322, 324, 339, 34665)),
            )
        case 1:
            struct.pack_into(
                f"{order}H", found, entry + 2, rng.choice((0, 1, 2, 3, 4, 5, 7, 12, 13, 16, 99))
            )
        case 2:
            struct.pack_into(f"{order}I", found, entry + 4, _number(rng, 2**32 - 1))
        case 3 | 4:
            value = rng.choice((at, entry, len(data), len(data) - 1, _number(rng, 2**32 - 1)))
            struct.pack_into(f"{order}I", found, entry + 8, value)
        case 5:
            struct.pack_into(f"{order}H", found, at, rng.choice((0, 1, n + 1, 65535)))
        case _:
            end = at + 2 + 12 * n
            if end + 4 <= len(found):
                struct.pack_into(f"{order}I", found, end, rng.choice((at, 8, end, len(data), 3)))
    return bytes(found)


def boxes(data: bytes, rng: random.Random) -> bytes:
    """Boxes of HEIC and AVIF: another size, dropped, repeated, or with other content."""
    spans = _box_spans(data, 0, len(data), 0)
    start, end = rng.choice(spans)
    match rng.randrange(4):
        case 0:
            return data[:start] + _number(rng, 2**32 - 1).to_bytes(4, "big") + data[start + 4 :]
        case 1:
            return data[:start] + data[end:]
        case 2:
            return data[:end] + data[start:end] * rng.choice((1, 50)) + data[end:]
        case _:
            return (
                data[: start + 8]
                + rng.choice(BYTES)(data[start + 8 : end] or b"\0", rng)
                + data[end:]
            )


_WITHIN = {b"meta": 12, b"iprp": 8, b"ipco": 8, b"iinf": 14}  # bytes before the first inner box


def _box_spans(data: bytes, at: int, end: int, depth: int) -> list[tuple[int, int]]:
    spans = []
    while at + 8 <= end:
        size = int.from_bytes(data[at : at + 4], "big")
        if not 8 <= size <= end - at:
            break
        spans.append((at, at + size))
        if depth < 3 and (skip := _WITHIN.get(data[at + 4 : at + 8])):
            spans += _box_spans(data, at + skip, at + size, depth + 1)
        at += size
    return spans or [(0, len(data))]


def bmp(data: bytes, rng: random.Random) -> bytes:
    """A field of the two headers: sizes, offsets, depth, compression, number of colours."""
    start, size = rng.choice(
        ((2, 4), (10, 4), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2), (30, 4), (34, 4), (46, 4))
    )
    return (
        data[:start] + _number(rng, 256**size - 1).to_bytes(size, "little") + data[start + size :]
    )


def riff(data: bytes, rng: random.Random) -> bytes:
    """Chunks of WebP: dropped, repeated, swapped, of another size or content."""
    chunks, at = [], 12
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        chunks.append(data[at : at + 8 + size + size % 2])
        at += len(chunks[-1])
    place = rng.randrange(len(chunks))
    match rng.randrange(4):
        case 0:
            del chunks[place]
        case 1:
            chunks[place:place] = [chunks[place]] * rng.choice((1, 30))
        case 2:
            chunks[place] = (
                chunks[place][:4]
                + _number(rng, 2**32 - 1).to_bytes(4, "little")
                + chunks[place][8:]
            )
        case _:
            chunks[place] = chunks[place][:8] + rng.choice(BYTES)(chunks[place][8:] or b"\0", rng)
    body = b"".join(chunks)
    return b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WEBP" + body


def netpbm(data: bytes, rng: random.Random) -> bytes:
    """A number of the header, which is text."""
    head, rest = data[:16].split(b"\n", 3)[:3], data.split(b"\n", 3)[-1]
    at = rng.randrange(1, len(head))
    words = head[at].split()
    words[rng.randrange(len(words))] = str(
        rng.choice((0, -1, 7, 65535, 65536, 99999999, 10**20, "nan", "1e999", "x"))
    ).encode()
    head[at] = b" ".join(words)
    return b"\n".join([*head, rest])


_STRUCTURES: dict[str, Mutation] = {
    "PNG": png,
    "JPEG": jpeg,
    "TIFF": tiff,
    "HEIC": boxes,
    "AVIF": boxes,
    "BMP": bmp,
    "WebP": riff,
    "PNM": netpbm,
    "PFM": netpbm,
}


def mutated(data: bytes, kind: str, others: Sequence[bytes], rng: random.Random) -> bytes:
    """``data`` with one to three mutations; half of them follow the structure of its ``kind``.

    ``others`` are files of which a piece may replace one of ``data``.
    """
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        structure = _STRUCTURES.get(kind)
        if structure is not None and rng.random() < 0.5:
            try:
                data = structure(data, rng)
            except (IndexError, ValueError, struct.error):  # an earlier turn destroyed it
                data = rng.choice(BYTES)(data or b"\0", rng)
        elif others and rng.random() < 0.1:
            other = rng.choice(others)
            start = rng.randrange(len(other))
            data = data[: rng.randrange(len(data) + 1)] + other[start : start + 2000]
        else:
            data = rng.choice(BYTES)(data, rng)
        if not data:
            return data
    return data

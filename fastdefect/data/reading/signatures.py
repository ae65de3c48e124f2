"""Checks of the bytes of a file without decoding."""

import struct
import zlib
from collections.abc import Iterator

_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),  # BigTIFF
    (b"MM\0+", "TIFF"),
    (b"GIF8", "GIF"),
    (b"\xff\x0a", "JXL"),  # a bare codestream
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JXL"),
    *((letters + blank, "PNM") for letters in (b"P5", b"P6") for blank in (b" ", b"\n", b"\r")),
    *((letters + blank, "PFM") for letters in (b"Pf", b"PF") for blank in (b" ", b"\n", b"\r")),
)

_SCAN = 0xDA  # the marker of a JPEG's scan

# The brands of the container that HEIC and AVIF share (ISO 14496-12, section 4.3).
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF"} | dict.fromkeys(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIC"
)


def kind_of(data: bytes) -> str | None:
    """The kind of a file by its first bytes, such as ``JPEG`` (see ``formats``), or None."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:8] == b"ftyp":
        # The major brand, then a version, then the compatible brands. mif1 is a brand of both.
        end = min(int.from_bytes(data[:4], "big"), 64)
        brands = [data[8:12], *(data[at : at + 4] for at in range(16, end, 4))]
        kinds = {_BRANDS[brand] for brand in brands if brand in _BRANDS}
        return "AVIF" if "AVIF" in kinds else "HEIC" if kinds else None
    return next((kind for magic, kind in _MAGIC if data.startswith(magic)), None)


def is_cut(data: bytes, kind: str) -> bool:
    """Whether the structure of the file extends beyond its last byte."""
    match kind:
        case "JPEG":
            return not _has_jpeg_end(data)
        case "PNG":
            return not _has_png_end(data)
        case "TIFF":
            return b"+" not in data[2:4] and _is_tiff_cut(data)
        case "WebP":
            return int.from_bytes(data[4:8], "little") + 8 > len(data)
        case "BMP":
            return int.from_bytes(data[2:6], "little") > len(data)
        case "HEIC" | "AVIF":
            return _is_box_cut(data)
    return False


def _is_box_cut(data: bytes) -> bool:
    """Whether a box of an ISO container extends beyond the end (ISO 14496-12, section 4.2)."""
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        elif size == 0:  # to the end of the file
            return False
        at += max(size, 8)
    return at != len(data)


def _has_jpeg_end(data: bytes) -> bool:
    """Whether an end marker follows the first scan of the main picture.

    The segments before the scan are skipped, because an EXIF thumbnail has its own end marker.
    Inside a scan the two bytes cannot occur by chance (ITU T.81, B.1.1.5).
    """
    return any(
        marker == _SCAN and data.find(b"\xff\xd9", at) >= 0 for marker, at in _jpeg_markers(data)
    )


def lacks_jpeg_blocks(data: bytes, pixels: int) -> bool:
    """Whether a JPEG has too few bytes for the blocks of 8 x 8 of so many ``pixels``.

    A Huffman code has at least one bit for a block, also in progressive scans (ITU T.81, C.2), so
    that a byte holds at most 512 pixels.
    """
    huffman = any(marker in (0xC0, 0xC1, 0xC2) for marker, _ in _jpeg_markers(data))
    return huffman and pixels > 512 * len(data)


def _jpeg_markers(data: bytes) -> Iterator[tuple[int, int]]:
    """The markers up to the first scan, and their places."""
    at = 2
    while (at := data.find(b"\xff", at)) >= 0 and at + 4 <= len(data):
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        yield marker, at
        if marker == _SCAN:
            return
        if marker <= 0x01 or 0xD0 <= marker <= 0xD9:  # markers without a length
            at += 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")


def _has_png_end(data: bytes) -> bool:
    """Whether the chain of chunks reaches IEND inside the file."""
    return any(kind == b"IEND" for kind, _, _ in _png_chunks(data))


def has_sound_chunks(data: bytes) -> bool:
    """Whether each chunk of a PNG matches its checksum.

    Pillow does not check the pixel chunks; OpenCV prints an error to stderr and continues.
    """
    view = memoryview(data)
    return all(
        zlib.crc32(view[start - 4 : end]) == int.from_bytes(view[end : end + 4], "big")
        for _, start, end in _png_chunks(data)
    )


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the content of each complete chunk."""
    start = 16
    while start <= len(data):
        end = start + int.from_bytes(data[start - 8 : start - 4], "big")
        if end + 4 > len(data):
            return
        kind = data[start - 4 : start]
        yield kind, start, end
        if kind == b"IEND":
            return
        start = end + 12


# Bytes of one value by type (TIFF 6.0, section 2).
_TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}


def _is_tiff_cut(data: bytes) -> bool:
    """Whether the directory, or a value that it points to, extends beyond the end."""
    order = "<" if data[:2] == b"II" else ">"
    try:
        (at,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, at)
        for i in range(count):
            entry = struct.unpack_from(f"{order}HHII", data, at + 2 + 12 * i)
            size = _TIFF_SIZES.get(entry[1], 0) * entry[2]
            if size > 4 and entry[3] + size > len(data):
                return True
    except struct.error:
        return True
    return False

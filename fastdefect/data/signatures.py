"""What the bytes of a file say of themselves, without decoding them."""

import struct

_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),  # BigTIFF
    (b"MM\0+", "TIFF"),
    (b"GIF8", "GIF"),
)


def kind_of(data: bytes) -> str | None:
    """``JPEG``, ``PNG``, ``BMP``, ``TIFF``, ``WebP`` or ``GIF`` by the first bytes, or None."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    return next((kind for magic, kind in _MAGIC if data.startswith(magic)), None)


def is_cut(data: bytes, kind: str) -> bool:
    """Whether the file says of itself that it goes on after its last byte."""
    match kind:
        case "JPEG":
            return not _has_jpeg_end(data)
        case "PNG":
            return not _has_png_end(data)
        case "TIFF" if data[2:3] == b"*":
            order = "<I" if data[:2] == b"II" else ">I"
            return len(data) < 8 or struct.unpack_from(order, data, 4)[0] >= len(data)
        case "WebP":
            return int.from_bytes(data[4:8], "little") + 8 > len(data)
        case "BMP":
            return int.from_bytes(data[2:6], "little") > len(data)
    return False


def _has_jpeg_end(data: bytes) -> bool:
    """Whether an end marker follows the first scan of the main picture.

    The segments before the scan are stepped over, since an EXIF thumbnail has an end marker
    of its own; inside a scan the two bytes can't occur by chance (ITU T.81, B.1.1.5).
    """
    at = 2
    while (at := data.find(b"\xff", at)) >= 0 and at + 4 <= len(data):
        marker = data[at + 1]
        if marker == 0xDA:
            return data.find(b"\xff\xd9", at) >= 0
        if marker == 0xFF:  # padding
            at += 1
        elif marker <= 0x01 or 0xD0 <= marker <= 0xD9:  # markers without a length
            at += 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return False


def _has_png_end(data: bytes) -> bool:
    """Whether the chain of chunks leads to IEND inside the file.

    Followed and not searched for: OpenCV allocates whatever length a damaged chunk claims.
    """
    at = 8
    while at + 12 <= len(data):
        if data[at + 4 : at + 8] == b"IEND":
            return True
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return False

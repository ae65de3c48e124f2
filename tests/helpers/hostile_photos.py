"""Small photos in every kind of file and depth, and files that attack who reads them."""

import random
import struct
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image

from helpers.encode import encode, oriented, picture, tiff
from helpers.mutations import mutated
from helpers.photo_files import DEEP_COLOUR, DEEP_GREY, GREY, HEIC, opencv_file

_SUFFIXES = (".jpg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".heic", ".avif", ".pgm", ".pfm", "")


@cache
def corpus() -> dict[str, tuple[str, bytes]]:
    """Sound files: kind, as in ``signatures.kind_of``, and bytes, by a description."""
    photo, rgb = picture(), Image.fromarray(picture())
    grey = Image.fromarray(GREY)
    rgba = Image.fromarray(np.dstack([photo, GREY]))
    files = {
        **{f"JPEG {name}": data for name, data in _jpegs(rgb, grey).items()},
        **{f"PNG {name}": data for name, data in _pngs(rgb, grey, rgba).items()},
        **{f"TIFF {name}": data for name, data in _tiffs(rgb, grey).items()},
        "BMP 24": encode(rgb, "BMP"),
        "BMP 8": encode(rgb.quantize(200), "BMP"),
        "BMP 1": encode(grey.convert("1"), "BMP"),
        "BMP 32": encode(rgba, "BMP"),
        "WebP lossy": encode(rgb, "WEBP", quality=70),
        "WebP lossless": encode(rgb, "WEBP", lossless=True),
        "WebP alpha": encode(rgba, "WEBP"),
        "WebP turned": oriented(photo, "WEBP", 3),
        "WebP animated": encode(rgb, "WEBP", save_all=True, append_images=[rgb.rotate(90)]),
        "GIF": encode(rgb.quantize(60), "GIF"),
        "GIF animated": encode(rgb, "GIF", save_all=True, append_images=[rgb.rotate(90)] * 3),
        "PNM grey": b"P5\n60 40\n255\n" + GREY.tobytes(),
        "PNM colour": b"P6\n60 40\n255\n" + photo.tobytes(),
        "PNM deep": b"P5\n30 20\n65535\n" + DEEP_GREY.astype(">u2").tobytes(),
        "PFM grey": b"Pf\n60 40\n-1.0\n" + (GREY / 255).astype("<f4").tobytes(),
        "PFM colour": b"PF\n60 40\n1.0\n" + (photo / 255).astype(">f4").tobytes(),
        "HEIC": HEIC,
        "AVIF": encode(rgb, "AVIF", quality=50),
    }
    return {name: (name.split()[0], data) for name, data in files.items()}


def _jpegs(rgb: Image.Image, grey: Image.Image) -> dict[str, bytes]:
    return {
        "baseline": encode(rgb, "JPEG", quality=85),
        "progressive": encode(rgb, "JPEG", progressive=True),
        "4:4:4": encode(rgb, "JPEG", subsampling=0, icc_profile=bytes(200)),
        "grey": encode(grey, "JPEG"),
        "CMYK": encode(rgb.convert("CMYK"), "JPEG"),
        "turned": oriented(picture(), "JPEG", 6),
        "restart": encode(rgb, "JPEG", restart_marker_blocks=2),
    }


def _pngs(rgb: Image.Image, grey: Image.Image, rgba: Image.Image) -> dict[str, bytes]:
    return {
        "RGB": encode(rgb, "PNG"),
        "RGBA": encode(rgba, "PNG"),
        "grey": encode(grey, "PNG"),
        "grey alpha": encode(rgba.convert("LA"), "PNG"),
        "palette": encode(rgb.quantize(16), "PNG", transparency=3),
        "1 bit": encode(grey.convert("1"), "PNG"),
        "16 bits": encode(DEEP_GREY, "PNG"),
        "16 bits colour": opencv_file(".png", DEEP_COLOUR),
        "turned": oriented(picture(), "PNG", 8),
        "animated": encode(rgb, "PNG", save_all=True, append_images=[rgb.rotate(90)]),
    }


def _tiffs(rgb: Image.Image, grey: Image.Image) -> dict[str, bytes]:
    photo = picture()
    squeezed = {
        f"{name}": encode(rgb, "TIFF", compression=name)
        for name in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
    }
    return {
        **squeezed,
        "grey": tiff(GREY),
        "inverted": tiff(GREY, photometric=0),
        "1 bit": encode(grey.convert("1"), "TIFF", compression="group4"),
        "16 bits": tiff(DEEP_GREY, big_endian=True),
        "16 bits colour": tiff(DEEP_COLOUR, photometric=2),
        "32 bits": tiff(DEEP_GREY.astype(np.uint32) << 16),
        "float": tiff(DEEP_GREY.astype(np.float32) / 65535),
        "double": tiff(DEEP_GREY / 65535),
        "float colour": tiff(DEEP_COLOUR.astype(np.float32), photometric=2),
        "not a number": tiff(np.where(DEEP_GREY > 30000, np.nan, DEEP_GREY).astype(np.float32)),
        "planar": tiff(photo, photometric=2, planar=True),
        "alpha": tiff(np.dstack([photo, GREY]), photometric=2, alpha=True),
        "CMYK": encode(rgb.convert("CMYK"), "TIFF"),
        "LAB": encode(Image.fromarray(photo, "RGB").convert("RGB").convert("YCbCr"), "TIFF"),
        "palette": encode(rgb.quantize(16), "TIFF"),
        "pages": encode(rgb, "TIFF", save_all=True, append_images=[rgb] * 3),
        "big": encode(rgb, "TIFF", big_tiff=True),
        "opencv lzw": opencv_file(".tiff", DEEP_COLOUR),
    }


def hostile_photo(seed: int, index: int) -> tuple[str, str, bytes]:
    """The photo ``index`` of a series: what it is, a name of a file, and its bytes.

    One of 50 is of another kind than photos, one of 200 a bomb, all others are mutated.
    """
    rng = random.Random(f"{seed}/{index}")
    if index % 200 == 0:
        bombs = list(bombs_by_name().items())
        name, make = bombs[index // 200 % len(bombs)]
        return f"bomb {name}", f"bomb{_suffix(name, rng)}", make()
    if index % 50 == 1:
        name, data = rng.choice(list(OTHERS.items()))
        return f"other {name}", f"other{rng.choice(_SUFFIXES[:8])}", data
    files = corpus()
    name = rng.choice(list(files))
    kind, data = files[name]
    data = mutated(data, kind, [each for _, each in files.values()], rng)
    return name, f"photo{_suffix(name, rng)}", data


def _suffix(name: str, rng: random.Random) -> str:
    usual = {"JPEG": ".jpg", "TIFF": ".tif", "WebP": ".webp", "PNM": ".pgm"}
    kind = name.split()[0]
    return rng.choice(_SUFFIXES) if rng.random() < 0.2 else usual.get(kind, f".{kind.lower()}")


# Other kinds of files under the name of a photo.
OTHERS: dict[str, bytes] = {
    "PDF": b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n" * 3,
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9999 9999\nshowpage\n",
    "ZIP": b"PK\x03\x04" + bytes(200) + b"PK\x05\x06" + bytes(18),
    "MP4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(100),
    "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'><rect width='9' height='9'/></svg>",
    "HTML": b"<!doctype html><script>alert(1)</script>",
    "program": b"\x7fELF" + bytes(300),
    "text": "Fehler: Kamera nicht verbunden\n".encode("utf-16"),
    "nothing": b"",
    "zeros": bytes(5000),
    "ones": b"\xff" * 5000,
    "ICO": b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0\x68\4\0\0\x16\0\0\0" + bytes(500),
    "PSD": b"8BPS\0\1" + bytes(200),
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(200),
    "pickle": b"\x80\x04\x95" + bytes(60) + b".",
    "gzip": b"\x1f\x8b\x08" + bytes(60),
}


# ---- bombs ---------------------------------------------------------------------------------


def _png(
    width: int, height: int, depth: int, colour: int, body: bytes, extra: bytes = b""
) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", head)
        + extra
        + _chunk(b"IDAT", body)
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


@cache
def _zeros(count: int) -> bytes:
    squeezed = zlib.compressobj(9)
    block = bytes(1 << 20)
    parts = [squeezed.compress(block) for _ in range(count >> 20)]
    return b"".join([*parts, squeezed.compress(bytes(count & 0xFFFFF)), squeezed.flush()])


def _tiff_of(width: int, height: int, compression: int, strip: bytes, bits: int = 8) -> bytes:
    tags = [
        (256, 4, width),
        (257, 4, height),
        (258, 3, bits),
        (259, 3, compression),
        (262, 3, 1),
        (273, 4, 8 + 2 + 12 * 9 + 4),
        (277, 3, 1),
        (278, 4, height),
        (279, 4, len(strip)),
    ]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + strip


def _gif(width: int, height: int, frames: int) -> bytes:
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0"
    return (
        b"GIF89a"
        + struct.pack("<HHBBB", width, height, 0x80, 0, 0)
        + bytes(6)
        + frame * frames
        + b";"
    )


def _jpeg_of(width: int, height: int) -> bytes:
    data = bytearray(encode(picture(), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def _endless_pages() -> bytes:
    """A TIFF whose directory follows itself."""
    data = bytearray(tiff(GREY))
    (n,) = struct.unpack_from("<H", data, 8)
    struct.pack_into("<I", data, 8 + 2 + 12 * n, 8)
    return bytes(data)


def _bmp_rle(width: int, height: int) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, 2, 0, 0, 256, 0)
    return (
        b"BM" + struct.pack("<IHHI", 54 + 1024 + 2, 0, 0, 54 + 1024) + head + bytes(1024) + b"\0\1"
    )


def _webp(size: int) -> bytes:
    return encode(Image.new("RGB", (size, size)), "WEBP", lossless=True, quality=0, method=0)


def _big_heic() -> bytes:
    at = HEIC.index(b"ispe")
    return HEIC[: at + 8] + struct.pack(">II", 60000, 60000) + HEIC[at + 16 :]


def _text_bomb() -> bytes:
    text = _chunk(b"zTXt", b"Comment\0\0" + _zeros(200 << 20))
    profile = _chunk(b"iCCP", b"icc\0\0" + _zeros(200 << 20))
    return _png(60, 40, 8, 0, zlib.compress(bytes(61 * 40)), text + profile)


@cache
def bombs_by_name() -> dict[str, Callable[[], bytes]]:
    """Small files that claim or become much: makers, by the kind and what is wrong."""
    return {
        "PNG 30000 x 30000 of 1 bit": lambda: _png(30000, 30000, 1, 0, _zeros(30000 * 3751)),
        "PNG 60000 x 60000 without pixels": lambda: _png(60000, 60000, 8, 2, zlib.compress(b"")),
        "PNG 2147483647 x 2147483647": lambda: _png(
            2**31 - 1, 2**31 - 1, 16, 6, zlib.compress(b"")
        ),
        "PNG 12000 x 12000 of one colour": lambda: _png(12000, 12000, 8, 0, _zeros(12000 * 12001)),
        "PNG text of 400 MB": _text_bomb,
        "TIFF 60000 x 60000 deflate": lambda: _tiff_of(60000, 60000, 8, _zeros(60 << 20)),
        "TIFF 13000 x 13000 deflate": lambda: _tiff_of(13000, 13000, 8, _zeros(13000 * 13000)),
        "TIFF 13000 x 13000 of 64 bits": lambda: _tiff_of(13000, 13000, 8, _zeros(1 << 20), 64),
        "TIFF that follows itself": _endless_pages,
        "GIF 65535 x 65535": lambda: _gif(65535, 65535, 1),
        "GIF 9000 x 9000 with 5000 frames": lambda: _gif(9000, 9000, 5000),
        "JPEG 65500 x 65500": lambda: _jpeg_of(65500, 65500),
        "JPEG 12000 x 12000": lambda: _jpeg_of(12000, 12000),
        "BMP 30000 x 30000 RLE": lambda: _bmp_rle(30000, 30000),
        "BMP 12000 x 12000 RLE": lambda: _bmp_rle(12000, 12000),
        "BMP 2147483647 wide": lambda: _bmp_rle(2**31 - 1, 2),
        "WebP 9000 x 9000": lambda: _webp(9000),
        "HEIC 60000 x 60000": _big_heic,
        "PNM 99999999 x 99999999": lambda: b"P5\n99999999 99999999\n255\n" + bytes(100),
        "PFM 99999 x 99999": lambda: b"PF\n99999 99999\n-1\n" + bytes(100),
    }


def awkward_names() -> list[bytes]:
    """Names of files that some program mistakes for something else; as bytes of the file system."""
    texts = (
        "new\nline",
        "tab\there",
        'quo"te',
        "apo'strophe",
        "back\\slash",
        "comma,semi;",
        "-rf",
        "emoji \U0001f529",
        "u\u0308ber",
        "übér",
        "rtl\u202etxt",
        "$(touch x)",
        "`id`",
        "a b",
        "%s%n",
        "..hidden",
        "CON",
        "<b>bold",
        "=1+1",
        "\x1b[2Jescape",
        "zero\u200bwidth",
        "x" * 240,
    )
    return [*(text.encode() for text in texts), b"latin-\xe9", b"bytes-\xff\xfe"]

"""Photos as the files that cameras and other programs write, by format and depth."""

import cv2
import numpy as np

from helpers.encode import encode, picture, tiff

PICTURE = picture()


GREY = PICTURE[..., 2]


DEEP_GREY = np.arange(0, 65536, 109, dtype=np.uint16)[:600].reshape(20, 30)


DEEP_COLOUR = np.dstack([DEEP_GREY, DEEP_GREY[::-1], 65000 - DEEP_GREY // 2])


def opencv_file(extension: str, values: np.ndarray) -> bytes:
    ok, data = cv2.imencode(extension, values)
    assert ok
    return data.tobytes()


LOSSLESS = {
    "png": encode(PICTURE, "PNG"),
    "bmp": encode(PICTURE, "BMP"),
    "tiff": encode(PICTURE, "TIFF"),
    "tiff lzw": encode(PICTURE, "TIFF", compression="tiff_lzw"),
    "tiff big-endian": tiff(PICTURE, photometric=2, big_endian=True),
    "tiff planar": tiff(PICTURE, photometric=2, planar=True),
    "webp": encode(PICTURE, "WEBP", lossless=True),
}


DEEP_GREY_FILES = {
    "png": encode(DEEP_GREY, "PNG"),
    "tiff": tiff(DEEP_GREY),
    "tiff big-endian": tiff(DEEP_GREY, big_endian=True),
    "tiff lzw": opencv_file(".tiff", DEEP_GREY),
}


DEEP_COLOUR_FILES = {
    "png": opencv_file(".png", DEEP_COLOUR[..., ::-1]),
    "tiff": tiff(DEEP_COLOUR, photometric=2),
    "tiff big-endian": tiff(DEEP_COLOUR, photometric=2, big_endian=True),
}

"""What goes wrong with the files of photos."""

import struct
import zlib
from pathlib import Path

import cv2

from fastdefect.errors import DataError

# Errors that Pillow, its plugins and OpenCV raise on truncated and corrupted files, found by
# fuzzing (test_images_damaged.py, test_hostile_photos.py) and in their sources.
DAMAGE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    MemoryError,
    RuntimeError,
    AttributeError,
    AssertionError,
    struct.error,
    zlib.error,
    cv2.error,
)


class UnreadablePhoto(DataError):  # noqa: N818 - the name describes the photo
    """A file that is not a readable photo; ``reason`` is a plain explanation.

    ``path`` is a URL as text for a file in an object store.
    """

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"Cannot read {path}: {reason}.")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type["UnreadablePhoto"], tuple[Path | str, str]]:
        # Pickle both arguments, so that the exception can leave a worker process.
        return type(self), (self.path, self.reason)


class RefusedError(Exception):
    """A valid photo that is not read, for its kind or its size; the message is the reason."""

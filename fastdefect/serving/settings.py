"""The settings of a server at the line."""

from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024
MOST_PHOTOS = 12  # of a part
MOST_TEXT = 200  # characters of a part, a file name, a label or a key
MOST_NAME = 100  # characters of a person
# In a class of a regular expression: what a text of one line has not, that is control characters,
# line separators, and characters that reverse the direction of writing.
UNPRINTED = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069"
SMALL_BODY = 16 * 1024  # bytes of a body without photos


@dataclass(frozen=True)
class Settings:
    """The options of ``fastdefect serve``, and the limits of a request.

    ``token``: each request must have it; None serves this computer only. ``allowed_hosts``: names
    of this server beside ``host`` and those of this computer. ``max_megapixels`` bounds a photo
    beside the limit of the model. ``queue`` counts the photos that are accepted and not decided
    yet, ``memory`` the bytes of all requests that are being received or decided. ``timeout``: the
    seconds to receive a request, and to decide. ``check_ok`` and ``check_reject``: the shares of
    these decisions that people check. ``keep_days`` and ``keep_gb`` bound the stored photos; None
    keeps all.
    """

    store: Path = Path("line")
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    max_bytes: int = 32 * MIB
    max_megapixels: float = 100.0
    max_photos: int = MOST_PHOTOS
    queue: int = 64
    memory: int = 1024 * MIB
    timeout: float = 30.0
    check_ok: float = 0.02
    check_reject: float = 0.02
    keep_days: float | None = None
    keep_gb: float | None = None
    language: str = "en"
    threads: int | None = None  # that decide; None is the fastest number

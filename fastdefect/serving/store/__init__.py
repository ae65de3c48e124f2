"""What a line keeps: a database and photo files, safe against kills and full disks."""

from fastdefect.serving.store.store import Store

__all__ = ["Store"]

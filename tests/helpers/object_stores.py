"""Stores with URLs for tests: one in memory, one that is out of order, and a local S3."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fsspec import register_implementation
from fsspec.implementations.memory import MemoryFileSystem

BUCKET = "line-7"
_KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",  # of no account: moto takes any
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


class BrokenStore(MemoryFileSystem):
    """A store in memory that raises ``errors`` in turn when a file is read or a folder listed."""

    protocol = "broken"
    cachable = False
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    errors: ClassVar[list[Exception]] = []
    listing_errors: ClassVar[list[Exception]] = []

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + path.removeprefix("broken://").strip("/")

    def cat_file(self, path: str, *args: Any, **named: Any) -> bytes:
        if self.errors:
            raise self.errors.pop(0)
        return bytes(super().cat_file(path, *args, **named))

    def ls(self, path: str, *args: Any, **named: Any) -> Any:
        if self.listing_errors:
            raise self.listing_errors.pop(0)
        return super().ls(path, *args, **named)


register_implementation("broken", BrokenStore, clobber=True)


def put(url: str, files: dict[str, bytes]) -> None:
    """Write files below a URL."""
    from fsspec.core import url_to_fs

    store, root = url_to_fs(url)
    for name, content in files.items():
        store.pipe_file(f"{root.rstrip('/')}/{name}", content)


def put_folder(url: str, folder: Path) -> None:
    """Copy the files of a folder below a URL."""
    names = [path for path in folder.rglob("*") if path.is_file()]
    put(url, {path.relative_to(folder).as_posix(): path.read_bytes() for path in names})


@contextmanager
def local_s3() -> Iterator[str]:
    """A server that is compatible with S3, on this computer, with an empty bucket; its URL."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**_KEYS, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}.items():
            patch.setenv(name, value)
        from s3fs import S3FileSystem

        S3FileSystem.clear_instance_cache()
        S3FileSystem().mkdir(BUCKET)
        yield f"s3://{BUCKET}"
        S3FileSystem.clear_instance_cache()
    server.stop()

"""The options of ``predict --engine ray``, and the way to the job behind it."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fastdefect.errors import UsageError
from fastdefect.jobs.trained.request import Request

if TYPE_CHECKING:
    from fastdefect.console import Screen
    from fastdefect.jobs.predict import Output, Predicted

Engine = Annotated[
    Literal["local", "ray"],
    typer.Option(
        "--engine", help="Decide in this process, or in workers of a Ray cluster (extra ray)."
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        help="With --engine ray: auto, or the address of a cluster.",
        show_default="a cluster of this computer",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        help="With --engine ray: processes that decide.",
        show_default="as many as CPUs",
    ),
]
ShardPhotos = Annotated[
    int | None,
    typer.Option(
        "--shard-photos",
        min=1,
        help="With --engine ray: photos in a file of the data set.",
        show_default="2000, fewer for few photos",
    ),
]


@dataclass(frozen=True)
class Cluster:
    """The values of the options above. ``threads`` are those of a worker."""

    engine: Literal["local", "ray"] = "local"
    address: str | None = None
    workers: int | None = None
    shard_photos: int | None = None
    threads: int | None = None

    @property
    def is_used(self) -> bool:
        """Whether workers decide."""
        return self.engine == "ray"

    def check(self, request: Request, out: str | None, watch: Path | None) -> None:
        """Raise ``UsageError`` for options that do not go together, or without the extra."""
        if not self.is_used:
            self._check_unused(out)
            return
        if watch is not None:
            raise UsageError(
                "--watch decides in this process, so --engine ray does not apply.",
                "Remove one of them.",
            )
        if out is None:
            raise UsageError(
                "--engine ray writes a data set, but there is no --out.",
                "Add --out FOLDER, or a URL such as s3://BUCKET/DECISIONS.",
            )
        if request.device not in ("auto", "cpu"):
            raise UsageError(
                f"--device {request.device}: the workers of --engine ray decide on CPUs.",
                "Remove the option, or use --engine local.",
            )
        from fastdefect.jobs.predicting.engine_ray import check_ray

        check_ray()

    def _check_unused(self, out: str | None) -> None:
        others = {
            "--address": self.address,
            "--workers": self.workers,
            "--shard-photos": self.shard_photos,
        }
        if given := [name for name, value in others.items() if value is not None]:
            raise UsageError(
                f"{', '.join(given)} applies to --engine ray only.",
                "Add --engine ray, or remove the option.",
            )
        from fastdefect.data.reading.object_store import is_url

        if out is not None and is_url(out):
            raise UsageError(
                f"--out {out}: one file is written to a disk, not to a URL.",
                "Name a file, or add --engine ray, which writes a data set.",
            )

    def predict(
        self,
        named: tuple[str, Path, Request],
        photos: Sequence[str],
        to: tuple[str, "Output"],
        screen: "Screen",
        on_row: Callable[[dict[str, Any]], None],
    ) -> "Predicted":
        """Decide on ``photos`` with the model that ``find_model`` finds by ``named``.

        ``to``: the folder or URL of the data set, and what its rows are of.
        """
        from fastdefect.data.reading.unlabelled import Sources
        from fastdefect.jobs.predict_sharded import ShardedOutput, check_sharded, predict_sharded
        from fastdefect.jobs.predicting.engine_ray import connected
        from fastdefect.jobs.predicting.open_model import find_model

        check_sharded(sharded := ShardedOutput(*to, self.shard_photos))
        sources = Sources.of(photos, sys.stdin.buffer)
        if self.address is not None:
            sources.check_shared()
        source = find_model(*named)
        scorer = source.open(screen)
        threads = self.threads or 1
        with connected(self.address, self.workers, threads, screen) as engine:
            return predict_sharded(
                source,
                scorer,
                sources.labelled(scorer.judge.classes),
                replace(sharded, workers=engine.workers),
                engine,
                threads=threads,
                on_event=screen,
                on_row=on_row,
            )

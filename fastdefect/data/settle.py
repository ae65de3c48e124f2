"""What all photos of a set must share: the grey scale of deep photos, and the number of tiles."""

from dataclasses import replace

from fastdefect.config import DataConfig, RunConfig
from fastdefect.data.audit.background_tiles import find_background
from fastdefect.data.audit.tiling import UNASKED, choose_tiles, has_marks
from fastdefect.data.photos import Listing, Manifest
from fastdefect.data.reading.depth import find_white
from fastdefect.data.reading.frame import Frame
from fastdefect.data.reading.images import Reading
from fastdefect.data.reading.labels import good_classes
from fastdefect.errors import UsageError
from fastdefect.events import Note, OnEvent, Progress
from fastdefect.process import one_thread_each

TILES_A_STEP = 256  # of 224 px: 150 MB as the floats that a network gets


def settle_white(listing: Listing, config: DataConfig, on_event: OnEvent) -> DataConfig:
    """``config`` with the value that is white in all deep photos, if there are any.

    A given ``white`` stays. What is chosen once holds for every later photo of a run: only what
    begins one may call this.
    """
    if config.white is not None:
        return config

    def on_progress(done: int, total: int) -> None:
        on_event(Progress("reading the scale of deep photos", done, total))

    with one_thread_each():
        white = find_white(listing.entries, Reading.of(config), on_progress)
    return replace(config, white=white)


def settle_tiles(listing: Listing, config: DataConfig, on_event: OnEvent) -> DataConfig:
    """``config`` with the number of tiles, chosen by the photos if it is ``auto`` or ``marked``.

    ``marked`` chooses tiles by known defects only, and not more than a user would wait for who did
    not ask; the warning on defects that become too small then names ``auto``.
    """
    if config.tiles not in ("auto", "marked"):
        return config
    asked = config.tiles == "auto"
    good = good_classes(listing.classes, config.good, config.learn == "good")
    none = replace(config, tiles="none")
    of_whole_photos = config.light or config.view_input
    if not asked and (of_whole_photos or not has_marks(listing.entries, good)):
        return none
    with one_thread_each():
        tiles, reason = choose_tiles(listing.entries, good, config, known_only=not asked)
    if tiles == 1 or (not asked and tiles > UNASKED):
        if asked:
            on_event(Note(f"--tiles auto: no tiles, as {reason}."))
        return none
    on_event(
        Note(
            f"--tiles {config.tiles}: up to {tiles} tiles of {config.image_size} px of each photo, "
            f"as {reason}. A photo takes up to {tiles} times as long; override with --tiles."
        )
    )
    return replace(config, tiles=str(tiles))


def whole_unless_asked(config: RunConfig) -> RunConfig:
    """``config`` without tiles, unless the user gave them: for steps that are of whole photos."""
    if config.data.tiles != "marked":
        return config
    return replace(config, data=replace(config.data, tiles="none"))


def settle_background(listing: Listing, config: DataConfig, on_event: OnEvent) -> DataConfig:
    """``config`` with what tells tiles of background alone; ``keep`` where that is not sure.

    The number of tiles and the grey scale must be settled.
    """
    if config.tile_count == 1 or config.tile_background != "auto":
        return config
    good = good_classes(listing.classes, config.good, config.learn == "good")
    with one_thread_each():
        frame = Frame.of(config)
        found, reason = find_background(listing.entries, good, frame, Reading.of(config))
    if found is None:
        if reason:
            on_event(Note(f"All tiles count, also those of background: {reason}."))
        return replace(config, tile_background="keep")
    on_event(
        Note(
            f"Tiles that show background alone are left out: {reason}. A photo with another "
            "outline keeps all its tiles; override with --tile-background keep."
        )
    )
    values = (found.least, found.most, found.contrast)
    return replace(config, tile_background=",".join(f"{value:.4f}" for value in values))


def settle_reading(listing: Listing, config: DataConfig, on_event: OnEvent) -> DataConfig:
    """``config`` with what all photos must share: tiles, grey scale and background."""
    config = settle_white(listing, settle_tiles(listing, config, on_event), on_event)
    return settle_background(listing, config, on_event)


def as_read(config: RunConfig, manifest: Manifest) -> RunConfig:
    """``config`` with the grey scale and the tiles the photos were read with, for the run to keep.

    The photos of a step are limited, so that a step does not need much more memory with tiles.
    Raises ``UsageError`` for a setting that does not suit tiles.
    """
    data = replace(config.data, white=manifest.white)
    if manifest.tiles == 1:
        return replace(config, data=replace(data, tiles="none"))
    _check_suits_tiles(config, manifest.tiles)
    most = max(2, TILES_A_STEP // manifest.tiles)
    size = min(config.training.batch_size, most)
    return replace(
        config,
        data=replace(data, tiles=str(manifest.tiles), tile_background=_as_text(manifest)),
        training=replace(config.training, batch_size=size),
    )


def _as_text(manifest: Manifest) -> str:
    """The setting ``tile_background`` that the photos were read with."""
    values = manifest.background
    return "keep" if values is None else ",".join(f"{value:.4f}" for value in values)


def _check_suits_tiles(config: RunConfig, tiles: int) -> None:
    if config.data.light:
        raise UsageError(
            "--randomize-background-light needs the background around the part, which most tiles "
            f"do not show, but --tiles is {tiles}.",
            "Remove one of the two.",
        )

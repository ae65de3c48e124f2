"""``fastdefect preview``: show photos as the model gets them, before a long training."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fastdefect.config import DataConfig
from fastdefect.data.augment.background_light import BorrowedLight, borrow_light
from fastdefect.data.augment.pipelines import Augmenter, item_seed
from fastdefect.data.load import list_data
from fastdefect.data.reading.images import Pixels, Reading, UnreadablePhoto, fit_to, read_photo
from fastdefect.data.reading.manifest import Entry
from fastdefect.data.sampling import draw_evenly
from fastdefect.data.settle import settle_white
from fastdefect.errors import DataError
from fastdefect.events import Note, OnEvent
from fastdefect.files import atomic_path, written_to
from fastdefect.reporting.sheets.contact_sheet import Tile, contact_sheet


def preview(
    config: DataConfig, *, seed: int, photos: int, draws: int, out: Path, on_event: OnEvent
) -> Path:
    """Write a contact sheet: per photo, the model input and ``draws`` augmented versions."""
    listing = list_data(config, new=True)
    config = settle_white(listing, replace(config, tiles="none"), on_event)
    drawn = draw_evenly([entry.label for entry in listing.entries], photos, seed)
    entries = sorted(
        (listing.entries[place] for place in drawn), key=lambda entry: (entry.label, entry.name)
    )
    shown = _readable(entries, config, on_event)
    if not shown:
        raise DataError(
            f"Expected readable photos in {config.data}, but none of the {len(entries)} drawn ones "
            "can be read.",
            "Check the photos with fastdefect audit.",
        )
    light = _light_of(shown) if config.light else None
    augmenter = Augmenter(config.augment, config.image_size, light)
    rows = []
    for position, (entry, image) in enumerate(shown):
        tiles = [Tile(image, f"{entry.label}\n{Path(entry.name).name}")]
        tiles += [
            Tile(augmenter(image, item_seed(seed, draw, position)), f"epoch {draw + 1}")
            for draw in range(draws)
        ]
        rows.append(tiles)
    for line in augmenter.describe():
        on_event(Note(line))
    what = f"{config.augment} and light" if config.light else config.augment
    sheet = contact_sheet(rows, title=f"{what} at {config.image_size} px: original, then augmented")
    with written_to(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(out) as temporary:
            sheet.save(temporary, format="PNG")
    return out


def _readable(
    entries: Sequence[Entry], config: DataConfig, on_event: OnEvent
) -> list[tuple[Entry, Pixels]]:
    """The readable photos as model inputs; a warning for each unreadable one."""
    shown = []
    for entry in entries:
        try:
            photo = read_photo(entry.path, Reading.of(config))
            image = fit_to(photo, config.image_size, config.resize)
        except UnreadablePhoto as error:
            on_event(Note(f"{entry.name} can't be read: {error.reason}.", "warning"))
            continue
        shown.append((entry, image))
    return shown


def _light_of(shown: Sequence[tuple[Entry, Pixels]]) -> BorrowedLight:
    """The light exchanged among the photos of the sheet; in training, among all of train."""
    by_class: dict[str, list[int]] = {}
    for row, (entry, _) in enumerate(shown):
        by_class.setdefault(entry.label, []).append(row)
    return borrow_light([image for _, image in shown], list(by_class.values()))

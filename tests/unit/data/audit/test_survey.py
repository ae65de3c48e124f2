"""The survey of photos while they are read, and the search on it."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.manifests import manifest, photo

from fastdefect.data.audit.survey import Survey
from fastdefect.data.photos import Manifest
from fastdefect.sample.render import photograph, render_part


@pytest.fixture(scope="module")
def rendered() -> tuple[Survey, Manifest]:
    """Four parts, two photos of each; the last file is a copy of the first."""
    survey = Survey(9, search=True)
    photos = []
    for part in range(4):
        surface = render_part(part, size=160, defect=None)
        for shot in range(2):
            row = 2 * part + shot
            survey.put(row, photograph(surface, 100 + row).pixels)
            photos.append(replace(photo(f"{row:02}", "ab"[part % 2], f"p{part}"), row=row))
    first = photograph(render_part(0, size=160, defect=None), 100).pixels
    survey.put(8, first)
    photos.append(replace(photo("08", "a", sha256=photos[0].sha256), row=8))
    return survey, manifest(photos)


def test_parts_are_found_and_copies_belong_to_their_originals(
    rendered: tuple[Survey, Manifest],
) -> None:
    survey, photos = rendered
    done: list[tuple[str, int, int]] = []
    found = survey.search(photos, lambda *at: done.append(at))
    assert found.group[8] == found.group[0]
    assert sum(found.group[2 * k] == found.group[2 * k + 1] for k in range(4)) >= 3
    assert len(set(found.group)) >= 4
    assert all(8 not in (link.one, link.other) for link in found.links)
    assert done[0] == ("listing similar photos", 1, 8)
    assert ("comparing photos", 8, 8) in done
    assert done[-1][1] == done[-1][2]
    again: list[tuple[str, int, int]] = []
    assert found == survey.search(photos, lambda *at: again.append(at))
    assert again == []  # a search in the same photos is done once


def test_every_photo_has_a_look(rendered: tuple[Survey, Manifest]) -> None:
    survey, photos = rendered
    looks = survey.looks(photos)
    assert len(looks) == 9
    assert np.array_equal(looks[0].thumbnail, looks[8].thumbnail)


def test_what_was_not_gathered_is_refused() -> None:
    survey = Survey(1, search=False)
    survey.put(0, np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(ValueError, match="search=True"):
        survey.search(manifest([photo("a", "a")]))
    with pytest.raises(ValueError, match="read with this survey"):
        Survey(1, search=False).looks(manifest([photo("a", "a")]))

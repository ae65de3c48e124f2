"""A split on disk, and one dealt again beside the same test."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.manifests import manifest, photo, plain
from helpers.splits import counts, leaking, named, split_by_parts

from fastdefect.data.reading.manifest import Manifest
from fastdefect.data.splitting.split import (
    Split,
    deal_again,
    group_parts,
    make_split,
    read_split,
    run_rows,
    split_rows,
)
from fastdefect.errors import DataError, RunError
from fastdefect.files import write_csv
from fastdefect.run_files import SPLIT_COLUMNS

Saved = tuple[Path, Manifest, Split]


# ---- on disk -----------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    photos = manifest(
        [
            *plain(good=9, crack=9).photos,
            photo('bad, "very"/ü.png', "crack", part="7; 8"),
            photo("1.png", "good", sha256="sha of good/0000"),
        ]
    )
    split = split_by_parts(photos, valid=0.2, test=0.2, seed=0)
    path = tmp_path / "split.csv"
    write_csv(path, split_rows(photos, split), SPLIT_COLUMNS)
    return path, photos, split


def test_a_split_comes_back_as_it_was(saved: Saved) -> None:
    path, photos, split = saved
    assert read_split(path, photos) == split
    assert path.read_text(encoding="utf-8").splitlines()[0] == "path,label,part,split,sha256"
    assert len(split_rows(photos, split)) == len(photos.photos)


def test_a_run_keeps_the_parts_as_the_user_named_them() -> None:
    """Identical photos join the parts P and Q; both names may return with later photos."""
    photos = manifest([
        *plain(good=9, crack=9).photos,
        photo("good/p", "good", part="P", sha256="same"),
        photo("good/q", "good", part="Q", sha256="same"),
    ])  # fmt: skip
    split = split_by_parts(photos, valid=0.2, test=0.2, seed=0)
    rows = {row["path"]: (row["part"], row["given_part"]) for row in run_rows(photos, split)}
    assert (rows["good/p"], rows["good/q"]) == (("P", "P"), ("P", "Q"))
    assert rows["good/0000"] == ("good/0000", "")


def test_an_unused_photo_comes_back_unused(tmp_path: Path) -> None:
    photos = leaking()
    split = split_by_parts(photos, valid=0.2, test=0.2, seed=0, unleak=True)
    rows = split_rows(photos, split)
    assert Counter(row["split"] for row in rows)["unused"] == 4
    write_csv(tmp_path / "split.csv", rows, SPLIT_COLUMNS)
    assert read_split(tmp_path / "split.csv", photos) == split


def test_the_order_of_photos_does_not_matter_to_a_saved_split(saved: Saved) -> None:
    path, photos, split = saved
    turned = manifest(reversed(photos.photos))
    assert named(turned, read_split(path, turned)) == named(photos, split)


def test_other_photos_are_an_error_that_names_them(saved: Saved) -> None:
    path, photos, _ = saved
    kept = list(photos.photos)
    kept[3] = replace(kept[3], sha256="other")
    kept[4] = replace(kept[4], label="good")
    del kept[10:17]
    kept.append(photo("new.png", "good"))
    with pytest.raises(DataError) as caught:
        read_split(path, manifest(kept))
    message = caught.value.message
    gone = [p.name for p in photos.photos[10:17]]
    assert f"7 missing or unreadable: {', '.join(gone[:5])} and 2 more" in message
    assert "1 new: new.png" in message
    assert f"1 changed: {photos.photos[3].name}" in message
    assert f"1 relabelled: {photos.photos[4].name}" in message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "Expected the split at"),
        ("", "is empty"),
        ("path,label\na,b\n", "line 2: expected path,label,part,split,sha256"),
        ("path,label,part,split,sha256\na,b,c,tran,e\n", "line 2: expected"),
        ("path,label,part,split,sha256\na,b,c\n", "line 2: expected"),
        ("path,label,part,split,sha256\na,b,c,test,e\na,b,c,test,e\n", "lists a photo twice"),
    ],
)
def test_a_damaged_split(tmp_path: Path, text: str | None, says: str) -> None:
    path = tmp_path / "split.csv"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=says):
        read_split(path, plain(good=3, crack=3))


def test_a_split_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunError, match="Cannot read the split"):
        read_split(path, plain(good=3, crack=3))


# ---- dealt again beside the same test ----------------------------------------------------


@pytest.mark.parametrize("test", [0.25, 0.0])
def test_dealt_again_the_test_stays_and_train_and_valid_change(test: float) -> None:
    photos = manifest(
        [photo(f"{i:03}", "bad" if i // 4 % 2 else "good", part=str(i // 4)) for i in range(320)]
    )
    base = split_by_parts(photos, valid=0.25, test=test, seed=1)
    again = deal_again(photos, base, valid=0.25, test=test, seed=2)
    assert again.test == base.test
    assert again.parts == base.parts
    assert again.valid != base.valid
    assert counts(photos, again) == counts(photos, base)  # as large, and as stratified
    assert not {base.parts[i] for i in again.train} & {base.parts[i] for i in again.valid}
    assert deal_again(photos, base, valid=0.25, test=test, seed=2) == again
    assert deal_again(photos, base, valid=0.25, test=test, seed=3) != again


@pytest.mark.parametrize("given", ["valid", "test"])
def test_dealt_again_what_is_given_stays(given: str) -> None:
    names = [f"{i:03}" for i in range(120)]
    photos = manifest(
        [
            photo(name, "good" if i % 2 else "bad", split=given if i < 30 else None)
            for i, name in enumerate(names)
        ]
    )
    base = split_by_parts(photos, valid=0.25, test=0.2, seed=1)
    again = deal_again(photos, base, valid=0.25, test=0.2, seed=2)
    assert again.of(given) == base.of(given) == tuple(range(30))
    assert again.test == base.test
    assert counts(photos, again) == counts(photos, base)
    assert (again.valid == base.valid) == (given == "valid")


def test_dealt_again_unleaked_photos_stay_out() -> None:
    sealed = [photo(f"t{i}", "good" if i % 2 else "bad", part=str(i), split="test") for i in (1, 2)]
    rest = [
        photo(f"{i:02}", "good" if i % 2 else "bad", part=str(i), split="train")
        for i in range(1, 41)
    ]
    photos = manifest([*rest, *sealed])
    shares = {"valid": 0.25, "test": 0.25, "unleak": True}
    base = make_split(photos, group_parts(photos), seed=1, **shares)
    again = deal_again(photos, base, seed=2, **shares)
    assert again.unused == base.unused
    assert len(base.unused) == 2
    assert again.test == base.test

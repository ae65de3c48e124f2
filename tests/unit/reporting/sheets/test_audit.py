"""The sheet of an audit: each case beside what explains it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fastdefect.data.audit.appearance import measure_appearance
from fastdefect.data.audit.audit import Audit
from fastdefect.data.audit.registry import CHECKS
from fastdefect.data.findings import Finding
from fastdefect.data.parts.search import Link
from fastdefect.data.photos import FileFacts, Manifest, Photo
from fastdefect.reporting.sheets import audit as audit_module
from fastdefect.reporting.sheets.audit import worst_cases
from fastdefect.reporting.sheets.contact_sheet import Heading, Tile, contact_sheet, placeholder


class Recorder:
    """``contact_sheet``, and what it was called with."""

    rows: Sequence[Sequence[Tile]]
    headings: Mapping[int, Heading]

    def __call__(self, rows: Sequence[Sequence[Tile]], **options: Any) -> Image.Image:
        self.rows, self.headings = rows, options["headings"]
        return contact_sheet(rows, **options)

    @property
    def names(self) -> list[list[str]]:
        return [[tile.caption.split("\n")[0] for tile in row] for row in self.rows]

    @property
    def bad(self) -> list[list[str]]:
        return [
            [tile.caption.split("\n")[0] for tile in row if tile.mark == "bad"] for row in self.rows
        ]

    def notes(self, row: int) -> list[list[str]]:
        """What stands below name and label."""
        return [tile.caption.split("\n")[2:] for tile in self.rows[row]]


@pytest.fixture
def sheet(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(audit_module, "contact_sheet", recorder)
    return recorder


FACTS = FileFacts(20_480, "PNG", True, "RGB", 1, None, 0, None, None)


class Scene:
    """Photos in ``root``, each of a grey of its own, and what is found about them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.photos: list[Photo] = []
        self.parts: list[str] = []
        self.links: list[Link] = []
        self.findings: list[Finding] = []
        self.images: dict[str, np.ndarray] = {}

    def add(
        self,
        name: str,
        label: str,
        part: str,
        split: str | None = None,
        *,
        given: str | None = None,
        same_file: str | None = None,
        facts: FileFacts = FACTS,
        grey: int | None = None,
    ) -> str:
        path = self.root / name
        shade = 10 + 3 * len(self.photos) if grey is None else grey
        image = np.full((40, 60, 3), shade, np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path, format="PNG")
        digest = same_file or name
        self.photos.append(Photo(name, path, label, given, split, digest, 60, 40, 0, facts))
        self.parts.append(part)
        self.images[name] = image
        return name

    def link(
        self,
        one: str,
        other: str,
        *,
        evidence: float = 5.0,
        mirrored: bool = False,
        copy: bool = False,
    ) -> None:
        names = [photo.name for photo in self.photos]
        a, b = sorted((names.index(one), names.index(other)))
        self.links.append(Link(a, b, evidence, mirrored, copy))

    def find(self, kind: str, *names: str, value: float | None = None) -> None:
        self.findings.append(Finding(kind, "warning", f"about {kind}", value, None, names))

    def audit(self) -> Audit:
        classes = tuple(sorted({photo.label for photo in self.photos}))
        manifest = Manifest(self.root, "classes", tuple(self.photos), classes, (), ())
        looks = tuple(measure_appearance(self.images[photo.name]) for photo in self.photos)
        found = tuple(self.findings)
        return Audit(manifest, found, tuple(self.parts), tuple(self.links), (), looks)

    def draw(self, **options: Any) -> bool:
        return worst_cases(self.audit(), self.root / "worst.png", **options)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_every_kind_is_shown_or_has_nothing_to_be_looked_at() -> None:
    assert {kind for kind, check in CHECKS.items() if check.picture is None} == {
        *("shortcut", "several_defects", "small_class", "similar_classes", "absent_class"),
        *("imbalance", "empty_class", "no_label", "left_out", "not_a_photo", "encoding", "no_part"),
        *("no_product", "marks_without_photo"),
        # A small picture shows neither a depth nor a size.
        *("unread_format", "grey_scale", "mixed_depth", "over_white", "below_black"),
        "not_finite",
        *("small_defect", "strong_reduction"),
    }


def test_where_nothing_can_be_seen_nothing_is_drawn(scene: Scene) -> None:
    scene.add("a.png", "ok", "a")
    scene.find("imbalance", value=5.0)
    scene.find("no_part", "a.png")
    assert scene.draw() is False
    assert not (scene.root / "worst.png").exists()


def test_test_photos_stand_beside_their_mates_the_nearest_first(
    scene: Scene, sheet: Recorder
) -> None:
    for name, split in (("v", "valid"), ("t1", "test"), ("far", "train"), ("near", "train")):
        scene.add(name, "ok", "p", split)
    scene.add("t2", "ok", "q", "test", same_file="x")
    scene.add("linked", "ok", "q", "train")
    scene.add("same", "ok", "q", "train", same_file="x")
    scene.link("t2", "linked", evidence=9.0)
    scene.add("alone", "ok", "r", "test")
    scene.link("t1", "far", evidence=1.0)
    scene.link("t1", "near", evidence=9.0)
    scene.link("v", "near", evidence=0.5)
    scene.find("leak", "t1", "t2", "v", value=0.5)
    assert scene.draw()
    assert sheet.names == [["t1", "v", "near", "far"], ["t2", "same", "linked"]]
    assert sheet.bad == [["t1", "v"], ["t2"]]
    assert [tile.caption.split("\n")[1] for tile in sheet.rows[1]] == [
        "ok, test",
        "ok, train",
        "ok, train",
    ]
    assert sheet.headings[0].title == "Leak (warning): 2 parts"
    assert sheet.headings[0].text == (
        "about leak\n4 photos of part p (4 ok; 2 train, 1 valid, 1 test)"
    )
    assert sheet.headings[1] == Heading(text="3 photos of part q (3 ok; 2 train, 1 test)")


def test_many_test_photos_leave_room_for_their_mates(scene: Scene, sheet: Recorder) -> None:
    tests = [scene.add(f"t{i}", "ok", "p", "test") for i in range(5)]
    for i in range(4):
        scene.add(f"m{i}", "ok", "p", "train")
    scene.find("leak", *tests, value=1.0)
    scene.draw()
    assert sheet.names == [["t0", "t1", "t2", "m0", "m1", "m2"]]
    assert sheet.headings[0].text.endswith(
        "9 photos of part p (9 ok; 5 test, 4 train); 6 are shown"
    )


def test_of_a_pair_in_conflict_either_may_be_wrong_of_more_the_odd_one(
    scene: Scene, sheet: Recorder
) -> None:
    names = [
        scene.add("a", "ok", "p", same_file="x"),
        scene.add("b", "crack", "p", same_file="x"),
        scene.add("c", "ok", "q", same_file="y"),
        scene.add("d", "ok", "q", same_file="y"),
        scene.add("e", "crack", "q", same_file="y"),
    ]
    scene.find("label_conflict", *names, value=2)
    scene.draw()
    assert sheet.names == [["c", "e", "d"], ["a", "b"]]  # each label in turn
    assert sheet.bad == [["e"], ["a", "b"]]
    assert sheet.notes(1) == [[], ["same file"]]
    assert sheet.headings[0].title == "Label conflict (warning): 2 shots"
    assert sheet.headings[1].text == "2 photos of one shot (1 ok, 1 crack)"


def test_a_conflict_is_shown_between_copies_if_there_are_any_else_within_parts(
    scene: Scene, sheet: Recorder
) -> None:
    for name, label in (("a", "ok"), ("b", "crack"), ("c", "ok"), ("d", "crack")):
        scene.add(name, label, "p")
    scene.link("a", "b", copy=True)
    scene.link("c", "d", copy=True)
    scene.link("b", "c")
    scene.find("label_conflict", "a", "b", "c", "d")
    scene.draw()
    assert sheet.names == [["a", "b"], ["c", "d"]]
    scene.links = [replace(link, copy=False) for link in scene.links]
    scene.draw()
    assert sheet.names == [["a", "b", "c", "d"]]


def test_copies_show_their_size_and_identical_files(scene: Scene, sheet: Recorder) -> None:
    scene.add("dir/a", "ok", "p", same_file="x")
    scene.add("dir/same", "ok", "p", same_file="x")
    scene.add("dir/other", "ok", "p")
    scene.add("dir/small", "ok", "p", facts=replace(FACTS, size=1_500_000))
    scene.link("dir/a", "dir/small", copy=True)
    scene.link("dir/a", "dir/other")
    scene.find("near_duplicate", "dir/a", "dir/small")
    scene.find("duplicate", "dir/a", "dir/same")
    scene.find("same_part", "dir/a", "dir/same", "dir/other", "dir/small")
    scene.draw()
    near, part, same = range(3)
    assert sheet.names[near] == ["a", "small"]
    assert sheet.notes(near) == [["60 x 40, 20 KB"], ["60 x 40, 1,465 KB", "same shot"]]
    assert sheet.names[part] == ["a", "same", "other", "small"]
    assert sheet.notes(part) == [[], ["same file"], [], ["same shot"]]
    assert sheet.names[same] == ["a", "same"]


def test_who_is_turned_over_is_followed_from_photo_to_photo(scene: Scene, sheet: Recorder) -> None:
    names = [scene.add(name, "ok", "p") for name in "abcde"]
    scene.link("a", "b", mirrored=True, evidence=9.0)
    scene.link("b", "c", mirrored=True, evidence=8.0)
    scene.link("a", "c", mirrored=True, evidence=0.1)  # the weakest is wrong
    scene.link("c", "d", evidence=7.0)
    scene.find("same_part", *names)
    scene.draw()
    assert sheet.notes(0) == [[], ["mirrored"], [], [], []]  # of e nothing is known


def test_mirrored_is_the_one_and_not_all_the_others(scene: Scene, sheet: Recorder) -> None:
    names = [scene.add(name, "ok", "p") for name in "abc"]
    scene.link("a", "b", mirrored=True)
    scene.link("b", "c")
    scene.find("same_part", *names)
    scene.draw()
    assert sheet.notes(0) == [["mirrored"], [], []]


def test_the_largest_parts_are_shown_with_some_of_each_label_and_split(
    scene: Scene, sheet: Recorder
) -> None:
    names = []
    for part in range(9):
        names += [scene.add(f"{part}-{i}", "ok", f"p{part}", "train") for i in range(part + 1)]
    names += [scene.add("odd", "crack", "p8", "train"), scene.add("held", "ok", "p8", "test")]
    scene.find("same_part", *names)
    scene.draw()
    assert [len(row) for row in sheet.rows] == [6, 6, 6, 6, 5, 4]
    assert not any(sheet.bad)  # labels that differ are told of, but not what this is about
    assert sheet.names[0] == ["8-0", "odd", "held", "8-1", "8-2", "8-3"]
    assert sheet.headings[0].title == "Same part (warning): 6 of 8 parts"  # p0 is one photo
    assert "11 photos of part p8 (10 ok, 1 crack; 10 train, 1 test); 6" in sheet.headings[0].text


def test_photos_that_were_given_different_parts_stand_together(
    scene: Scene, sheet: Recorder
) -> None:
    # Each given part has two of the photos, which is not what the finding is about.
    for name in ("a1", "b1", "a2", "b2"):
        scene.add(name, "ok", name[0], given=name[0])
    scene.add("b3", "ok", "b", given="b")
    scene.link("a1", "b1")
    scene.link("a2", "b2")
    scene.link("b2", "b3")
    scene.find("same_part", "a1", "b1", "a2", "b2")
    scene.find("same_part", "a1", "a2", "b1", "b2", "b3")
    scene.draw()
    assert sheet.names == [["a1", "b1"], ["a2", "b2"], ["b1", "b2", "b3"], ["a1", "a2"]]
    assert sheet.notes(0) == [["part a"], ["part b"]]
    assert sheet.notes(3) == [[], []]
    assert sheet.headings[1].text == "2 photos of one part (2 ok)"


def test_photos_in_bad_condition_stand_worst_first_beside_what_is_usual(
    scene: Scene, sheet: Recorder
) -> None:
    for i in range(20):
        scene.add(f"n{i}", "ok", f"n{i}", grey=120)
    for i in range(40):
        scene.add(f"other{i}", "crack", f"o{i}", grey=220)
    dark = [scene.add(f"d{i}", "ok", f"d{i}", grey=30 - i) for i in range(14)]
    scene.add("gif", "ok", "gif", facts=replace(FACTS, frames=4))
    scene.add("named", "ok", "named", facts=replace(FACTS, kind="JPEG"))
    scene.find("underexposed", *reversed(dark))
    scene.find("animated", "gif")
    scene.find("wrong_suffix", "named")
    scene.find("odd_size", "named")
    scene.draw()
    assert sheet.names[0] == ["d13", "d12", "d11", "d10", "d9", "d8"]
    assert sheet.names[1] == ["d7", "d6", "d5", "d4", "d3", "d2"]
    assert sheet.notes(0)[0] == ["brightness 17", "usual 120"]
    assert sheet.headings[0] == Heading(
        "Underexposed (warning): 12 of 14 photos", "about underexposed\n"
    )
    assert 1 not in sheet.headings
    assert sheet.notes(2) == [["60 x 40"]]
    assert sheet.notes(3) == [["is JPEG"]]
    assert sheet.notes(4) == [["1 of 4 pictures"]]


def test_what_cant_be_read_is_grey_with_the_reason(scene: Scene, sheet: Recorder) -> None:
    gone = scene.add("gone.png", "ok", "gone")
    (scene.root / gone).unlink()
    (scene.root / "ok").mkdir()
    (scene.root / "ok" / "empty.png").touch()
    scene.find("unreadable", "ok/empty.png")
    scene.find("blank", gone)
    assert scene.draw(tile=90)
    blank, unreadable = sheet.rows
    np.testing.assert_array_equal(unreadable[0].image, placeholder("empty file", 90))
    assert unreadable[0].caption == "empty.png\nok"
    np.testing.assert_array_equal(blank[0].image, placeholder("no such file", 90))


def test_the_picture_holds_the_photos_small_and_whole(scene: Scene, sheet: Recorder) -> None:
    large = np.zeros((600, 1200, 3), np.uint8)
    large[:, 600:] = (200, 10, 10)
    scene.add("a.png", "ok", "a")
    Image.fromarray(large).save(scene.root / "a.png")
    scene.find("odd_size", "a.png")
    scene.draw(tile=80)
    assert sheet.rows[0][0].image.shape == (40, 80, 3)
    with Image.open(scene.root / "worst.png") as drawn:
        assert drawn.format == "PNG"
        page = np.asarray(drawn.convert("RGB"))
    assert (page == (200, 10, 10)).all(axis=2).sum() >= 36 * 40


def test_however_much_is_wrong_the_sheet_stays_short_and_lacks_no_finding(
    scene: Scene, sheet: Recorder
) -> None:
    names = [
        scene.add(
            f"{part}-{i}", ("ok", "crack")[i], f"p{part}", ("train", "test")[i], same_file=part
        )
        for part in (f"{k}" for k in range(8))
        for i in range(2)
    ]
    scene.link("0-0", "0-1", copy=True)
    kinds = [kind for kind, check in CHECKS.items() if check.picture and kind != "unreadable"]
    kinds += ["label_conflict", "label_conflict", "same_part"]
    for kind in kinds:
        scene.find(kind, *(name for name in names if kind != "leak" or name.endswith("1")))
    scene.draw(tile=32)
    assert 20 < len(sheet.rows) <= 40
    titles = [heading.title for heading in sheet.headings.values() if heading.title]
    assert len(titles) == len(kinds)
    of_conflicts = [title for title in titles if title.startswith("Label conflict")]
    assert of_conflicts == ["Label conflict (warning): 3 of 8 shots"] * 3


def test_line_breaks_in_names_break_no_line_of_the_sheet(scene: Scene, sheet: Recorder) -> None:
    scene.add("a.png", "o\nk", "a")
    scene.photos[0] = replace(scene.photos[0], name="x\ny\u2028\udcff.png")
    scene.images[scene.photos[0].name] = scene.images["a.png"]
    scene.findings.append(
        Finding("blank", "warning", "x\ny is blank", 1, None, (scene.photos[0].name,))
    )
    scene.draw()
    assert sheet.rows[0][0].caption.splitlines()[:2] == ["x?y??.png", "o?k"]
    assert sheet.headings[0].text.splitlines() == ["x?y is blank"]


def test_what_cant_be_written_leaves_what_was_there(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.add("a.png", "ok", "a")
    scene.find("blank", "a.png")
    with pytest.raises(OSError):
        worst_cases(scene.audit(), scene.root / "nowhere" / "worst.png")

    def fail(image: Image.Image, path: Path, **options: object) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    (scene.root / "worst.png").write_bytes(b"before")
    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        scene.draw()
    assert (scene.root / "worst.png").read_bytes() == b"before"

from pathlib import Path

import pytest
from helpers.layouts import lay_out

from fastdefect.config import DataConfig
from fastdefect.data.load import refuse_untrainable
from fastdefect.data.reading.manifest import list_photos
from fastdefect.errors import DataError


def visa(root: Path, *objects: str) -> Path:
    split = ["object,split,label,image,mask"]
    for k, item in enumerate(objects):
        at = f"{item}/Data/Images"
        names = [f"{at}/Normal/{n}.JPG" for n in (0, 1)] + [f"{at}/Anomaly/{n}.JPG" for n in (0, 1)]
        files = {name: 10 * k + n for n, name in enumerate(names)}
        masks = {f"{item}/Data/Masks/Anomaly/{n}.png!": None for n in (0, 1)}
        kinds = ["normal", "normal", '"burnt,chip"', "chip"]
        rows = [f"{name},{kind}," for name, kind in zip(names, kinds, strict=True)]
        table = {f"{item}/image_anno.csv": "\n".join(["image,label,mask", *rows])}
        lay_out(root, {**files, **masks, **table})
        split += [f"{item},train,normal,{names[0]},", f"{item},test,normal,{names[1]},"]
        split += [
            f"{item},{'train' if n else 'test'},anomaly,{names[2 + n]},"
            f"{item}/Data/Masks/Anomaly/{n}.png"
            for n in (0, 1)
        ]
    return lay_out(root, {"split_csv/2cls.csv": "\n".join(split)})


def test_one_object(tmp_path: Path) -> None:
    listing = list_photos(visa(tmp_path, "candle") / "candle")
    assert listing.layout == "visa"
    assert [(e.name[-13:-4], e.label, e.columns) for e in listing.entries] == [
        ("Anomaly/0", "anomaly", (("defect", "burnt|chip"),)),
        ("Anomaly/1", "anomaly", (("defect", "chip"),)),
        ("/Normal/0", "normal", ()),
        ("/Normal/1", "normal", ()),
    ]
    assert listing.entries[0].mask == tmp_path / "candle/Data/Masks/Anomaly/0.png"
    assert listing.findings == ()


def test_all_objects(tmp_path: Path) -> None:
    listing = list_photos(visa(tmp_path, "candle", "fryum"))
    assert len(listing.entries) == 8
    assert {dict(e.columns)["object"] for e in listing.entries} == {"candle", "fryum"}
    assert "2 objects together" in listing.seen
    assert "split_csv/ are not used" in listing.seen


def test_its_split(tmp_path: Path) -> None:
    listing = list_photos(visa(tmp_path, "candle", "fryum") / "split_csv" / "2cls.csv")
    assert listing.layout == "csv"
    assert [(e.split, e.label) for e in listing.entries[:4]] == [
        ("test", "anomaly"),
        ("train", "anomaly"),
        ("train", "normal"),
        ("test", "normal"),
    ]
    assert listing.entries[0].mask == tmp_path / "candle/Data/Masks/Anomaly/0.png"
    assert "from the folder above 2cls.csv" in listing.seen
    refuse_untrainable(listing, DataConfig())


def test_its_split_for_good_parts_only(tmp_path: Path) -> None:
    root = visa(tmp_path, "candle")
    text = (root / "split_csv/2cls.csv").read_text().replace("train,anomaly", "test,anomaly")
    lay_out(root, {"split_csv/1cls.csv": text})
    with pytest.raises(DataError, match="train photos do not contain"):
        refuse_untrainable(list_photos(root / "split_csv" / "1cls.csv"), DataConfig())


def test_a_photo_in_several_rows_has_the_kinds_of_all(tmp_path: Path) -> None:
    table = visa(tmp_path, "candle") / "candle" / "image_anno.csv"
    image = "candle/Data/Images/Anomaly/1.JPG"
    table.write_text(f"{table.read_text()}\n{image},wax,\n{image},chip,\n")
    listing = list_photos(tmp_path / "candle")
    assert listing.entries[1].columns == (("defect", "chip|wax"),)


def test_photos_and_masks_that_are_not_used_are_told_apart(tmp_path: Path) -> None:
    extra = {"candle/Data/Masks/Anomaly/9.png!": None, "candle/extra/1.png": 77}
    listing = list_photos(lay_out(visa(tmp_path, "candle"), extra) / "candle")
    assert [(f.paths, f.message.rpartition(": ")[2]) for f in listing.findings] == [
        (("extra/1.png",), "not in Data/Images of an object."),
        (("Data/Masks/Anomaly/9.png",), "masks without a photo."),
    ]

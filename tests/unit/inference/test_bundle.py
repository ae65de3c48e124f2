"""The reader of bundles against files that no export has written."""

import hashlib
import json
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.bundles import photo_of, tiny_bundle, tiny_card, tiny_network, tiny_reference

from fastdefect.errors import BundleError
from fastdefect.inference import bundle
from fastdefect.inference.bundle import CARD, ONNX, REFERENCE, read_bundle, write_bundle
from fastdefect.inference.card import MAX_CARD, Example

END = 22  # bytes of the end of a directory


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return tiny_bundle(tmp_path / "good.fdb", reference=tiny_reference())


def members_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as zipped:
        return {name: zipped.read(name) for name in zipped.namelist()}


def write_zip(
    path: Path,
    members: dict[str, bytes],
    change: Callable[[zipfile.ZipInfo], None] = lambda info: None,
    *,
    again: tuple[str, bytes] | None = None,
) -> Path:
    with zipfile.ZipFile(path, "w") as zipped:
        for name, content in [*members.items(), *([again] if again else [])]:
            info = zipfile.ZipInfo(name)
            change(info)
            zipped.writestr(info, content)
    return path


def refused(path: Path) -> str:
    with pytest.raises(BundleError) as caught:
        read_bundle(path)
    assert str(path) in caught.value.message
    return caught.value.message


def test_a_written_bundle_is_read_back(tmp_path: Path) -> None:
    files = {ONNX: tiny_network(), "photos/000.png": b"photo"}
    example = Example(file="photos/000.png", path="a.png", probabilities=(0.25, 0.75))
    written = write_bundle(tmp_path / "x.fdb", tiny_card(examples=(example,)), files)
    read = read_bundle(tmp_path / "x.fdb")
    assert read == written
    assert read.files == files
    assert read.card.members[ONNX].sha256 == hashlib.sha256(files[ONNX]).hexdigest()


def test_members_are_stored_and_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (tiny_bundle(tmp_path / name) for name in ("1.fdb", "2.fdb"))
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as zipped:
        assert {info.compress_type for info in zipped.infolist()} == {zipfile.ZIP_STORED}
        assert zipped.testzip() is None


def test_the_identity_follows_every_member_and_the_rule(tmp_path: Path) -> None:
    plain = read_bundle(tiny_bundle(tmp_path / "a.fdb")).identity
    other = read_bundle(tiny_bundle(tmp_path / "b.fdb", network=tiny_network(slope=7.0))).identity
    rule = tiny_card().rule.model_copy(update={"threshold": 0.4})
    assert (
        len({plain, other, read_bundle(tiny_bundle(tmp_path / "c.fdb", rule=rule)).identity}) == 3
    )


def test_names_that_no_reader_accepts_are_not_written(tmp_path: Path) -> None:
    for name in ("../x", CARD, "run.py"):
        with pytest.raises(ValueError, match="names of members"):
            write_bundle(tmp_path / "x.fdb", tiny_card(), {name: b""})


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/cron.d/job",
        "/etc/passwd",
        "C:\\evil.dll",
        "photos/../x.png",
        "photos\\000.png",
        "photos/000.png/",
        "photos/000.png\n",
        "run.py",
        "network.xml",
        "networK.onnx",
        "photos/۰.png",
        "caf\u00e9",
    ],
)
def test_other_names_are_refused(good: Path, tmp_path: Path, name: str) -> None:
    bad = write_zip(tmp_path / "bad.fdb", members_of(good) | {name: b"x"})
    assert "no part of a bundle" in refused(bad)
    assert set(tmp_path.iterdir()) == {good, bad}


def test_a_name_with_a_nul_is_refused(good: Path, tmp_path: Path) -> None:
    # zipfile cuts a name at NUL: this one would be that of the network.
    content = good.read_bytes().replace(b"network.onnx", b"network.onn\0")
    bad = tmp_path / "bad.fdb"
    bad.write_bytes(content)
    assert "no part of a bundle" in refused(bad)


def test_two_members_of_one_name_are_refused(good: Path, tmp_path: Path) -> None:
    bad, content = tmp_path / "bad.fdb", tiny_network()
    with pytest.warns(UserWarning, match="Duplicate"):
        write_zip(bad, members_of(good), again=(ONNX, content))
    assert "two members of the same name" in refused(bad)


def test_a_bomb_is_refused_without_unpacking_it(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.fdb"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr(CARD, bytes(3_000_000))
    tracemalloc.start()
    assert "compressed, but must be stored" in refused(bomb)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("kind", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(good: Path, tmp_path: Path, kind: int) -> None:
    def change(info: zipfile.ZipInfo) -> None:
        info.compress_type = kind

    assert "compressed" in refused(write_zip(tmp_path / "bad.fdb", members_of(good), change))


def test_encrypted_members_are_refused(good: Path, tmp_path: Path) -> None:
    content = bytearray(good.read_bytes())
    at = content.rindex(b"PK\x01\x02")
    content[at + 8] |= 1
    bad = tmp_path / "bad.fdb"
    bad.write_bytes(content)
    assert "encrypted" in refused(bad)


@pytest.mark.parametrize("attribute", ["extra", "comment"])
def test_extra_fields_and_comments_are_refused(good: Path, tmp_path: Path, attribute: str) -> None:
    def change(info: zipfile.ZipInfo) -> None:
        setattr(info, attribute, struct.pack("<HH4s", 0x9999, 4, b"more"))

    bad = write_zip(tmp_path / "bad.fdb", members_of(good), change)
    assert "properties that no bundle has" in refused(bad)


def test_a_data_descriptor_is_refused(good: Path, tmp_path: Path) -> None:
    content = bytearray(good.read_bytes())
    content[content.rindex(b"PK\x01\x02") + 8] |= 8
    bad = tmp_path / "bad.fdb"
    bad.write_bytes(content)
    assert "properties that no bundle has" in refused(bad)


def test_a_symlink_is_only_bytes(good: Path, tmp_path: Path) -> None:
    def change(info: zipfile.ZipInfo) -> None:
        info.create_system, info.external_attr = 3, 0o120777 << 16

    read = read_bundle(write_zip(tmp_path / "link.fdb", members_of(good), change))
    assert read == read_bundle(good)
    assert len(list(tmp_path.iterdir())) == 2


def test_bytes_before_after_and_between_are_refused(good: Path, tmp_path: Path) -> None:
    content, bad = good.read_bytes(), tmp_path / "bad.fdb"
    for changed, reason in (
        (b"MZ" + content, "does not begin like a zip"),
        (b"PK\x03\x04" + content, "directory is not valid"),
        (content + b"x", "truncated, or bytes follow"),
        (content + content, "directory is not valid"),
    ):
        bad.write_bytes(changed)
        assert reason in refused(bad)
    bad.write_bytes(with_gap(content))
    assert "bytes lie" in refused(bad)


def with_gap(content: bytes) -> bytes:
    """A zip with bytes between its last member and its directory."""
    directory = struct.unpack("<L", content[-6:-2])[0]
    end = content[-END:-6] + struct.pack("<LH", directory + 8, 0)
    return content[:directory] + b"\0" * 8 + content[directory:-END] + end


def test_overlapping_members_are_refused(good: Path, tmp_path: Path) -> None:
    content = bytearray(good.read_bytes())
    at = content.rindex(b"PK\x01\x02") + 42
    content[at : at + 4] = struct.pack("<L", 0)  # the last member begins where the first does
    bad = tmp_path / "bad.fdb"
    bad.write_bytes(content)
    assert "overlap" in refused(bad)


def test_a_local_header_that_differs_is_refused(good: Path, tmp_path: Path) -> None:
    content, bad = bytearray(good.read_bytes()), tmp_path / "bad.fdb"
    at = content.index(b"network.onnx")
    content[at : at + 12] = b"network.evil"
    bad.write_bytes(content)
    assert "damaged bundle" in refused(bad)


def test_a_second_directory_with_64_bit_sizes_is_refused(good: Path, tmp_path: Path) -> None:
    """zipfile would follow it, past the limit of the number of members."""
    content, bad = good.read_bytes(), tmp_path / "bad.fdb"
    count, length, directory = struct.unpack("<HLL", content[-12:-2])
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 1)
    end = content[-END:-12] + struct.pack("<HLLH", count, length + 20, directory, 0)
    bad.write_bytes(content[:-END] + locator + end)
    assert "64-bit" in refused(bad)


def test_sixty_five_thousand_members_are_refused_at_once(tmp_path: Path) -> None:
    bad = tmp_path / "bad.fdb"
    entries = b"PK\x01\x02" + bytes(42)
    start = b"PK\x03\x04" + bytes(26)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65535, 65535, 46 * 65535, len(start), 0)
    bad.write_bytes(start + entries * 65535 + end)
    tracemalloc.start()
    assert "65535 members" in refused(bad)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_a_directory_with_more_entries_than_it_counts_is_refused(tmp_path: Path) -> None:
    """zipfile reads the directory by its length."""
    bad, start, n = tmp_path / "bad.fdb", b"PK\x03\x04" + bytes(26), 100_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 46 * n, len(start), 0)
    bad.write_bytes(start + (b"PK\x01\x02" + bytes(42)) * n + end)
    tracemalloc.start()
    assert "its directory is not valid" in refused(bad)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_what_no_reader_accepts_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, files = tmp_path / "x.fdb", {ONNX: tiny_network()}
    write_bundle(path, tiny_card(), files)
    size = path.stat().st_size
    monkeypatch.setattr(bundle, "_MAX_BYTES", size)
    write_bundle(path, tiny_card(), files)  # the size is computed exactly
    path.unlink()
    monkeypatch.setattr(bundle, "_MAX_BYTES", size - 1)
    with pytest.raises(BundleError, match=f"would have {size:,} bytes") as caught:
        write_bundle(path, tiny_card(), files)
    assert caught.value.hint == "Use fewer --examples."
    monkeypatch.undo()
    with pytest.raises(BundleError, match="card of the bundle would have"):
        write_bundle(path, tiny_card(facts={"text": "x" * MAX_CARD}), files)
    assert list(tmp_path.iterdir()) == []


def test_a_huge_file_is_refused_by_its_size(tmp_path: Path) -> None:
    bad = tmp_path / "bad.fdb"
    with bad.open("wb") as file:
        file.write(b"PK\x03\x04")
        file.truncate((2 << 30) + 1)  # a sparse file: it takes no space
    assert "more than 2,147,483,648" in refused(bad)


def test_a_member_that_claims_more_than_the_file_is_refused(good: Path, tmp_path: Path) -> None:
    content, bad = bytearray(good.read_bytes()), tmp_path / "bad.fdb"
    at = content.rindex(b"PK\x01\x02")
    content[at + 20 : at + 28] = struct.pack("<LL", 3 << 30, 3 << 30)
    bad.write_bytes(content)
    assert "overlap" in refused(bad)


@pytest.mark.parametrize("at", [0, 1, 3, 4, 10, 100, -1, -10, -100])
def test_a_cut_bundle_is_refused(good: Path, tmp_path: Path, at: int) -> None:
    bad = tmp_path / "bad.fdb"
    bad.write_bytes(good.read_bytes()[:at])
    refused(bad)


def test_a_damaged_member_is_refused_by_its_sum(good: Path, tmp_path: Path) -> None:
    for name in (ONNX, REFERENCE):
        members = members_of(good)
        members[name] = bytes([members[name][0] ^ 1]) + members[name][1:]
        reason = refused(write_zip(tmp_path / "bad.fdb", members))
        assert f"{name} is damaged (wrong sha256)" in reason


def test_the_card_and_the_zip_list_the_same_members(good: Path, tmp_path: Path) -> None:
    members, bad = members_of(good), tmp_path / "bad.fdb"
    assert "not in both" in refused(write_zip(bad, members | {"photos/1.png": b""}))
    del members[REFERENCE]
    assert "not in both" in refused(write_zip(bad, members))


@pytest.mark.parametrize("missing", [ONNX, REFERENCE, "photos/000.png"])
def test_a_member_that_the_card_needs_is_not_missing(
    good: Path, tmp_path: Path, missing: str
) -> None:
    card = json.loads(members_of(good)[CARD])
    card["examples"] = [{"file": "photos/000.png", "path": "a", "probabilities": [0.5, 0.5]}]
    members = {**members_of(good), "photos/000.png": photo_of(9).tobytes()}
    del members[missing]
    card["members"] = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in members.items()
        if name != CARD
    }
    members[CARD] = json.dumps(card).encode()
    assert f"{missing} is missing" in refused(write_zip(tmp_path / "bad.fdb", members))


def test_other_files_are_no_bundles(tmp_path: Path) -> None:
    other = tmp_path / "other.fdb"
    assert "no such file" in refused(other)
    other.write_bytes(b"")
    assert "does not begin like a zip" in refused(other)
    assert "without bundle.json" in refused(write_zip(other, {ONNX: b""}))
    folder = tmp_path / "folder.fdb"
    folder.mkdir()
    assert "no such file" in refused(folder)

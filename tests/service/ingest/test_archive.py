import io
import stat
import zipfile

import pytest

from service.errors import FileFormatError, TooLargeError
from service.ingest.archive import ArchiveLimits, open_files


def write_zip(path, members, compression=zipfile.ZIP_DEFLATED):
    """Members: name or ZipInfo → bytes."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def names(path, **limits):
    with open_files(path, ArchiveLimits(**limits)) as files:
        return files.names


def test_a_zip_a_folder_and_a_file_with_its_siblings(tmp_path):
    folder = tmp_path / "test"
    folder.mkdir()
    for name in ("v1.EV5", "v1.001", "v2.001"):
        (folder / name).write_bytes(name.encode())
    assert set(names(folder)) == {"v1.EV5", "v1.001", "v2.001"}
    assert set(names(folder / "v1.EV5")) == {"v1.EV5", "v1.001"}
    packed = write_zip(tmp_path / "x.zip", {"d/v1.EV5": b"abc"})
    with open_files(packed) as files:
        assert files.find("D/V1.ev5") == "d/v1.EV5"
        assert files.find("v1.EV5") is None
        assert files.read("d/v1.ev5") == b"abc"


def test_a_zip_is_known_by_its_content_too(tmp_path):
    assert names(write_zip(tmp_path / "upload.bin", {"a.EV5": b"x"})) == ("a.EV5",)


@pytest.mark.parametrize(
    "name", ["../evil.EV5", "a/../../evil", "/etc/passwd", "..\\evil", "C:\\evil.EV5", "\\\\host\\share\\x"]
)
def test_a_member_that_escapes_is_refused(tmp_path, name):
    with pytest.raises(FileFormatError, match="points outside the archive"):
        names(write_zip(tmp_path / "x.zip", {"good.EV5": b"x", name: b"x"}))


def test_a_symbolic_link_is_refused(tmp_path):
    link = zipfile.ZipInfo("v1.001")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(FileFormatError, match=r"'v1\.001' is a symbolic link"):
        names(write_zip(tmp_path / "x.zip", {link: b"/etc/passwd"}))


def test_an_encrypted_member_is_refused(tmp_path):
    path = write_zip(tmp_path / "x.zip", {"v1.EV5": b"x"})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag bit in the central directory
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="is encrypted"):
        names(path)


def test_a_bomb_is_refused_by_its_ratio_before_it_is_read(tmp_path):
    bomb = write_zip(tmp_path / "bomb.zip", {"v1.EV5": bytes(20 * 2**20)})
    assert bomb.stat().st_size < 50_000
    with pytest.raises(TooLargeError, match=r"unpacks to \d+ times its size; at most 200 times"):
        names(bomb)


def test_caps_on_members_and_sizes(tmp_path):
    path = write_zip(
        tmp_path / "x.zip", {f"v1.{n:03d}": bytes(2**20) for n in range(1, 5)}, zipfile.ZIP_STORED
    )
    with pytest.raises(TooLargeError, match="has 4 files; at most 3"):
        names(path, members=3)
    with pytest.raises(TooLargeError, match="unpacks to 4 MB; at most 3 MB"):
        names(path, total_bytes=3 * 2**20)
    with pytest.raises(TooLargeError, match=r"'v1\.001' unpacks to 1 MB"):
        names(path, member_bytes=2**19)
    assert len(names(path)) == 4


def test_a_lying_directory_cannot_make_a_member_larger(tmp_path):
    path = write_zip(tmp_path / "x.zip", {"v1.EV5": bytes(5 * 2**20)})
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02") + 24  # uncompressed size in the central directory
    content[at : at + 4] = (1_000).to_bytes(4, "little")
    path.write_bytes(content)
    with open_files(path) as files, pytest.raises(FileFormatError, match="cannot be unpacked"):
        files.read("v1.EV5")


def test_a_damaged_member_is_named(tmp_path):
    path = write_zip(tmp_path / "x.zip", {"v1.EV5": b"some text " * 100})
    content = bytearray(path.read_bytes())
    content[45] ^= 0xFF
    path.write_bytes(content)
    with open_files(path) as files, pytest.raises(FileFormatError, match=r"'v1\.EV5' cannot be unpacked"):
        files.read("v1.EV5")


@pytest.mark.parametrize("content", [b"PK\x03\x04 cut off", b"no zip at all"])
def test_what_is_no_zip(tmp_path, content):
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(FileFormatError, match=r"x\.zip is not a readable zip"):
        names(tmp_path / "x.zip")


def test_a_truncated_zip(tmp_path):
    whole = write_zip(tmp_path / "x.zip", {"v1.EV5": bytes(range(256)) * 100}).read_bytes()
    (tmp_path / "x.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileFormatError, match="It may be cut off"):
        names(tmp_path / "x.zip")


def test_a_zip_version_nobody_reads(tmp_path):
    path = write_zip(tmp_path / "x.zip", {"v1.EV5": b"x"})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 6] = 118
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"not a readable zip: zip file version 11\.8"):
        names(path)


def test_two_members_of_one_name(tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("v1.EV5", b"a")
        archive.writestr("V1.ev5", b"b")
    (tmp_path / "x.zip").write_bytes(stream.getvalue())
    with pytest.raises(FileFormatError, match=r"holds 'V1\.ev5' twice"):
        names(tmp_path / "x.zip")


def test_what_a_mac_adds_is_left_out(tmp_path):
    assert names(write_zip(tmp_path / "x.zip", {"v1.EV5": b"a", "__MACOSX/._v1.EV5": b"b"})) == ("v1.EV5",)


def test_nothing_there_and_nothing_in_it(tmp_path):
    with pytest.raises(FileFormatError, match=r"x\.EV5 does not exist"):
        names(tmp_path / "x.EV5")
    (tmp_path / "x.EV5").touch()
    with pytest.raises(FileFormatError, match=r"x\.EV5 is empty"):
        names(tmp_path / "x.EV5")


def test_a_plain_file_has_a_cap_too(tmp_path):
    (tmp_path / "v1.EV5").write_bytes(bytes(1000))
    with open_files(tmp_path, ArchiveLimits(member_bytes=999)) as files, pytest.raises(TooLargeError):
        files.read("v1.EV5")

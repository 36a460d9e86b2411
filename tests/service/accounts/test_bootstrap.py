"""What comes before any account: secrets and keys in the data folder, and `crashscout admin`."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from service.accounts.authentication import Authenticator, Credentials
from service.accounts.bootstrap import ready_key, secret_key_of
from service.accounts.tokens import stored_secret_key
from service.database.engine import make_engine, make_session_factory
from service.errors import AuthenticationError, UnavailableError
from service.settings import Settings
from service.vocabulary import Scope
from tests.service.accounts.conftest import PASSWORD, SECRET


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_secret_of_a_folder_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    first = stored_secret_key(tmp_path / "new")
    assert len(first) == 43
    assert stored_secret_key(tmp_path / "new") == first
    assert mode_of(tmp_path / "new" / "secret-key") == 0o600
    assert os.listdir(tmp_path / "new") == ["secret-key"]
    assert stored_secret_key(tmp_path) != first


def test_a_configured_secret_comes_first(tmp_path: Path) -> None:
    assert secret_key_of(Settings(_env_file=None, secret_key=SECRET), tmp_path) == SECRET
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_used_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError, match="cannot be used") as caught:
        stored_secret_key(tmp_path / "file")
    assert "CRASHSCOUT_SECRET_KEY" in caught.value.hint


def test_the_ready_key_is_made_once_and_anew_when_it_no_longer_works(
    tmp_path: Path, settings: Settings
) -> None:
    made = ready_key(settings.database_url, tmp_path, SECRET)
    assert made.is_new
    assert mode_of(made.path) == 0o600
    again = ready_key(settings.database_url, tmp_path, SECRET)
    assert (again.key, again.is_new) == (made.key, False)
    other = ready_key(settings.database_url, tmp_path, SECRET + "of another installation")
    assert other.is_new
    engine = make_engine(settings.database_url)
    keyed = settings.model_copy(update={"secret_key": Settings(_env_file=None, secret_key=SECRET).secret_key})
    authenticator = Authenticator(make_session_factory(engine), keyed)
    found = authenticator.authenticate(Credentials("key", made.key)).principal
    assert (found.name, found.scopes, found.campaign_ids) == ("key:ready", frozenset(Scope), None)
    with pytest.raises(AuthenticationError):
        authenticator.authenticate(Credentials("key", other.key))
    engine.dispose()


def admin(
    settings: Settings, tmp_path: Path, *arguments: str, typed: str = ""
) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CRASHSCOUT_")}
    ours = {
        "CRASHSCOUT_DATABASE_URL": settings.database_url, "CRASHSCOUT_DATA_DIR": str(tmp_path),
        "CRASHSCOUT_SECRET_KEY": SECRET,
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "service.cli", "admin", *arguments], input=typed, capture_output=True, text=True,
        timeout=120, check=False, env=clean | ours,
    )  # fmt: skip


def test_the_first_admin_and_a_key_by_the_command_line(settings: Settings, tmp_path: Path) -> None:
    made = admin(settings, tmp_path, "create", "A.Meier", typed=PASSWORD + "\n")
    assert (made.returncode, made.stdout) == (0, "Created admin a.meier.\n"), made.stderr
    key = admin(
        settings, tmp_path, "key", "create", "farm", "--scope", "read", "--scope", "write", "--days", "30"
    )
    assert key.returncode == 0, key.stderr
    assert key.stdout.startswith("crs_")
    reset = admin(settings, tmp_path, "reset-password", "a.meier", typed="seven green ladders hum\n")
    assert reset.returncode == 0, reset.stderr
    for arguments, typed, told in [
        (["create", "A.Meier"], PASSWORD, "There is a user a.meier already."),
        (["create", "b"], "short", "The password expects 12 to 200 characters."),
        (["create", "b c"], PASSWORD, "name: "),
        (["create", "b", "--campaign", "77"], PASSWORD, "campaign"),
        (["reset-password", "nobody"], PASSWORD, "There is no user nobody."),
    ]:
        refused = admin(settings, tmp_path, *arguments, typed=typed)
        assert refused.returncode == 2, json.dumps(arguments)
        assert told in refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1
        assert typed not in refused.stderr

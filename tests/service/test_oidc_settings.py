"""Configuration of the login by a provider: a half one is refused with what it lacks."""

from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from service.errors import InputError
from service.oidc_settings import RoleName
from service.settings import load_settings
from service.vocabulary import Role
from tests.service.test_settings import PRODUCTION, make

WHOLE = {
    "oidc_issuer": "https://login.example.com/realms/cars",
    "oidc_client_id": "crashscout",
    "oidc_client_secret": "s3cret-of-the-client",
    "oidc_roles": {"crash-engineers": "engineer"},
}


def test_a_whole_configuration_is_taken_everywhere() -> None:
    settings = make(**PRODUCTION | WHOLE, password_login=False, oidc_email_domains=["@Cars.Example "])
    assert settings.oidc_email_domains == ["cars.example"]
    assert "s3cret-of-the-client" in settings.secrets()
    assert "s3cret-of-the-client" not in repr(settings)


def test_the_roles_are_those_of_the_service() -> None:
    assert get_args(RoleName) == tuple(Role)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"oidc_client_id": ""}, "set CRASHSCOUT_OIDC_CLIENT_ID: CRASHSCOUT_OIDC_ISSUER needs"),
        ({"oidc_roles": {}}, "set CRASHSCOUT_OIDC_ROLES"),
        ({"oidc_roles": {"crash-engineers": "boss"}}, "'viewer', 'engineer', 'approver' or 'admin'"),
        ({"oidc_client_secret": "changeme"}, "CRASHSCOUT_OIDC_CLIENT_SECRET is a placeholder"),
        ({"oidc_issuer": "http://login.example.com"}, "CRASHSCOUT_OIDC_ISSUER must be https"),
        ({"oidc_issuer": "http://127.0.0.1:9", **PRODUCTION}, "CRASHSCOUT_OIDC_ISSUER must be https"),
        ({"oidc_issuer": "login.example.com"}, "expects an address like https"),
        ({"oidc_issuer": "https://login.example.com?x=1"}, "expects an address like https"),
        ({"oidc_issuer": "https://u@login.example.com"}, "expects an address like https"),
        ({"oidc_scopes": "profile"}, "must hold openid"),
        ({"oidc_users": "all"}, "'create' or 'link'"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        make(**WHOLE | changes)


def test_a_provider_on_this_machine_will_do_in_development() -> None:
    assert make(**WHOLE | {"oidc_issuer": "http://127.0.0.1:9"}).oidc_issuer == "http://127.0.0.1:9"


def test_without_passwords_and_provider_nobody_could_sign_in() -> None:
    with pytest.raises(ValidationError, match="CRASHSCOUT_PASSWORD_LOGIN is off"):
        make(password_login=False)


@pytest.mark.parametrize(("name", "remedy"), [("ROLES", "JSON object"), ("EMAIL_DOMAINS", "JSON list")])
def test_what_is_no_json_is_one_line_with_an_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, remedy: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(f"CRASHSCOUT_OIDC_{name}", "a=b")
    with pytest.raises(InputError, match=f"CRASHSCOUT_OIDC_{name} is no JSON.*{remedy}"):
        load_settings()


def test_the_environment_and_a_file_say_it_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_text("s3cret-of-the-client\n")
    monkeypatch.setenv("CRASHSCOUT_OIDC_ISSUER", WHOLE["oidc_issuer"])
    monkeypatch.setenv("CRASHSCOUT_OIDC_CLIENT_ID", "crashscout")
    monkeypatch.setenv("CRASHSCOUT_OIDC_CLIENT_SECRET_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("CRASHSCOUT_OIDC_ROLES", '{"crash-engineers": "engineer"}')
    settings = load_settings()
    assert settings.oidc_roles == {"crash-engineers": "engineer"}
    assert settings.oidc_client_secret.get_secret_value() == "s3cret-of-the-client"

"""Settings out of files: `CRASHSCOUT_API_KEY_FILE=/run/secrets/api_key`, for every setting.

Secrets that a container gets as files (docker, Kubernetes) then stand in no environment, which `docker inspect`
and crash reports show.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_settings import PydanticBaseSettingsSource

from service.errors import InputError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

SUFFIX = "_FILE"


class FileSource(PydanticBaseSettingsSource):
    """The first line of the file that `<variable>_FILE` names is the value of `<variable>`."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        variable = f"{self.config.get('env_prefix', '')}{field_name.upper()}"
        path = os.environ.get(variable + SUFFIX)
        if not path:
            return None, field_name, False
        if os.environ.get(variable):
            raise InputError(f"Both {variable} and {variable}{SUFFIX} are set.", hint="Keep one of them.")
        return _first_line(variable + SUFFIX, path), field_name, self.field_is_complex(field)

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, field in self.settings_cls.model_fields.items():
            value, _, is_complex = self.get_field_value(field, name)
            if value is not None:
                found[name] = self.prepare_field_value(name, field, value, is_complex)
        return found


def _first_line(variable: str, path: str) -> str:
    try:
        return Path(path).read_text().partition("\n")[0].strip()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        hint = "Name a file that this process may read."
        raise InputError(f"{variable}={path} cannot be read: {reason}.", hint=hint) from error

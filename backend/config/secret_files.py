"""Secret settings, and the files that they can be in.

A setting is secret if its annotation has ``SECRET``. A message about it never repeats its value,
and a file can hold it: the variable of that file is its own with ``_FILE``.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from backend.domain.access.file_modes import is_private

FILE_SUFFIX: Final = "_FILE"
_FILE_BYTES_MAX: Final = 65_536


class ConfigurationError(Exception):
    """A setting is invalid; the message names it and the reason."""


class Secret:
    """Marks a setting that may hold a secret, such as a password in an address."""


SECRET: Final = Secret()


def is_secret(field: FieldInfo) -> bool:
    """Whether a setting may hold a secret."""
    return any(isinstance(each, Secret) for each in field.metadata)


def read_secret_file(path: Path, variable: str) -> str:
    """Read the line of text in a file that is private (``is_private``).

    Raises ``ConfigurationError``, which names the ``variable`` and the path and repeats no content.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConfigurationError(f"{variable}: {path} is not a file")
            if not is_private(status.st_mode, status.st_uid, os.geteuid()):
                raise ConfigurationError(f"{variable}: {path} can be read by others: chmod 600 it")
            content = file.read(_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigurationError(f"{variable}: {path} cannot be read: {error.strerror}") from None
    if len(content) > _FILE_BYTES_MAX:
        raise ConfigurationError(f"{variable}: {path} has more than {_FILE_BYTES_MAX} bytes")
    return _decode_line(content, f"{variable}: {path}")


def _decode_line(content: bytes, where: str) -> str:
    try:
        text = content.decode().strip()
    except UnicodeDecodeError:
        text = "\0"
    if not text:
        raise ConfigurationError(f"{where} is empty")
    if not text.isprintable():
        raise ConfigurationError(f"{where} must hold one line of text")
    return text


class SecretFileSource(PydanticBaseSettingsSource):
    """Reads secret settings from the files that variables name.

    ``names`` are the variables of the secret settings.
    """

    def __init__(
        self,
        settings_class: type[BaseSettings],
        names: Mapping[str, str],
        environ: Mapping[str, str],
    ) -> None:
        super().__init__(settings_class)
        self._names = names
        self._environ = {name.upper(): value for name, value in environ.items()}

    def __call__(self) -> dict[str, Any]:
        """The settings that are in files. Raises ``ConfigurationError``."""
        found = {}
        for field, variable in self._names.items():
            path = self._environ.get(variable + FILE_SUFFIX)
            if not path or {field, variable} & self.current_state.keys():
                continue
            if self._environ.get(variable):
                raise ConfigurationError(
                    f"{variable} and {variable}{FILE_SUFFIX} are both set: set one of them"
                )
            alias = self.settings_cls.model_fields[field].validation_alias
            found[variable if alias else field] = read_secret_file(
                Path(path), variable + FILE_SUFFIX
            )
        return found

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Nothing: all fields are read at once."""
        return None, field_name, False

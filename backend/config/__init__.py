"""Settings: read once from the environment when a process starts."""

from backend.config.secret_files import ConfigurationError
from backend.config.server_settings import Profile
from backend.config.settings import (
    Settings,
    build_child_environment,
    find_unknown_variables,
    get_variable_name,
    set_variables,
)

__all__ = [
    "ConfigurationError",
    "Profile",
    "Settings",
    "build_child_environment",
    "find_unknown_variables",
    "get_variable_name",
    "set_variables",
]

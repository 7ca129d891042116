"""Embedded PostgreSQL and Valkey, and the engine's processes, supervised by one parent process.

For development, tests and a quick start: with ``DATABASE_URL`` and ``REDIS_URL`` set, no embedded
server is started. ``run_servers`` locks a data directory and runs both servers over it;
``engine_processes.run_stages`` runs the engine's processes. No child outlives the parent, however
the parent ends.
"""

from backend.embedded.data_dir import default_data_dir, find_holder, find_node_url
from backend.embedded.doctor import diagnose, find_database_url, find_redis_url
from backend.embedded.servers import ServerUrls, run_servers
from backend.embedded.supervisor import Notice, NoticeHandler, NoticeKind

__all__ = [
    "Notice",
    "NoticeHandler",
    "NoticeKind",
    "ServerUrls",
    "default_data_dir",
    "diagnose",
    "find_database_url",
    "find_holder",
    "find_node_url",
    "find_redis_url",
    "run_servers",
]

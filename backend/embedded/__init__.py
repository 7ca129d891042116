"""PostgreSQL, Valkey and our own processes, run by one parent on one machine.

For development, tests and a first look: with ``DATABASE_URL`` and ``REDIS_URL`` set nothing here is
needed. ``servers`` holds a data directory and runs both servers over it; ``processes.run`` runs
ours. Nothing of either outlives the parent, however it ends.
"""

from backend.embedded.data_dir import default_data_dir
from backend.embedded.doctor import doctor
from backend.embedded.notices import Notice, Tell, What
from backend.embedded.servers import Servers, servers

__all__ = ["Notice", "Servers", "Tell", "What", "default_data_dir", "doctor", "servers"]

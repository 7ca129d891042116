"""What PostgreSQL keeps of a commit that it has answered, by its settings.

The engine promises that what was accepted, or submitted, is there after any crash. A server that
answers before it has flushed, or may find torn pages after a power failure, cannot keep that.
"""

from __future__ import annotations

from typing import NamedTuple

from backend.store.database import DatabasePool

_READ = """ -- read durability
SELECT current_setting('fsync') = 'on' AS flushes,
       current_setting('full_page_writes') = 'on' AS has_full_pages,
       current_setting('synchronous_commit') AS commit,
       current_setting('synchronous_standby_names') <> '' AS has_standbys
"""
_STANDBY_COMMITS = frozenset({"on", "remote_apply"})


class Durability(NamedTuple):
    """The settings that decide it, as the sessions of the engine have them."""

    flushes: bool
    has_full_pages: bool
    commit: str
    has_standbys: bool

    def list_faults(self) -> list[str]:
        """List, as sentences, by what a commit that was answered may be lost."""
        faults = []
        if not self.flushes:
            faults.append("fsync is off: a crash of its machine may lose or damage everything")
        if not self.has_full_pages:
            faults.append("full_page_writes is off: a power failure may damage pages")
        if self.commit == "off":
            faults.append("synchronous_commit is off: a crash loses the orders of the last moment")
        return faults

    def describe(self) -> str:
        """Describe where a commit is once it is answered."""
        if self.list_faults():
            return "; ".join(self.list_faults())
        if not self.has_standbys:
            return "commits are flushed on this server; a standby that is promoted may lack some"
        if self.commit in _STANDBY_COMMITS:
            return "commits are flushed on this server and on its synchronous standbys"
        return (
            f"commits are flushed on this server; with synchronous_commit={self.commit} a standby"
            " that is promoted may lack some"
        )


def describe_protection(durability: Durability, *, compares_history: bool) -> str:
    """Describe what keeps an order from being sent again where PostgreSQL has lost a commit."""
    has_standbys = durability.has_standbys and durability.commit in _STANDBY_COMMITS
    history = "the wallets' history is read after a change of server, before anything is signed"
    if compares_history:
        return f"synchronous standbys, and {history}" if has_standbys else history
    if has_standbys:
        return "synchronous standbys; the wallets' history is not read"
    return "none: an order may be sent again (ORDER_ENGINE_JOURNAL_RECONCILIATION=off)"


async def read_durability(pool: DatabasePool) -> Durability:
    """Read the settings. Raises ``Transient`` if PostgreSQL cannot be used."""
    [row] = await pool.read(_READ)
    return Durability(*row)

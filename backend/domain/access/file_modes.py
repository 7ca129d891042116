"""Who can read a file with a secret."""

from __future__ import annotations

from typing import Final

_OTHERS_THAN_OWNER: Final = 0o077
_OTHERS_THAN_GROUP: Final = 0o027


def is_private(mode: int, owner_id: int, user_id: int) -> bool:
    """Whether a file may hold a secret of the user of this process.

    Of the user's own file nobody else has any right. Of another user's file the group may read
    it: so a container is given a secret, in a file of root's.
    """
    return not mode & (_OTHERS_THAN_OWNER if owner_id == user_id else _OTHERS_THAN_GROUP)

"""The node: one chain, its blocks, its faults and its methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from backend.simulator.chain.block_producer import Blocks
from backend.simulator.chain.chain import Chain
from backend.simulator.faults import Faults
from backend.simulator.methods.accounts import AccountMethods
from backend.simulator.methods.params import Json, Params
from backend.simulator.methods.signatures import SignatureMethods
from backend.simulator.methods.status import StatusMethods
from backend.simulator.methods.transactions import TransactionMethods
from backend.simulator.options import SimulatedOptions

Method = Callable[[Params], Json]


class Node:
    """Everything but the network. ``now`` is the time of day in seconds since 1970."""

    def __init__(self, options: SimulatedOptions, folder: Path, now: Callable[[], float]) -> None:
        self.options: Final = options
        self.chain: Final = Chain(options, folder, now)
        self.faults: Final = Faults(options.seed, now)
        self.blocks: Final = Blocks(self.chain, self.faults)
        self.methods: Final[Mapping[str, Method]] = {
            **StatusMethods(self.chain).methods(),
            **AccountMethods(self.chain, self.faults).methods(),
            **TransactionMethods(self.chain, self.blocks, self.faults).methods(),
            **SignatureMethods(self.chain, self.blocks).methods(),
        }

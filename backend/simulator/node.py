"""The node: a chain with its block producer, its faults, its RPC methods and subscriptions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from backend.simulator.chain.block_producer import BlockProducer
from backend.simulator.chain.chain import Chain
from backend.simulator.fault_registry import FaultRegistry
from backend.simulator.methods.accounts import AccountMethods
from backend.simulator.methods.bundles import BundleMethods
from backend.simulator.methods.params import Json, Params
from backend.simulator.methods.program_accounts import ProgramMethods
from backend.simulator.methods.signatures import SignatureMethods
from backend.simulator.methods.status import StatusMethods
from backend.simulator.methods.transactions import TransactionMethods
from backend.simulator.options import SimulatorOptions
from backend.simulator.pubsub.gateway import SocketGateway
from backend.simulator.pubsub.publisher import Publisher

RpcMethod = Callable[[Params], Json]


class SimulatorNode:
    """The node without its server. ``now`` returns the time of day in seconds since 1970."""

    def __init__(self, options: SimulatorOptions, data_dir: Path, now: Callable[[], float]) -> None:
        self.options: Final = options
        self.chain: Final = Chain(options, data_dir, now)
        self.faults: Final = FaultRegistry(options.seed, now)
        self.block_producer: Final = BlockProducer(self.chain, self.faults)
        self.publisher: Final = Publisher(self.chain, self.block_producer, self.faults)
        self.sockets: Final = SocketGateway(self.publisher, self.faults)
        self.bundle_methods: Final = BundleMethods(
            self.chain, self.block_producer, self.faults
        ).list_methods()
        self.methods: Final[Mapping[str, RpcMethod]] = {
            **StatusMethods(self.chain).list_methods(),
            **AccountMethods(self.chain, self.faults).list_methods(),
            **ProgramMethods(self.chain, self.faults).list_methods(),
            **TransactionMethods(self.chain, self.block_producer, self.faults).list_methods(),
            **SignatureMethods(self.chain, self.block_producer).list_methods(),
        }

"""Where the chain is: slots, heights, blockhashes, and the node itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from solders.hash import Hash

from backend.chain.wire import SIMULATED_GENESIS_HASH
from backend.simulator.chain.chain import Chain
from backend.simulator.methods.params import API_VERSION, Json, Params, context, pubkey
from backend.simulator.options import BLOCKHASH_BLOCKS

_FEES_SLOTS = 150
_EPOCH_SLOTS = 432_000


class StatusMethods:
    """What depends on nothing but the time."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def methods(self) -> Mapping[str, Callable[[Params], Json]]:
        """By name."""
        return {
            "getBlockHeight": self.block_height,
            "getEpochInfo": self.epoch_info,
            "getGenesisHash": lambda _: SIMULATED_GENESIS_HASH,
            "getHealth": lambda _: "ok",
            "getLatestBlockhash": self.latest_blockhash,
            "getRecentPrioritizationFees": self.prioritization_fees,
            "getSlot": self.slot,
            "getVersion": lambda _: {"feature-set": 0, "solana-core": API_VERSION},
            "isBlockhashValid": self.is_blockhash_valid,
        }

    def slot(self, params: Params) -> Json:
        """``getSlot``."""
        return context(self._chain, params.options(0))["slot"]

    def block_height(self, params: Params) -> Json:
        """``getBlockHeight``."""
        return self._chain.clock.height(self.slot(params))

    def epoch_info(self, params: Params) -> Json:
        """``getEpochInfo``: epochs are as long as those of mainnet."""
        slot = self.slot(params)
        return {
            "absoluteSlot": slot,
            "blockHeight": self._chain.clock.height(slot),
            "epoch": slot // _EPOCH_SLOTS,
            "slotIndex": slot % _EPOCH_SLOTS,
            "slotsInEpoch": _EPOCH_SLOTS,
            "transactionCount": None,
        }

    def latest_blockhash(self, params: Params) -> Json:
        """``getLatestBlockhash``: the newest one that has the commitment."""
        clock = self._chain.clock
        where = context(self._chain, params.options(0))
        height = clock.height(where["slot"])
        return {
            "context": where,
            "value": {
                "blockhash": str(clock.blockhash(height)),
                "lastValidBlockHeight": height + BLOCKHASH_BLOCKS,
            },
        }

    def is_blockhash_valid(self, params: Params) -> Json:
        """``isBlockhashValid``."""
        where = context(self._chain, params.options(1))
        blockhash = Hash(bytes(pubkey(params.text(0))))  # both are 32 bytes
        return {"context": where, "value": self._chain.clock.is_valid(blockhash, where["slot"])}

    def prioritization_fees(self, params: Params) -> Json:
        """``getRecentPrioritizationFees``: nobody competes for this chain's blocks."""
        if params.given(0):
            params.texts(0, 128)
        slot = self._chain.clock.slot()
        return [
            {"slot": at, "prioritizationFee": 0} for at in range(slot - _FEES_SLOTS + 1, slot + 1)
        ]

"""Methods that read the state of the chain: slots, heights, blockhashes and node information."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from solders.hash import Hash

from backend.simulator.chain.chain import Chain
from backend.simulator.methods.params import API_VERSION, Json, Params, build_context, parse_pubkey
from backend.simulator.options import BLOCKHASH_BLOCKS

_FEE_SLOTS = 150
_EPOCH_SLOTS = 432_000


class StatusMethods:
    """The methods whose result depends on the time only."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def list_methods(self) -> Mapping[str, Callable[[Params], Json]]:
        """The handlers by method name."""
        return {
            "getBlockHeight": self.get_block_height,
            "getEpochInfo": self.get_epoch_info,
            "getGenesisHash": lambda _: self._chain.dress.genesis_hash,
            "getHealth": lambda _: "ok",
            "getLatestBlockhash": self.get_latest_blockhash,
            "getRecentPrioritizationFees": self.get_recent_prioritization_fees,
            "getSlot": self.get_slot,
            "getVersion": lambda _: {"feature-set": 0, "solana-core": API_VERSION},
            "isBlockhashValid": self.is_blockhash_valid,
        }

    def get_slot(self, params: Params) -> Json:
        """``getSlot``."""
        return build_context(self._chain, params.get_options(0))["slot"]

    def get_block_height(self, params: Params) -> Json:
        """``getBlockHeight``."""
        return self._chain.clock.height(self.get_slot(params))

    def get_epoch_info(self, params: Params) -> Json:
        """``getEpochInfo``, with epochs as long as on mainnet."""
        slot = self.get_slot(params)
        return {
            "absoluteSlot": slot,
            "blockHeight": self._chain.clock.height(slot),
            "epoch": slot // _EPOCH_SLOTS,
            "slotIndex": slot % _EPOCH_SLOTS,
            "slotsInEpoch": _EPOCH_SLOTS,
            "transactionCount": None,
        }

    def get_latest_blockhash(self, params: Params) -> Json:
        """``getLatestBlockhash``: the newest one at the commitment level."""
        clock = self._chain.clock
        response_context = build_context(self._chain, params.get_options(0))
        height = clock.height(response_context["slot"])
        return {
            "context": response_context,
            "value": {
                "blockhash": str(clock.blockhash(height)),
                "lastValidBlockHeight": height + BLOCKHASH_BLOCKS,
            },
        }

    def is_blockhash_valid(self, params: Params) -> Json:
        """``isBlockhashValid``."""
        response_context = build_context(self._chain, params.get_options(1))
        blockhash = Hash(bytes(parse_pubkey(params.get_string(0))))  # both types are 32 bytes
        return {
            "context": response_context,
            "value": self._chain.clock.is_blockhash_valid(blockhash, response_context["slot"]),
        }

    def get_recent_prioritization_fees(self, params: Params) -> Json:
        """``getRecentPrioritizationFees``: what inclusion cost, by default 0: there is room."""
        if params.has_value(0):
            params.get_strings(0, 128)
        slot, prices = self._chain.clock.slot(), self._chain.inclusion_prices
        return [
            {"slot": recent_slot, "prioritizationFee": prices.get_price(recent_slot)}
            for recent_slot in range(slot - _FEE_SLOTS + 1, slot + 1)
        ]

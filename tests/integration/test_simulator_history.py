"""The history of an address on the simulated node has the shape and the errors of a real node's."""

from __future__ import annotations

from pathlib import Path

from solders.keypair import Keypair
from solders.pubkey import Pubkey

from tests.integration.simulator_client import open_simulator

KEY = str(Pubkey(bytes([9] * 32)))
SIGNATURE = str(Keypair.from_seed(bytes(32)).sign_message(b"anything"))
FIELDS = ["blockTime", "confirmationStatus", "err", "memo", "signature", "slot"]
REFUSED: dict[str, list[dict[str, object]]] = {
    "max 1000": [{"limit": 1_001}, {"limit": 0}],
    "before should be a string": [{"before": 7}],
    "Invalid param": [{"until": "short"}, {"before": "short"}],
    "commitment below": [{"commitment": "processed"}],
    "Minimum context slot": [{"minContextSlot": 2**40}],
}


async def test_the_history_of_an_address_is_listed_page_by_page_with_memos(
    tmp_path: Path,
) -> None:
    async with open_simulator(tmp_path) as node:
        sent = [await node.build_swap() for _ in range(3)]
        for transaction in sent:
            await node.land(transaction)
        wallet, expected = str(node.wallet.address), [each.signature for each in reversed(sent)]

        listed = (await node.call_rpc("getSignaturesForAddress", wallet))["result"]
        assert [each["signature"] for each in listed] == expected
        assert sorted(listed[0]) == FIELDS
        assert (listed[0]["err"], listed[0]["confirmationStatus"]) == (None, "finalized")
        assert listed[0]["memo"].startswith("[27] oe:")
        for options, part in (
            ({"limit": 2}, expected[:2]),
            ({"before": expected[1]}, expected[2:]),
            ({"until": expected[1]}, expected[:1]),
            ({"before": SIGNATURE}, []),
        ):
            page = (await node.call_rpc("getSignaturesForAddress", wallet, options))["result"]
            assert [each["signature"] for each in page] == part
        table = (await node.call_rpc("getSignaturesForAddress", KEY))["result"]
        assert table == []


async def test_bounds_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    async with open_simulator(tmp_path) as node:
        for message, listed in REFUSED.items():
            for options in listed:
                answer = await node.call_rpc("getSignaturesForAddress", KEY, options)
                assert message in answer["error"]["message"]

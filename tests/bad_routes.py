"""Orders whose route no one can find, or that is asked for wrongly: each must be refused."""

from __future__ import annotations

import json

from tests.bad_conditions import BadOrder, describe_order

POOL = "8sLbNZoA1cfnvMJLPfp98ZLAnFSYCFApfJKMbiXNLwxj"
_NAMES = "is none of raydium, meteora, raydium/cpmm, raydium/amm_v4, raydium/clmm, meteora/damm_v2"
_NO_POOL = "is not the address of a pool (32 bytes in base58)"
_ALL = '["raydium/cpmm","raydium/amm_v4","raydium/clmm","meteora"]'

BAD_ROUTES = {
    "no venues": BadOrder(describe_order('"dexes":[]'), "dexes", "at least 1 name"),
    "no excluded venues": BadOrder(
        describe_order('"excludeDexes":[]'), "excludeDexes", "at least 1 name"
    ),
    "no pools": BadOrder(describe_order('"pools":[]'), "pools", "at least 1 pool"),
    "unknown exchange": BadOrder(describe_order('"dexes":["orca"]'), "dexes", f"'orca' {_NAMES}"),
    "unknown program": BadOrder(
        describe_order('"excludeDexes":["raydium","raydium/clm"]'),
        "excludeDexes",
        "meteora/dlmm: did you mean raydium/clmm?",
    ),
    "program without its exchange": BadOrder(
        describe_order('"dexes":["dlmm"]'), "dexes", "did you mean meteora/dlmm?"
    ),
    "program of the other exchange": BadOrder(
        describe_order('"dexes":["meteora/clmm"]'), "dexes", f"'meteora/clmm' {_NAMES}"
    ),
    "venue as a text": BadOrder(describe_order('"dexes":"raydium"'), "dexes", "must be an array"),
    "venue as an object": BadOrder(describe_order('"dexes":{}'), "dexes", "must be an array"),
    "venue of no text": BadOrder(describe_order('"dexes":[1]'), "dexes", f"1 {_NAMES}"),
    "venue of odd letters": BadOrder(
        describe_order(r'"dexes":["\u0000\u0437"]'), "dexes", rf"'\x00\u0437' {_NAMES}"
    ),
    "too many venues": BadOrder(
        describe_order(f'"dexes":{json.dumps(8 * ["raydium"])}'), "dexes", "at most 7 names"
    ),
    "all excluded": BadOrder(
        describe_order(f'"excludeDexes":{_ALL}'), "excludeDexes", "excludes every exchange"
    ),
    "all that is allowed excluded": BadOrder(
        describe_order('"dexes":["meteora/dlmm"],"excludeDexes":["Meteora"]'),
        "excludeDexes",
        "excludes all that dexes allows: no program is left to swap in",
    ),
    "all that a sniper allows excluded": BadOrder(
        describe_order('"type":"sniper","dexes":["raydium"],"excludeDexes":["raydium"]'),
        "excludeDexes",
        "excludes all that dexes allows",
    ),
    "too many pools": BadOrder(
        describe_order(f'"pools":{json.dumps(17 * [POOL])}'), "pools", "at most 16 pools"
    ),
    "pool that is cut off": BadOrder(
        describe_order(f'"pools":["{POOL[:31]}"]'), "pools", f"'{POOL[:31]}' {_NO_POOL}"
    ),
    "pool of 33 bytes": BadOrder(
        describe_order(f'"pools":["{44 * "z"}"]'), "pools", f"'{44 * 'z'}' {_NO_POOL}"
    ),
    "pool of no base58": BadOrder(
        describe_order(f'"pools":["{POOL[:-1]}0"]'), "pools", f"'{POOL[:-1]}0' {_NO_POOL}"
    ),
    "pool of no text": BadOrder(describe_order('"pools":[null]'), "pools", f"None {_NO_POOL}"),
    "no legs": BadOrder(describe_order('"maxLegs":0'), "maxLegs", "greater than or equal to 1"),
    "too many legs": BadOrder(describe_order('"maxLegs":5'), "maxLegs", "less than or equal to 4"),
    "legs as a text": BadOrder(describe_order('"maxLegs":"2"'), "maxLegs", "a whole number"),
    "too many hops": BadOrder(describe_order('"maxHops":4'), "maxHops", "less than or equal to 3"),
    "half a hop": BadOrder(describe_order('"maxHops":1.5'), "maxHops", "a whole number"),
    "direct or not": BadOrder(describe_order('"onlyDirect":1'), "onlyDirect", "true or false"),
    "direct with hops": BadOrder(
        describe_order('"onlyDirect":true,"maxHops":2'),
        "onlyDirect",
        "is true, a maxHops of 1, and maxHops is 2: give one of them",
    ),
    "dex of another API": BadOrder(
        describe_order('"dex":"raydium"'), "dex", "did you mean dexes", "unknown_field"
    ),
    "routes of another API": BadOrder(
        describe_order('"onlyDirectRoutes":true'),
        "onlyDirectRoutes",
        "did you mean onlyDirect, true or false, or maxHops?",
        "unknown_field",
    ),
}

"""Splits of orders over random pools, beside an optimum that is found by brute force.

``states`` draws pools of all programs in states that swaps have left, ``optimum`` searches with
exact quotes alone, ``run`` compares and measures, ``command`` is ``order-engine splits``.
"""

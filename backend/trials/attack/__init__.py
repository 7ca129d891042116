"""Attacks on a running engine, beside a client that behaves and must not notice them."""

"""What tries the engine from outside: the benchmark, the chaos run and the smoke test."""

"""Black-box trials of the engine: the benchmark, the chaos run and the smoke test."""

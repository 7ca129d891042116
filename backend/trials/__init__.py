"""Black-box trials of the engine: benchmark, attack, chaos run, deployments and smoke test."""

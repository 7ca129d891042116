"""Black-box trials: benchmark, attack, chaos run, deployments, fuzz, oracle and smoke test."""

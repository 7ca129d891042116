"""The best split of an order over several pools of its two tokens: pure, of immutable snapshots."""

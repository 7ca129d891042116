"""The oracle of waiting orders: random price paths, and a brute-force replay of them.

The node's clock is halted, and the path is walked slot by slot: the chain advances with its prices
in one step, the watcher judges that slot, the pools are read for the replay. ``orders`` draws the
orders, ``restrictions`` the pools that some of them may use, ``path`` walks and records, ``rules``
says when an order should be met, from what ORDERS.md says of its type and nothing of ``triggers``;
``comparison`` replays the recorded pools for each order and compares, ``run`` puts them together,
``system`` starts what it runs on. TWAP orders wait for times: ``slices`` is their replay,
``sliced_orders`` draws and compares them. Sniper orders wait for pools, which ``sniper_orders``
launches on the path: ``launches`` says which of them suits one.
"""

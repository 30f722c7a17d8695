"""Long random runs of the world in memory: `python -m etherspan.testing.chaos SEED OPERATIONS`.

* `run`         the operations, and how often each is chosen
* `world`       the hosts they happen to
* `ledger`      every frame's account: where it came from, and the one fate it met
* `invariants`  what holds in a kernel at any time
"""

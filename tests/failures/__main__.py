"""`python -m tests.failures` meets every fault with tether and its peers; writes docs/failures.md.

It knows the order of things only. It needs the right to make a network namespace, and nft.
"""

from __future__ import annotations

from tests.failures import comparison
from tests.failures.network import meet

comparison.write(comparison.table(meet("epoll", "peers")["said"]))
print(f"written to {comparison.PAGE.name}")

"""`pytest --generate N --discover MxKxN`: the search of a bilinear scheme before the evolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.announce import Announce
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.pipeline import SharedTools

# Limit of the search in seconds; it ends earlier when nothing new comes.
SEARCH_S = 60.0


def discover(form: str, shared: SharedTools, say: Announce) -> str:
    """The name of the best scheme of this format, from earlier searches or found now.

    Raises UserError for a bad format, and when nothing better than the classical algorithm is found.
    """
    from harness.compile.crates import walker_binary
    from harness.schedule.bilinear.schemes import FOUND
    from harness.schedule.discover.formats import parse
    from harness.schedule.discover.found import Ring
    from harness.schedule.discover.search import Search, SearchRequest

    wanted = parse(form)
    seed = shared.settings.seed if shared.settings.seed is not None else 1
    request = SearchRequest(wanted, Ring.INTEGERS, SEARCH_S, seed, len(shared.machine.cores), FOUND)
    best = Search(request, walker_binary(say), lambda line: say(f"discover: {line}")).run().best
    if best is None or best.scheme.rank >= wanted.products:
        raise UserError(f"--discover {form}: no scheme with fewer than {wanted.products} products was found")
    say(f"discover: {best.scheme.label} ({best.ring}), proved; kernels are evolved from {best.name}")
    return best.name

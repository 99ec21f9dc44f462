"""What this session unpickles of a cluster's answers: plain values and exceptions, never a function to be called.

Ray's client unpickles whatever a head sends. A pickle may name any function of any module, so a head that somebody else
controls, or a worker through it, could run code here. Messages between session and workers are texts; so of Ray's
pickles only those without any name are read, and exceptions, which Ray sends as such.
"""

from __future__ import annotations

import builtins
import io
import pickle
from types import SimpleNamespace
from typing import Any

from harness.errors import UserError


class PlainUnpickler(pickle.Unpickler):
    """Reads plain values, built-in exceptions and Ray's; raises UnpicklingError for everything else."""

    def find_class(self, module: str, name: str) -> Any:
        """An exception's class; nothing else is looked up, so nothing else can be called."""
        from ray import exceptions

        space = {"builtins": builtins, "ray.exceptions": exceptions}.get(module)
        found = None if space is None else vars(space).get(name)
        if not isinstance(found, type) or not issubclass(found, Exception):
            raise pickle.UnpicklingError(
                f"the cluster sent {module}.{name}, which this session does not read"
            )
        return found

    def persistent_load(self, pid: Any) -> Any:
        """References to objects of the cluster are no answers."""
        raise pickle.UnpicklingError("the cluster sent a reference, which this session does not read")


def loads(data: bytes, **options: Any) -> Any:
    """The value in a pickle of the cluster; raises UnpicklingError for one that names anything but an exception."""
    return PlainUnpickler(io.BytesIO(data), **options).load()


def read_plain_answers_only() -> None:
    """Let Ray's client of this process read by `loads`. Raises UserError when this Ray unpickles in another way."""
    from ray.util.client import client_pickler, worker

    names = ((client_pickler, "loads_from_server"), (worker, "loads_from_server"), (worker, "cloudpickle"))
    if not all(hasattr(place, name) for place, name in names):
        raise UserError("this version of Ray is not known here; install the one of: pip install '.[fleet]'")
    client_pickler.loads_from_server = worker.loads_from_server = loads
    worker.cloudpickle = SimpleNamespace(loads=loads)

"""A cluster's pickles in the session: texts and exceptions are read, whatever would call something is not."""

from __future__ import annotations

import os
import pickle
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from harness.fleet import ray_answers

pytestmark = pytest.mark.skipif(
    find_spec("ray") is None, reason="needs: pip install 'matmul-round-table[fleet]'"
)


class Hostile:
    """A value whose pickle calls a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.called = (function, arguments)

    def __reduce__(self) -> Any:
        return self.called


@pytest.mark.parametrize("value", ["{}", 7, None, [1.5, {"a": b"b"}], (True,)])
def test_plain_values_are_read(value: Any) -> None:
    assert ray_answers.loads(pickle.dumps(value)) == value


def test_exceptions_of_ray_are_read_as_themselves() -> None:
    from ray import cloudpickle
    from ray.exceptions import GetTimeoutError

    found = ray_answers.loads(cloudpickle.dumps(GetTimeoutError("too late")))
    assert type(found) is GetTimeoutError
    assert str(found) == "too late"
    assert isinstance(ray_answers.loads(cloudpickle.dumps(ValueError("x"))), ValueError)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_calls_something_is_refused_before_it_is_called(tmp_path: Path, protocol: int) -> None:
    made = tmp_path / "made"
    for value in (
        Hostile(os.mkdir, str(made)),
        Hostile(eval, f"__import__('os').mkdir({str(made)!r})"),
        Hostile(getattr, "x", "upper"),
        [Hostile(os.system, f"mkdir {made}")],
        ValueError(Hostile(os.mkdir, str(made))),
        Path("/"),
    ):
        with pytest.raises(pickle.UnpicklingError, match="which this session does not read"):
            ray_answers.loads(pickle.dumps(value, protocol))
    # A name with a dot leads from an exception's class to its other attributes.
    for name in (b"ValueError.__class__", b"print", b"BaseException", b"no_such"):
        with pytest.raises(pickle.UnpicklingError, match="does not read"):
            ray_answers.loads(b"\x80\x04\x8c\x08builtins\x8c" + bytes([len(name)]) + name + b"\x93.")
    assert not made.exists()


def test_rays_client_reads_by_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every place where this version of Ray's client unpickles is replaced; another version needs a look."""
    from ray.util.client import client_pickler, common, dataclient, worker

    for place in (client_pickler, worker):
        monkeypatch.setattr(place, "loads_from_server", place.loads_from_server)
    monkeypatch.setattr(worker, "cloudpickle", worker.cloudpickle)
    ray_answers.read_plain_answers_only()
    hostile = pickle.dumps(Hostile(os.mkdir, str(tmp_path / "made")))
    for loads in (worker.loads_from_server, worker.cloudpickle.loads, client_pickler.loads_from_server):
        with pytest.raises(pickle.UnpicklingError):
            loads(hostile)
    assert not (tmp_path / "made").exists()
    for module in (common, dataclient, worker):
        text = Path(str(module.__file__)).read_text(encoding="utf-8")
        calls = [line.strip() for line in text.splitlines() if "loads(" in line and "json.loads(" not in line]
        assert all(
            "cloudpickle.loads(" in one or "loads_from_server(" in one or "json.loads(" in one
            for one in calls
        ), calls

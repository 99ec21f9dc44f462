"""The identity of a machine: taskset changes what "all" cores mean, and nothing about one thread."""

from __future__ import annotations

from dataclasses import replace

from harness import machine


def test_the_number_of_usable_cores_counts_for_all_threads_only() -> None:
    here = machine.read()
    fewer = replace(here, cores=(0,))
    more = replace(here, cores=(0, 1, 2, 3))
    assert fewer.fingerprint == more.fingerprint == here.fingerprint
    assert fewer.identity("1") == more.identity("1")
    assert fewer.identity("all") != more.identity("all")
    assert replace(more, cores=(4, 5, 6, 7)).identity("all") == more.identity("all")
    assert fewer.machine_class == more.machine_class
    assert replace(here, l2_bytes=1).fingerprint != here.fingerprint

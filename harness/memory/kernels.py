"""The memory of accepted kernels: stores them, and returns the best and the latest for this kind of machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Any, Self

from harness.machine import Machine
from harness.memory import kernel_record
from harness.memory.kernel_record import KernelRecord, distance
from harness.operation.operations import OperationName
from harness.store.collection import Collection, Scalar, StoredRow
from harness.store.connection import Connection, connect
from harness.store.embedders import Embedder, HashedEmbedder
from harness.verdict import Accepted

__all__ = ["KernelMemory", "KernelRecord", "open_memory"]

KIND = "kernels"


def open_memory(where: str, embedder: Embedder | None = None) -> KernelMemory:
    """Open the kernel memory at `where`, a folder or "http://host:port"; the default embedder is hashed n-grams.

    Raises UserError when the folder is open elsewhere or not writable, no server answers, or the stored collection
    belongs to another version.
    """
    connection = connect(where)
    try:
        return KernelMemory(connection, embedder or HashedEmbedder())
    except BaseException:
        connection.close()
        raise


@dataclass(frozen=True, slots=True)
class HeldKernel:
    """A kernel as it was read, with the two digests over its source that would else be computed for every question."""

    id: str
    source_hash: str
    kernel: KernelRecord


class KernelMemory:
    """Accepted kernels in one Chroma collection; a context manager that closes its connection.

    What was read is kept. A folder is locked by this process, so nobody else puts anything into it; a server may have
    other clients and is asked every time.
    """

    def __init__(self, connection: Connection, embedder: Embedder) -> None:
        self.connection = connection
        self.embedder = embedder
        self._collection: Collection = connection.collection(KIND, embedder)
        # By id; None until the first question.
        self._held: dict[str, HeldKernel] | None = None

    def record(
        self,
        accepted: Accepted,
        *,
        name: str,
        source: str,
        machine: Machine,
        toolchain: str,
        suite: str,
        proposal: dict[str, Any] | None = None,
        schedule: dict[str, Any] | None = None,
        parents: tuple[str, ...] = (),
        generation: int | None = None,
        model: str | None = None,
        operation: str = OperationName.MATMUL.value,
    ) -> KernelRecord:
        """Store an accepted kernel and return its record; on disk when this returns.

        The same source, machine, toolchain and thread count is one entry: the newest measurement replaces the older
        one. Raises UserError when the store cannot be written.
        """
        kernel = kernel_record.build(
            accepted,
            name=name,
            source=source,
            machine=machine,
            toolchain=toolchain,
            suite=suite,
            proposal=proposal,
            schedule=schedule,
            parents=parents,
            generation=generation,
            model=model,
            operation=operation,
        )
        self.put([kernel])
        return kernel

    def put(self, kernels: Iterable[KernelRecord]) -> None:
        """Store records of accepted kernels; those with the same id are replaced."""
        rows = [_row(kernel) for kernel in {kernel.id: kernel for kernel in kernels}.values()]
        # Should the store fail halfway, it is asked again what it has.
        held, self._held = self._held, None
        self._collection.upsert(rows)
        if held is not None:
            self._held = held | {row.id: _held(row) for row in rows}

    def reconcile(self, kernels: Iterable[KernelRecord]) -> int:
        """Add the records that are missing or older here, for example after a kill; returns their number."""
        stamps = self._collection.stamps()
        wanted = {kernel.id: kernel for kernel in kernels if stamps.get(kernel.id, "") < kernel.when_utc}
        self.put(wanted.values())
        return len(wanted)

    def best(
        self, n: int, machine_class: str | None = None, threads: int | None = None, tier: str | None = None
    ) -> list[KernelRecord]:
        """At most n kernels by the lower end of the ratio's interval, highest first, one entry per source.

        The lower end is used because among many noisy ratios the highest is the luckiest. Kernels of `machine_class`
        come before all others; `threads` and `tier` must match.
        """
        found = [
            one
            for one in self._all()
            if threads in (None, one.kernel.threads) and tier in (None, one.kernel.tier)
        ]
        found.sort(key=lambda one: (distance(one.kernel, machine_class), -one.kernel.ratio_low, one.id))
        first: dict[str, KernelRecord] = {}
        for one in found:
            first.setdefault(one.source_hash, one.kernel)
        return list(first.values())[: max(n, 0)]

    def latest(self, n: int, machine_class: str | None = None) -> list[KernelRecord]:
        """At most n kernels, the newest first; those of `machine_class` come before all others."""
        found = sorted(self.everything(), key=lambda kernel: kernel.when_utc, reverse=True)
        found.sort(key=lambda kernel: distance(kernel, machine_class))
        return found[: max(n, 0)]

    def get(self, name: str, machine_class: str | None = None) -> KernelRecord | None:
        """The kernel of that name, of `machine_class` if there is one, else the newest; None when unknown."""
        found = sorted(
            (one.kernel for one in self._all() if one.kernel.name == name),
            key=lambda kernel: (-distance(kernel, machine_class), kernel.when_utc),
        )
        return found[-1] if found else None

    def similar(self, text: str, n: int, machine_class: str | None = None) -> list[KernelRecord]:
        """At most n kernels whose description is most similar to `text` (words or Rust); those of `machine_class`
        first.
        """
        near: list[KernelRecord] = []
        if machine_class is not None:
            near = [
                _kernel(hit.row) for hit in self._collection.query(text, n, {"machine_class": machine_class})
            ]
        if len(near) < n:
            known = {kernel.id for kernel in near}
            others = (_kernel(hit.row) for hit in self._collection.query(text, n + len(near)))
            near += [kernel for kernel in others if kernel.id not in known]
        return near[: max(n, 0)]

    def everything(self) -> list[KernelRecord]:
        """All kernels, ordered by id."""
        return [one.kernel for one in sorted(self._all(), key=lambda one: one.id)]

    def _all(self) -> Sequence[HeldKernel]:
        """Every kernel, in no particular order."""
        if self._held is None or not self.connection.embedded:
            self._held = {row.id: _held(row) for row in self._collection.rows()}
        return list(self._held.values())

    def count(self) -> int:
        """The number of entries."""
        return self._collection.count()

    def close(self) -> None:
        """Close the connection and release its lock."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _row(kernel: KernelRecord) -> StoredRow:
    """Flat metadata for filters, plus the whole record as JSON in one field, the only one that is read back."""
    metadata: dict[str, Scalar] = {
        "name": kernel.name,
        "source_hash": kernel.source_hash,
        "machine": kernel.machine,
        "machine_class": kernel.machine_class,
        "toolchain": kernel.toolchain,
        "threads": kernel.threads,
        "tier": kernel.tier,
        "operation": kernel.operation,
        "ratio": kernel.ratio,
        "stamp": kernel.when_utc,
        "record": kernel.to_json(),
    }
    return StoredRow(kernel.id, kernel.text(), metadata)


def _kernel(row: StoredRow) -> KernelRecord:
    return _held(row).kernel


def _held(row: StoredRow) -> HeldKernel:
    return _parsed(str(row.metadata["record"]), row.id)


@lru_cache(maxsize=4096)
def _parsed(record: str, row_id: str) -> HeldKernel:
    """A record, parsed once: a server is asked for every kernel several times per proposal. Nobody changes it."""
    kernel = kernel_record.parse(record, f"memory entry {row_id}")
    return HeldKernel(row_id, kernel.source_hash, kernel)

"""The memory of accepted kernels: stores them, and returns the best and the latest for this kind of machine."""

from __future__ import annotations

from collections.abc import Iterable
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


class KernelMemory:
    """Accepted kernels in one Chroma collection; a context manager that closes its connection."""

    def __init__(self, connection: Connection, embedder: Embedder) -> None:
        self.connection = connection
        self.embedder = embedder
        self._collection: Collection = connection.collection(KIND, embedder)

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
        self._collection.upsert(
            [_row(kernel) for kernel in {kernel.id: kernel for kernel in kernels}.values()]
        )

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
        equal: dict[str, Scalar] = {}
        if threads is not None:
            equal["threads"] = threads
        if tier is not None:
            equal["tier"] = tier
        found = [_kernel(row) for row in self._collection.rows(equal=equal)]
        found.sort(key=lambda kernel: (distance(kernel, machine_class), -kernel.ratio_low, kernel.id))
        first: dict[str, KernelRecord] = {}
        for kernel in found:
            first.setdefault(kernel.source_hash, kernel)
        return list(first.values())[: max(n, 0)]

    def latest(self, n: int, machine_class: str | None = None) -> list[KernelRecord]:
        """At most n kernels, the newest first; those of `machine_class` come before all others."""
        found = sorted(self.everything(), key=lambda kernel: kernel.when_utc, reverse=True)
        found.sort(key=lambda kernel: distance(kernel, machine_class))
        return found[: max(n, 0)]

    def get(self, name: str, machine_class: str | None = None) -> KernelRecord | None:
        """The kernel of that name, of `machine_class` if there is one, else the newest; None when unknown."""
        found = sorted(
            (_kernel(row) for row in self._collection.rows(equal={"name": name})),
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
        return sorted((_kernel(row) for row in self._collection.rows()), key=lambda kernel: kernel.id)

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
    return _parsed(str(row.metadata["record"]), row.id)


@lru_cache(maxsize=4096)
def _parsed(record: str, row_id: str) -> KernelRecord:
    """A record, parsed once: each proposal looks at every kernel several times. Nobody changes what is returned."""
    return kernel_record.parse(record, f"memory entry {row_id}")

"""Errors of Chroma, SQLite, the disk and the network as one line for a person."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.errors import UserError


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Context manager that turns errors of Chroma, SQLite and the network into a UserError with one line."""
    import httpx
    from chromadb.errors import ChromaError

    try:
        yield
    except (ChromaError, httpx.HTTPError, OSError) as error:
        reason = first_line(error)
        if "disk" in reason.lower() and ("full" in reason.lower() or "i/o error" in reason.lower()):
            raise UserError(
                f"the memory at {where} cannot be written, the disk is full or failing; "
                "what was recorded before is kept: free some space and run again"
            ) from None
        if "malformed" in reason.lower() or "not a database" in reason.lower():
            raise damaged(where, reason) from None
        raise UserError(
            f"the memory at {where} failed: {reason}; what was recorded before is kept; "
            "run again, or choose another with --memory PATH"
        ) from None


def damaged(where: str, reason: str) -> UserError:
    """The error for a store whose files were changed by another program than Chroma."""
    return UserError(
        f"the memory at {where} cannot be opened ({reason}); if its files are damaged, move them away and bring back "
        "what was exported: python -m harness.memory import FILE"
    )


def first_line(error: BaseException) -> str:
    """The first line of an error's text, at most 200 characters, or its type's name when it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]

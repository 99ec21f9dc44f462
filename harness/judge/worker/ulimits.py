"""Limits of the shell or the cluster (ulimit) that judging could not work under: said before anything is judged."""

from __future__ import annotations

import errno
import os
import sys

from harness.errors import UserError

# Descriptors of a session with pytest, Chroma and a few workers; bytes of the largest file: a region of shared memory.
LEAST_DESCRIPTORS, LEAST_FILE_BYTES = 256, 4 << 30


def require(address_bytes: int) -> None:
    """Raise the soft limits as far as the hard ones allow; raise UserError, in one line, for one that is too low.

    `address_bytes` is the most address space that any process of the session gets.
    """
    if sys.platform != "linux":
        return
    import resource

    needs = (
        (resource.RLIMIT_AS, "-v", address_bytes, 1 << 20, "MiB of address space"),
        (resource.RLIMIT_NOFILE, "-n", LEAST_DESCRIPTORS, 1, "open files"),
        (resource.RLIMIT_FSIZE, "-f", LEAST_FILE_BYTES, 1 << 20, "MiB per file"),
    )
    for limit, flag, least, unit, what in needs:
        soft, hard = resource.getrlimit(limit)
        if soft != resource.RLIM_INFINITY and soft < least:
            if hard != resource.RLIM_INFINITY and hard < least:
                raise UserError(
                    f"ulimit {flag} allows {hard // unit} {what}; judging needs {-(-least // unit)}: raise it, in a "
                    f"cluster's job script too (ulimit {flag} unlimited)"
                )
            resource.setrlimit(limit, (hard, hard))
    _require_memfd()


def _require_memfd() -> None:
    """Some containers filter memfd_create, in which parent and worker share their matrices."""
    try:
        os.close(os.memfd_create("roundtable-probe", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))
    except OSError as error:
        why = (
            "this container forbids" if error.errno in (errno.EPERM, errno.ENOSYS) else "this machine refuses"
        )
        raise UserError(
            f"{why} the system call memfd_create ({error.strerror}), which judging needs for memory shared with the "
            "sandbox; allow it in the container's seccomp profile"
        ) from None

"""Shared by the tests of the compile package: the prepared tools, and judging a source gate by gate."""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path

from harness.candidate import Tier
from harness.compile import audit, policy, rustc
from harness.compile.audit import AuditReport
from harness.compile.rustc import CompiledKernel
from harness.compile.tools import Tools, prepare
from harness.verdict import Rejection


@lru_cache(maxsize=1)
def tools() -> Tools:
    """The real tools, with the sandbox where the machine supports it."""
    return prepare(print, sandboxed=sys.platform == "linux")


def inspector() -> Path:
    """The program that inspects sources and binaries."""
    return tools().inspector


def built(source: str, tier: Tier = "unsafe") -> CompiledKernel:
    """The library compiled from `source`, without the policy."""
    result = rustc.compile_kernel(source, tier, tools())
    assert isinstance(result, CompiledKernel), result
    return result


def through(source: str, tier: Tier = "unsafe") -> AuditReport | Rejection:
    """The gates policy, compile and audit in order."""
    report = policy.check(source, tier, inspector())
    if not isinstance(report, policy.PolicyReport):
        return report
    library = rustc.compile_kernel(source, tier, tools())
    return audit.check(library, tools()) if isinstance(library, CompiledKernel) else library

"""Errors that a person reads: one line that says what was wrong, what is allowed and what to do."""

from __future__ import annotations


class UserError(Exception):
    """Bad input or a missing tool; its text is the whole message and no traceback is shown."""


class CandidateError(UserError):
    """A candidate folder that cannot be read as a candidate."""


class ToolchainError(UserError):
    """The Rust toolchain is missing, too old or broken."""


class SandboxError(UserError):
    """The sandbox cannot be set up here, so nothing untrusted is run."""


class HarnessFaultError(Exception):
    """The harness itself failed; never the candidate's fault. Becomes the verdict HarnessError."""

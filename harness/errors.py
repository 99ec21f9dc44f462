"""The exceptions of the harness. The text of a UserError says what was wrong, what is allowed and what to do."""

from __future__ import annotations


class UserError(Exception):
    """Bad input or a missing tool. Its text is the whole message; no traceback is shown."""


class CandidateError(UserError):
    """A candidate folder that cannot be read as a candidate."""


class ToolchainError(UserError):
    """The Rust toolchain is missing, too old or broken."""


class SandboxError(UserError):
    """The sandbox cannot be set up here, so nothing untrusted is run."""


class HarnessFaultError(Exception):
    """A failure of the harness itself, never of the candidate; it becomes the verdict HarnessError."""

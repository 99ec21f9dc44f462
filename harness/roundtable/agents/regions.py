"""Regions of a kernel that may be rewritten while the rest stays, identified by function names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.errors import UserError
from harness.roundtable.agents.rust_answer import NoKernelError, blocks

# The functions of each region, by name. Templates and most hand-written kernels use these names.
REGIONS: dict[str, re.Pattern[str]] = {
    "micro-kernel": re.compile(r"micro|kernel_\w+|\w*_kernel|accumulate", re.IGNORECASE),
    "packing": re.compile(r"pack_\w+|copy_\w+", re.IGNORECASE),
    "loop order": re.compile(r"packed|blocked|serial|direct|gemm|multiply", re.IGNORECASE),
}
_FN = re.compile(r"\bfn\s+(?P<name>[A-Za-z_]\w*)")
_TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|r(?P<h>\#*)".*?"(?P=h)|b?"(?:\\.|[^"\\])*"|'(?:\\.[^']*|[^'\\])'|[{};]""",
    re.DOTALL,
)
_LEADING = re.compile(r"(?:^[ \t]*(?:///|//|#\[)[^\n]*\n)*[^\n]*\Z", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Function:
    """One function item: its name and position, documentation and attributes included."""

    name: str
    start: int
    end: int


def functions(source: str) -> list[Function]:
    """The functions of a source, in order; nested functions belong to the outer one. Comments and strings are
    ignored.
    """
    found: list[Function] = []
    masked = _TOKEN.sub(lambda m: m[0] if m[0] in "{};" else re.sub(r"[^\n]", " ", m[0]), source)
    for match in _FN.finditer(masked):
        if found and match.start() < found[-1].end:
            continue
        end = _body_end(masked, match.end())
        if end is not None:
            leading = _LEADING.search(source[: match.start()])
            start = leading.start() if leading else match.start()
            found.append(Function(match["name"], start, end))
    return found


def _body_end(masked: str, start: int) -> int | None:
    """The position after the closing brace of the body that begins after `start`; None for a declaration without a
    body.
    """
    depth = 0
    for token in re.finditer(r"[{};]", masked[start:]):
        if token[0] == "{":
            depth += 1
        elif token[0] == "}":
            depth -= 1
            if depth == 0:
                return start + token.end()
            if depth < 0:
                return None
        elif depth == 0 and not re.search(r"\[[^\]]*\Z", masked[start : start + token.start()]):
            return None
    return None


def members(source: str, region: str) -> list[Function]:
    """The functions of a region; never `matmul` itself, which is fixed by the contract."""
    pattern = REGIONS[region]
    return [fn for fn in functions(source) if fn.name != "matmul" and pattern.fullmatch(fn.name)]


def available(source: str) -> list[str]:
    """The regions that this kernel has."""
    return [region for region in REGIONS if members(source, region)]


def text(source: str, region: str) -> str:
    """The source of the region's functions, with their documentation."""
    return "\n\n".join(source[fn.start : fn.end] for fn in members(source, region))


def replace(source: str, region: str, answer: str) -> str:
    """The kernel with the region's functions replaced by the last complete block of the answer.

    Raises NoKernelError when the answer has no complete block or omits a function that others call, UserError when the
    kernel has no such region.
    """
    old = members(source, region)
    if not old:
        raise UserError(
            f"no region '{region}' in this kernel; it has {', '.join(available(source)) or 'none'}"
        )
    closed = [block.code for block in blocks(answer) if block.closed]
    if not closed:
        raise NoKernelError("no complete fenced Rust block: put the region between ```rust and ```")
    new = functions(closed[-1])
    names = {fn.name for fn in new}
    if missing := [fn.name for fn in old if fn.name not in names]:
        raise NoKernelError(f"the region must still define {', '.join(f'`{name}`' for name in missing)}")
    # If the model returned the whole file, only the region's own functions are taken from it.
    kept = {fn.name for fn in functions(source)} - {fn.name for fn in old}
    code = "\n\n".join(closed[-1][fn.start : fn.end] for fn in new if fn.name not in kept)
    changed = source
    for index, fn in reversed(list(enumerate(old))):
        changed = changed[: fn.start] + (code if index == 0 else "") + changed[fn.end :]
    return changed

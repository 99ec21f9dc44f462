"""The command line and the ini file: declares every option and reads them into one Settings."""

from __future__ import annotations

import os
import tomllib
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import pytest

from harness.caches import usable_cache
from harness.errors import UserError
from harness.front_door.option_names import YieldingGroup, value_of
from harness.installed.round_table import SETTING
from harness.operation.operations import OperationName
from harness.settings import AnswerProtocol, Budget, Profile, Settings, Uncompared, Untimed
from harness.shapes import SYNTAX

_MODEL_HELP = (
    "the model that thinks: builtin (the tuner), histograms, smollm2 (a small model from a Python package), a .gguf "
    "file, hf:REPO:FILE, or the URL of a local OpenAI-compatible server; MODEL+FOLDER adds a trained adapter; A,B,C "
    "shares the proposals among several by what they earn; AGENT=MODEL sets the model of one agent; may be "
    "repeated (default: builtin; ini: roundtable_model)"
)

# (option, metavar, help). The defaults named here are those of `read`.
_TABLE_OPTIONS = (
    ("--generate", "N", "evolve N generations and judge every candidate (default: off)"),
    ("--population", "P", "number of proposals per generation (default: 1)"),
    (
        "--workers",
        "ADDRESS",
        "judge the candidates of a generation side by side: local:N, N processes of this machine with one clock, or "
        "ray://HOST:PORT, the machines of a cluster (default: off)",
    ),
    ("--fleet-token", "FILE", "file with the cluster's token (default: fleet-token in the user's settings)"),
    (
        "--discover",
        "MxKxN",
        "first search a bilinear scheme of this format for up to a minute, and evolve kernels from it (default: off)",
    ),
    (
        "--shortlist",
        "N",
        "number of schedules that the tuner times briefly for each proposal, to have the fastest judged; 1 proposes "
        "without timing (default: 6)",
    ),
    (
        "--seed",
        "N",
        "seed of tuner, data and shapes, to make a run repeatable (default: a fresh secret seed)",
    ),
    ("--max-tokens", "N", "stop the run after N tokens of all models together (default: unlimited)"),
    ("--max-minutes", "MIN", "stop the run after MIN minutes (default: unlimited)"),
    ("--repairs", "N", "number of times the Coder may repair one kernel (default: 2)"),
    ("--replay", "FILE", "run again from a transcript, without a model (default: off)"),
    ("--live-port", "PORT", "port of --live on 127.0.0.1, for a tunnel (default: a free one)"),
    ("--context", "TOKENS", "context size of a language model in tokens (default: 8192)"),
    ("--gpu-layers", "N", "number of model layers on the GPU; 0 uses none (default: all that fit)"),
    ("--memory", "WHERE", "memory of kernels: a folder or http://host:port (default: memory in --results)"),
    (
        "--embedder",
        "NAME",
        "text embedder: hashed, minilm (from a Python package), or the name or folder of a sentence-transformers model "
        "(default: hashed)",
    ),
)
_TABLE_FLAGS = (
    (
        "--live",
        "show the run in a browser of this machine while it goes on; prints the address (default: off)",
    ),
    ("--resume", "continue the latest interrupted evolution (default: off)"),
)
_JUDGE_OPTIONS = (
    (
        "--suite",
        "SUITE",
        "shapes to time: default, square, large, gpt2, gpt2-train, skinny, odd or MxKxN,…; for sgemm with layouts, "
        f"MxKxN:LAYOUT, where LAYOUT is {SYNTAX}; append :cold to read data from memory (default: the suite named "
        "default, which is gpt2-train for sgemm)",
    ),
    ("--baseline", "PATH", "library with cblas_sgemm to compare with (default: the BLAS of numpy)"),
    (
        "--core-type",
        "TYPE",
        "kernels of the OpenBLAS to compare with: strongest (the fastest on this machine, timed once a week), auto "
        "(its own choice), or a name such as Haswell (default: strongest, or OPENBLAS_CORETYPE where it is set; ini: "
        "roundtable_core_type)",
    ),
    (
        "--against",
        "NAME",
        "also time every accepted kernel against this one, side by side, for six times the --clock-budget: "
        "a candidate, matrixmultiply, gemm, faer, or a library with cblas_sgemm (default: off)",
    ),
    ("--min-ratio", "X", "fail if the whole 95 %% interval is below X times BLAS (default: off)"),
    ("--save", "NAME", "save the timings of this session as NAME (default: off)"),
    ("--compare", "NAME|latest", "compare with the timings saved as NAME, or with the latest (default: off)"),
    (
        "--max-regress",
        "PCT",
        "fail if the whole 95 %% interval shows a slowdown above PCT percent (default: off)",
    ),
    ("--clock-budget", "S", "seconds of timing per kernel and five shapes (default: 6)"),
    ("--verdicts", "FILE", "write one JSON line per verdict to FILE, a regular file (default: off)"),
    (
        "--results",
        "FOLDER",
        "where records, saved timings and runs go (default: results/local in the checkout; ini: roundtable_results)",
    ),
    ("--case", "CASE", "replay one counterexample, SHAPE:SEED:ORACLE as printed in a verdict (default: off)"),
)


def add(parser: pytest.Parser) -> None:
    """Declare the options, each under two names (see option_names); each help text names the default."""
    _add_table_options(parser)
    _add_judge_options(parser)
    _add_ini_options(parser)


def _add_table_options(parser: pytest.Parser) -> None:
    table = YieldingGroup(parser, "round table", "round table: evolve kernels")
    for option, metavar, text in _TABLE_OPTIONS:
        table.addoption(option, metavar=metavar, default=None, help=text)
    table.addoption("--model", metavar="MODEL", action="append", default=None, help=_MODEL_HELP)
    for option, text in _TABLE_FLAGS:
        table.addoption(option, action="store_true", help=text)
    table.addoption(
        "--protocol",
        choices=[p.value for p in AnswerProtocol],
        default=AnswerProtocol.AUTO.value,
        help="how a .gguf model is asked for proposals: letters (one per knob, for models below 1 billion parameters), "
        "line (one line of values, below 14 billion), full (JSON with reasons and free code), or auto, by its size "
        "(default: auto)",
    )
    table.addoption(
        "--machines",
        choices=["all", "home"],
        default="all",
        help="machines of a cluster that time each kernel: all, one of every kind that can run it, or home: only the "
        "kind for which the run works (default: all)",
    )
    table.addoption(
        "--operation",
        choices=[o.value for o in OperationName],
        default=OperationName.MATMUL.value,
        help="what evolved kernels compute: matmul, C = A·B of row-major matrices, or sgemm, C = alpha·A·B + beta·C "
        "with strides (default: matmul)",
    )
    table.addoption(
        "--tier",
        choices=["any", "safe"],
        default="any",
        help="kernels to evolve: any, or safe: only in safe Rust, compiled under forbid(unsafe_code) (default: any)",
    )


def _add_judge_options(parser: pytest.Parser) -> None:
    judge = YieldingGroup(parser, "judge", "round table: judge, clock and gate")
    judge.addoption(
        "--profile",
        choices=[p.value for p in Profile],
        default=None,
        help="test effort: quick, default or thorough (default: the effort named default)",
    )
    judge.addoption(
        "--threads",
        choices=["1", "all"],
        default=None,
        help="number of threads for kernels and BLAS: 1 or all (default: as candidate.toml declares)",
    )
    judge.addoption(
        "--untimed",
        choices=[u.value for u in Untimed],
        default=Untimed.AUTO.value,
        help="a correct kernel whose timing is not reliable here: auto fails where --min-ratio, min_ratio or "
        "--max-regress needs the timing and passes with a warning elsewhere; fail: always fail; skip: always skip "
        "(default: auto)",
    )
    judge.addoption(
        "--uncompared",
        choices=[u.value for u in Uncompared],
        default=Uncompared.FAIL.value,
        help="when --max-regress could compare no timing at all (another machine, a new candidate): fail or allow "
        "(default: fail)",
    )
    for option, metavar, text in _JUDGE_OPTIONS:
        judge.addoption(option, metavar=metavar, default=None, help=text)
    judge.addoption(
        "--yardsticks", action="store_true", help="also time matrixmultiply, gemm and faer (default: off)"
    )
    judge.addoption(
        "--unsandboxed",
        action="store_true",
        help="run candidates WITHOUT a sandbox, with your rights; every result is marked (default: off)",
    )


def _add_ini_options(parser: pytest.Parser) -> None:
    parser.addini(
        SETTING, "whether this project is a round table (default: detected from conftest.py)", default=""
    )
    parser.addini("roundtable_model", "default of --model", type="linelist", default=[])
    parser.addini("roundtable_profile", "default of --profile", default="default")
    parser.addini("roundtable_suite", "default of --suite", default="default")
    parser.addini("roundtable_baseline", "default of --baseline", default="")
    parser.addini("roundtable_results", "default of --results", default="")
    parser.addini("roundtable_core_type", "default of --core-type", default="")
    parser.addini("roundtable_embedder", "default of --embedder", default="hashed")
    parser.addini("roundtable_memory", "default of --memory", default="")


def read(config: pytest.Config) -> Settings:
    """The settings of this session; raises UserError that names the option, the given value and the allowed ones."""
    option = partial(value_of, config)
    root = project_root(config)
    results = _path(option("results") or _ini(config, root, "roundtable_results"), config)
    results = results or root / "results" / "local"
    cache, cache_notice = usable_cache(config.invocation_params.dir)
    return Settings(
        root=root,
        cache=cache,
        cache_notice=cache_notice,
        results=results,
        memory=option("memory") or _ini(config, root, "roundtable_memory") or str(results / "memory"),
        generate=_integer("--generate", option("generate"), 0, least=1),
        population=_integer("--population", option("population"), 1, least=1),
        workers=option("workers"),
        fleet_token=_path(option("fleet_token"), config),
        machines=option("machines"),
        discover=option("discover"),
        tier=option("tier"),
        operation=OperationName(option("operation")),
        shortlist=_integer("--shortlist", option("shortlist"), 6, least=1),
        seed=None if option("seed") is None else _integer("--seed", option("seed"), 0, least=0),
        threads=cast('Literal["1", "all"] | None', option("threads")),
        suite=option("suite") or _ini(config, root, "roundtable_suite"),
        profile=_profile(option("profile") or _ini(config, root, "roundtable_profile")),
        models=_models(option("model") or _ini(config, root, "roundtable_model")),
        budget=Budget(
            max_tokens=None
            if option("max_tokens") is None
            else _integer("--max-tokens", option("max_tokens"), 0, least=1),
            max_minutes=_positive("--max-minutes", option("max_minutes")),
            repairs=_integer("--repairs", option("repairs"), 2, least=0),
        ),
        baseline=_path(option("baseline") or _ini(config, root, "roundtable_baseline"), config),
        core_type=option("core_type") or _ini(config, root, "roundtable_core_type") or _usual_core_type(),
        yardsticks=option("yardsticks"),
        against=option("against"),
        min_ratio=_positive("--min-ratio", option("min_ratio")),
        save=option("save"),
        compare=option("compare"),
        max_regress=_positive("--max-regress", option("max_regress")),
        untimed=Untimed(option("untimed")),
        uncompared=Uncompared(option("uncompared")),
        unsandboxed=option("unsandboxed"),
        verdicts=_path(option("verdicts"), config),
        live=option("live"),
        live_port=None if option("live_port") is None else _port(option("live_port")),
        resume=option("resume"),
        replay=_path(option("replay"), config),
        context_tokens=_integer("--context", option("context"), 8192, least=256),
        gpu_layers=_integer("--gpu-layers", option("gpu_layers"), -1, least=0),
        protocol=AnswerProtocol(option("protocol")),
        embedder=option("embedder") or _ini(config, root, "roundtable_embedder"),
        clock_budget_s=_positive("--clock-budget", option("clock_budget")) or 6.0,
        case=option("case"),
    )


def _usual_core_type() -> str:
    """The core type of a session that names none: the user's OPENBLAS_CORETYPE, else the strongest."""
    return "auto" if os.environ.get("OPENBLAS_CORETYPE") else "strongest"


def has_round_table_option(config: pytest.Config) -> bool:
    """Whether an option was given that makes sense in a round table only."""
    return any(
        value_of(config, name)
        for name in ("generate", "live", "resume", "case", "yardsticks", "verdicts", "save", "against")
    )


def project_root(config: pytest.Config) -> Path:
    """The checkout in which pytest was called.

    pytest determines its root before it knows these options, and takes the value of `--model ~/x.gguf` for a test path.
    Then its root is that file's folder, or `/`, and the current folder is a better guess.
    """
    here = config.invocation_params.dir
    if here.is_relative_to(config.rootpath) and config.inipath is not None:
        return config.rootpath
    for folder in (here, *here.parents):
        if (folder / "pyproject.toml").is_file() and (folder / "conftest.py").is_file():
            return folder
    return config.rootpath


def _ini(config: pytest.Config, root: Path, name: str) -> Any:
    """The value of an ini option, from the project's own pyproject.toml when pytest took another ini file."""
    if root == config.rootpath:
        return config.getini(name)
    try:
        table = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
        return table["tool"]["pytest"]["ini_options"][name]
    except (OSError, KeyError, TypeError, tomllib.TOMLDecodeError):
        return config.getini(name)


def _integer(option: str, text: str | None, default: int, least: int) -> int:
    if text is None:
        return default
    try:
        value = int(text)
    except ValueError:
        raise UserError(f"{option} takes a whole number, {least} or more; got '{text}'") from None
    if value < least:
        raise UserError(f"{option} takes a whole number, {least} or more; got {value}")
    return value


def _port(text: str) -> int:
    port = _integer("--live-port", text, 0, least=1)
    if port > 65535:
        raise UserError(f"--live-port takes a port, 1 to 65535; got {port}")
    return port


def _positive(option: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise UserError(f"{option} takes a number above 0; got '{text}'")
    return value


def _profile(text: str) -> Profile:
    try:
        return Profile(text)
    except ValueError:
        allowed = ", ".join(p.value for p in Profile)
        raise UserError(f"roundtable_profile is '{text}'; allowed: {allowed}") from None


def _models(texts: list[str]) -> dict[str, str]:
    """The model of each agent; key "*" is the model of every agent without its own, "builtin" by default."""
    agents = ("proposer", "verifier", "coder", "tester")
    models = {"*": "builtin"}
    for text in texts:
        agent, sign, model = text.partition("=")
        if sign and agent in agents:
            models[agent] = model
        elif sign and agent.isalpha() and not Path(text).exists():
            raise UserError(f"--model {text}: there is no agent '{agent}'; agents: {', '.join(agents)}")
        else:
            models["*"] = text
    return models


def _path(text: str | None, config: pytest.Config) -> Path | None:
    """A path relative to the folder in which pytest was called."""
    return (config.invocation_params.dir / Path(text).expanduser()) if text else None

"""The command line and the ini file: declares every option, reads them into one Settings."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal, cast

import pytest

from harness.errors import UserError
from harness.settings import Budget, Profile, Settings, default_cache

_MODEL_HELP = (
    "who thinks: builtin (the tuner, default), a .gguf file, hf:REPO:FILE, or the URL of a local OpenAI-compatible "
    "server; AGENT=MODEL gives one agent its own mind; may be repeated (ini: roundtable_model)"
)


def add(parser: pytest.Parser) -> None:
    """Declare the options; a default is named in each help text."""
    table = parser.getgroup("round table", "round table: evolve kernels")
    table.addoption(
        "--generate", metavar="N", default=None, help="evolve N generations and judge each (default: off)"
    )
    table.addoption("--population", metavar="P", default=None, help="proposals per generation (default: 1)")
    table.addoption("--model", metavar="MODEL", action="append", default=None, help=_MODEL_HELP)
    table.addoption(
        "--seed", metavar="N", default=None, help="make built-in minds and data repeatable (default: secret)"
    )
    table.addoption(
        "--max-tokens", metavar="N", default=None, help="token budget of the run (default: unlimited)"
    )
    table.addoption(
        "--max-minutes", metavar="MIN", default=None, help="time budget of the run (default: unlimited)"
    )
    table.addoption(
        "--repairs", metavar="N", default=None, help="repairs of one kernel by the Coder (default: 2)"
    )
    table.addoption(
        "--resume", action="store_true", help="go on with the interrupted evolution (default: start anew)"
    )
    table.addoption(
        "--replay", metavar="FILE", default=None, help="re-run a transcript without a model (default: off)"
    )
    table.addoption(
        "--context", metavar="TOKENS", default=None, help="context of a language model (default: 8192)"
    )
    table.addoption(
        "--gpu-layers",
        metavar="N",
        default=None,
        help="layers put on the GPU, 0 is none (default: all that fit)",
    )
    table.addoption(
        "--memory",
        metavar="WHERE",
        default=None,
        help="folder or http://host:port (default: results/local/memory)",
    )
    table.addoption(
        "--embedder", metavar="NAME", default=None, help="hashed (default), or a sentence-transformers model"
    )
    _add_judge(parser)


def _add_judge(parser: pytest.Parser) -> None:
    judge = parser.getgroup("judge", "round table: judge, clock and gate")
    judge.addoption(
        "--profile", choices=[p.value for p in Profile], default=None, help="evidence (default: default)"
    )
    judge.addoption(
        "--threads", choices=["1", "all"], default=None, help="thread class (default: as declared)"
    )
    judge.addoption(
        "--suite",
        metavar="SUITE",
        default=None,
        help="default, square, gpt2, skinny, odd or MxKxN,…; with :cold behind it, data from memory (default: default)",
    )
    judge.addoption(
        "--baseline", metavar="PATH", default=None, help="library with cblas_sgemm (default: numpy's BLAS)"
    )
    judge.addoption("--yardsticks", action="store_true", help="time known crates as well (default: off)")
    judge.addoption("--min-ratio", metavar="X", default=None, help="fail below X times BLAS (default: off)")
    judge.addoption(
        "--save", metavar="NAME", default=None, help="save this session's timings as NAME (default: off)"
    )
    judge.addoption(
        "--compare", metavar="NAME|latest", default=None, help="compare with saved timings (default: off)"
    )
    judge.addoption(
        "--max-regress", metavar="PCT", default=None, help="fail if slower by more, surely (default: off)"
    )
    judge.addoption(
        "--clock-budget",
        metavar="S",
        default=None,
        help="seconds of timing per kernel and five shapes (default: 6)",
    )
    judge.addoption(
        "--verdicts", metavar="FILE", default=None, help="write verdicts as JSON lines (default: off)"
    )
    judge.addoption("--case", metavar="CASE", default=None, help="replay one counterexample (default: off)")
    judge.addoption(
        "--unsandboxed",
        action="store_true",
        help="run candidates WITHOUT a sandbox; marks results (default: off)",
    )
    parser.addini("roundtable_model", "default of --model", type="linelist", default=[])
    parser.addini("roundtable_profile", "default of --profile", default="default")
    parser.addini("roundtable_suite", "default of --suite", default="default")
    parser.addini("roundtable_baseline", "default of --baseline", default="")
    parser.addini("roundtable_embedder", "default of --embedder", default="hashed")
    parser.addini("roundtable_memory", "default of --memory", default="")


def read(config: pytest.Config) -> Settings:
    """One frozen Settings; raises UserError that names the option, what it was given and what is allowed."""
    option = config.getoption
    root = project_root(config)
    results = root / "results" / "local"
    return Settings(
        root=root,
        cache=default_cache(),
        results=results,
        memory=option("memory") or _ini(config, root, "roundtable_memory") or str(results / "memory"),
        generate=_integer("--generate", option("generate"), 0, least=1),
        population=_integer("--population", option("population"), 1, least=1),
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
        yardsticks=option("yardsticks"),
        min_ratio=_positive("--min-ratio", option("min_ratio")),
        save=option("save"),
        compare=option("compare"),
        max_regress=_positive("--max-regress", option("max_regress")),
        unsandboxed=option("unsandboxed"),
        verdicts=_path(option("verdicts"), config),
        resume=option("resume"),
        replay=_path(option("replay"), config),
        context_tokens=_integer("--context", option("context"), 8192, least=256),
        gpu_layers=_integer("--gpu-layers", option("gpu_layers"), -1, least=0),
        embedder=option("embedder") or _ini(config, root, "roundtable_embedder"),
        clock_budget_s=_positive("--clock-budget", option("clock_budget")) or 6.0,
        case=option("case"),
    )


def project_root(config: pytest.Config) -> Path:
    """The checkout in which pytest was called.

    pytest decides on its root before it knows our options, and takes the value of `--model ~/x.gguf` for a test path:
    then its root is that file's folder, or `/`. The folder in which the user stands says better where the project is.
    """
    here = config.invocation_params.dir
    if here.is_relative_to(config.rootpath) and config.inipath is not None:
        return config.rootpath
    for folder in (here, *here.parents):
        if (folder / "pyproject.toml").is_file() and (folder / "conftest.py").is_file():
            return folder
    return config.rootpath


def _ini(config: pytest.Config, root: Path, name: str) -> Any:
    """A durable default; read from the project's own pyproject.toml where pytest looked for its ini file elsewhere."""
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
    """ "builtin" for everybody unless told otherwise; key "*" is the mind of every agent without its own."""
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
    """Relative to where pytest was called, as a shell user means it."""
    return (config.invocation_params.dir / Path(text).expanduser()) if text else None

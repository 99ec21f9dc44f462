"""hf:REPO:FILE: a model from the Hugging Face hub, downloaded once and then taken from the local cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.errors import UserError


def fetch(model: str, say: Callable[[str], None]) -> Path:
    """The local path of `hf:REPO:FILE`; the network is used only when the file is not in the cache.

    Raises UserError when the name is malformed, the extra is missing, or the file is neither in the cache nor on the
    hub.
    """
    parts = model.split(":", 2)
    if len(parts) != 3 or "/" not in parts[1] or not parts[2].lower().endswith(".gguf"):
        raise UserError(f"--model {model}: expected hf:OWNER/REPO:FILE.gguf")
    _, repo, file = parts
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError:
        raise UserError(
            f"--model {model}: needs huggingface-hub; pip install 'matmul-round-table[llm]'"
        ) from None
    try:
        return Path(hf_hub_download(repo, file, local_files_only=True))
    except LocalEntryNotFoundError:
        say(f"downloading {file} from {repo}, once; it stays in the local cache")
    try:
        return Path(hf_hub_download(repo, file))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise UserError(
            f"--model {model}: cannot be downloaded ({reason}); check the name and the network, "
            "or fetch the file elsewhere and give its path"
        ) from None

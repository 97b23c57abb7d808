"""Names of models and data sets of the hub, an id with or without a revision, where there may also be a folder's."""

import re
from pathlib import Path

from helpers import places
from helpers.errors import UserError

#: What no id of the hub looks like: the path of a folder.
_PATH = re.compile(r"[./~].*|.*[\\/]|[^/]*\\.*|[^/]*/.*/.*")
_WITH_REVISION = re.compile(r"(?P<id>[\w.-]+(/[\w.-]+)?)@(?P<revision>\S+)")


def split(name: str) -> tuple[str, str | None]:
    """An id and the revision, a commit, a tag or a branch, of a name `ID@REVISION`; of others, the name and None."""
    found = _WITH_REVISION.fullmatch(name)
    return (found["id"], found["revision"]) if found else (name, None)


def located(name: str) -> tuple[str, str | None]:
    """What `split` gives, but for the name of a folder: that is a folder, whatever is in its name."""
    return (name, None) if Path(name).is_dir() else split(name)


def model(name: str) -> str:
    """Where the model is that a study names so: the path of its folder, `~` for one's home, or an id of the hub.

    Raises
    ------
    UserError
        If it is written as a path, and there is no such folder: the hub is not asked.
    """
    at = places.path(name)
    if _PATH.fullmatch(split(name)[0]) and not at.is_dir():
        raise UserError(
            f"hf:{name}: there is no such folder; give its path as seen from the working folder, or OWNER/NAME of the "
            "hub"
        )
    return str(at)


def pretrained(name: str) -> dict[str, str | bool]:
    """What the `from_pretrained` of transformers takes for the name of a model; its own code is never run."""
    at, revision = located(name)
    # Said, because without it transformers asks whoever sits at a terminal.
    said = {"pretrained_model_name_or_path": at, "trust_remote_code": False}
    return said | ({"revision": revision} if revision else {})


def commit(name: str) -> str | None:
    """The commit of a model of the hub that was loaded by `name`; None of a folder."""
    from huggingface_hub import try_to_load_from_cache

    if Path(name).is_dir():
        return None
    at, revision = split(name)
    # The client keeps each commit's files in a folder of that name.
    file = try_to_load_from_cache(at, "config.json", revision=revision)
    return Path(file).parent.name if isinstance(file, str) else None

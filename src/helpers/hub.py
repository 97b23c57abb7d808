"""Names of models in transformers' format: a folder, an id of the hub, or an id and the revision that is meant."""

import re
from pathlib import Path

_WITH_REVISION = re.compile(r"(?P<id>[\w.-]+(/[\w.-]+)?)@(?P<revision>\S+)")


def split(name: str) -> tuple[str, str | None]:
    """An id and the revision, a commit, a tag or a branch, of a name `ID@REVISION`; of others, the name and None."""
    found = _WITH_REVISION.fullmatch(name)
    return (found["id"], found["revision"]) if found else (name, None)


def located(name: str) -> dict[str, str]:
    """What the `from_pretrained` of transformers takes for a name; one that is a folder's is never read as an id."""
    at, revision = (name, None) if Path(name).is_dir() else split(name)
    return {"pretrained_model_name_or_path": at} | ({"revision": revision} if revision else {})


def commit(name: str) -> str | None:
    """The commit of a model of the hub that was loaded by `name`; None of a folder."""
    from huggingface_hub import try_to_load_from_cache

    if Path(name).is_dir():
        return None
    at, revision = split(name)
    # The client keeps each commit's files in a folder of that name.
    file = try_to_load_from_cache(at, "config.json", revision=revision)
    return Path(file).parent.name if isinstance(file, str) else None

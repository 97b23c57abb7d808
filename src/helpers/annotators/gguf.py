"""GGUF files as ordinary transformers folders, converted once.

Reading a GGUF takes transformers a minute even for a small model, most of it for the vocabulary; the converted folder
loads in a second. Weights are kept in bfloat16, on every machine, so that all machines compute with the same numbers.
"""

import tempfile
from pathlib import Path

from filelock import FileLock
from tqdm.auto import tqdm

from helpers import places
from helpers.annotators import origin
from helpers.errors import UserError, in_one_line


def as_folder(file: Path) -> Path:
    """Folder with the model and the tokenizer of a GGUF file, in the cache; converted first if need be.

    Raises
    ------
    UserError
        If the file is not a GGUF, or holds a model that transformers cannot read.
    """
    with file.open("rb") as stream:
        if stream.read(4) != b"GGUF":
            raise UserError(f"{places.shown(file)} is not a GGUF file: it does not begin with the letters GGUF")
    target = places.cache() / "models" / f"{file.stem}-{origin.sha256(file)[:16]}"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(f"{target.name}.lock")):  # not with_suffix: a name may hold a dot
        if not target.is_dir():
            advice = (
                "a converted model takes two bytes a parameter; free some space or set XDG_CACHE_HOME to a larger disk"
            )
            with (
                places.room_in(target.parent, advice),
                tempfile.TemporaryDirectory(dir=target.parent, prefix=".convert-") as part,
            ):
                # Alone in a folder, so that nothing that lies beside it is read: not its settings, and no code.
                alone = Path(part) / "file"
                alone.mkdir()
                (alone / file.name).symlink_to(file.resolve())
                _convert(alone / file.name, Path(part) / "model", places.shown(file))
                (Path(part) / "model").replace(target)
    return target


def _convert(file: Path, folder: Path, shown: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    with tqdm(total=2, desc=f"convert {file.name}, once", unit="part") as bar:
        try:
            tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, trust_remote_code=False)
            bar.update()
            model = AutoModelForCausalLM.from_pretrained(
                file.parent,
                gguf_file=file.name,
                dtype=torch.bfloat16,
                quantization_config=GgufConfig(dequantize=True),
                trust_remote_code=False,
            )
        except Exception as error:  # of a damaged file it may be any: of tokens that do not fit, it is that very class
            raise UserError(f"transformers cannot read {shown}: {in_one_line(error)}") from None
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        bar.update()

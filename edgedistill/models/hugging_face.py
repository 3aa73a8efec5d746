"""`hf:DIR_OR_ID`: classifiers of transformers, from a folder or the hub, safetensors only."""

from __future__ import annotations

import difflib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from edgedistill.errors import Fault, InputError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgedistill.core.teacher import Argument
    from edgedistill.models.signature import Signature

_FILES = ("config.json", "preprocessor_config.json", "*.safetensors", "*.safetensors.index.json")


def local_folder(name: str, *, base: Path) -> Path | None:
    """The folder that the source names on this disk, or None where it is an id on the hub."""
    folder = base / Path(name).expanduser()
    return folder if folder.is_dir() else None


def has_weights(name: str, *, base: Path) -> bool:
    """Whether the source brings weights: a folder may hold a configuration alone."""
    folder = local_folder(name, base=base)
    return folder is None or any(folder.glob("*.safetensors"))


def folder_of(name: str, *, base: Path, field: str) -> Path:
    """The folder with configuration and weights; an id is fetched from the hub into its cache.

    Args:
        name: What stands after `hf:`; an id may end in @REVISION.
        base: The folder relative paths are resolved against.
        field: Where the model stands in the recipe, for the error.

    Raises:
        InputError: If there is no such folder or id, no configuration, or weights as pickles only.
        MissingExtraError: If the hub's client is not installed.
    """
    folder = local_folder(name, base=base)
    from_hub = folder is None
    if folder is None:
        folder = _download(name, field=field)
    if not (folder / "config.json").is_file():
        raise InputError(
            Fault(
                file=folder,
                field=f"{field}.source",
                given=f"hf:{name}",
                problem="the folder has no config.json",
                remedy="Save the model there with save_pretrained()",
            )
        )
    pickles = sorted(path.name for path in folder.glob("pytorch_model*.bin"))
    if not any(folder.glob("*.safetensors")) and (pickles or from_hub):
        raise InputError(
            Fault(
                file=folder,
                field=f"{field}.source",
                given=", ".join(pickles) or f"hf:{name}",
                problem="has no safetensors weights, and loading a pickle runs whatever code it "
                "holds",
                remedy="Convert it once where you trust it: AutoModel...from_pretrained(DIR)"
                ".save_pretrained(DIR) writes safetensors",
            )
        )
    return folder


def files(folder: Path) -> list[Path]:
    """The files of the folder that decide what the network is, sorted by name."""
    return sorted({path for pattern in _FILES for path in folder.glob(pattern)})


def construct(
    name: str,
    given: Mapping[str, Argument],
    signature: Signature,
    *,
    base: Path,
    field: str,
    pretrained: bool,
) -> torch.nn.Module:
    """A classifier of transformers in float32, with its weights where it brings them.

    Args:
        name: What stands after `hf:`.
        given: The recipe's `args`: keys of the model's configuration to change.
        signature: What the data wants; fresh weights are made for its number of classes.
        base: The folder relative paths are resolved against.
        field: Where the model stands in the recipe, for the error.
        pretrained: False for fresh weights in the architecture of the configuration.

    Raises:
        InputError: If it is no image or sequence classifier, an argument is unknown, or its
            weights do not fit.
        MissingExtraError: If transformers is not installed.
    """
    if importlib.util.find_spec("transformers") is None:
        raise MissingExtraError(extra="hf", package="transformers", needed_for=f"hf:{name}")
    folder = folder_of(name, base=base, field=field)
    config = _config(folder, given, field=field)
    auto = _auto_class(config, folder, field)
    if not pretrained or not any(folder.glob("*.safetensors")):
        if "num_labels" not in given:
            config.num_labels = signature.classes
        fresh: torch.nn.Module = auto.from_config(config, dtype=torch.float32)
        return fresh
    return _pretrained(auto, config, folder, field)


def _config(folder: Path, given: Mapping[str, Argument], *, field: str) -> Any:
    from transformers import AutoConfig

    try:
        config, unused = AutoConfig.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            return_unused_kwargs=True,
            **given,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            Fault(
                file=folder / "config.json",
                field=f"{field}.source",
                problem=f"transformers cannot read it: {str(error).splitlines()[0]}",
                remedy="Use an architecture that transformers itself knows; code that comes with "
                "a model is never run",
            )
        ) from error
    unknown = [key for key in unused if key in given]
    if unknown:
        close = difflib.get_close_matches(unknown[0], config.to_dict(), n=1)
        raise InputError(
            Fault(
                field=f"{field}.args",
                given=", ".join(unknown),
                problem="is not a key of the model's configuration",
                remedy=f"Did you mean '{close[0]}'?" if close else "See the model's config.json",
            )
        )
    return config


def _auto_class(config: Any, folder: Path, field: str) -> Any:
    from transformers import (
        AutoModelForImageClassification,
        AutoModelForSequenceClassification,
    )
    from transformers.models.auto import modeling_auto

    if type(config) in modeling_auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING:
        return AutoModelForImageClassification
    if type(config) in modeling_auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING:
        return AutoModelForSequenceClassification
    raise InputError(
        Fault(
            file=folder / "config.json",
            field=f"{field}.source",
            given=str(config.model_type),
            problem="is neither an image nor a sequence classifier in transformers",
            remedy="Use a classifier, or build it in a python: source",
        )
    )


def _pretrained(auto: Any, config: Any, folder: Path, field: str) -> torch.nn.Module:
    import safetensors

    try:
        module, loading = auto.from_pretrained(
            folder,
            config=config,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            dtype=torch.float32,
        )
    except (OSError, ValueError, RuntimeError, safetensors.SafetensorError) as error:
        raise InputError(
            Fault(
                file=folder,
                field=f"{field}.source",
                problem=f"its weights cannot be loaded: {str(error).splitlines()[0]}",
                remedy="Copy or download the folder again",
            )
        ) from error
    found = "; ".join(
        f"{kind.removesuffix('_keys')}: {', '.join(sorted(str(key) for key in loading[kind]))}"
        for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")
        if loading[kind]
    )
    if found:
        raise InputError(
            Fault(
                file=folder,
                field=f"{field}.source",
                problem=f"the weights do not fit the configuration ({found})",
                remedy="Use a fine-tuned classifier, whose head is trained, saved by "
                "save_pretrained(), and do not change its shape in args",
            )
        )
    network: torch.nn.Module = module
    return network


def _download(name: str, *, field: str) -> Path:
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        problem, remedy = "there is no such folder", "Check the path, or give OWNER/NAME on the hub"
        fault = Fault(field=f"{field}.source", given=f"hf:{name}", problem=problem, remedy=remedy)
        raise InputError(fault)
    if importlib.util.find_spec("huggingface_hub") is None:
        raise MissingExtraError(extra="hf", package="huggingface_hub", needed_for=f"hf:{name}")
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError

    repository, _, revision = name.partition("@")
    try:
        folder = huggingface_hub.snapshot_download(
            repository, revision=revision or None, allow_patterns=list(_FILES)
        )
    except (OSError, HFValidationError) as error:
        raise InputError(
            Fault(
                field=f"{field}.source",
                given=f"hf:{name}",
                problem=f"is no folder here and could not be fetched from the hub "
                f"({type(error).__name__}: {str(error).splitlines()[0]})",
                remedy="Check the name, the network, and whether the model needs a login; or give "
                "a folder",
            )
        ) from error
    return Path(folder)

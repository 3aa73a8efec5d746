"""The samples of a comparison: found, labelled in the models' classes, ready for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgedistill.app.compared_texts import texts_for, token_inputs
from edgedistill.app.given_preprocessing import (
    picture_preprocessing,
    require_picture_input,
    several_inputs,
)
from edgedistill.core.labels import UNLABELLED
from edgedistill.core.preprocessing import METADATA_KEY, Preprocessing
from edgedistill.core.recipe import Augmentation
from edgedistill.core.strict import plain
from edgedistill.data.brought import bring_arrays, bring_pictures, has_class_folders
from edgedistill.data.contents import INPUT
from edgedistill.data.dataset import Split
from edgedistill.data.ready import open_ready, write_ready
from edgedistill.data.showing import show
from edgedistill.data.unlabelled import find_samples
from edgedistill.errors import Fault, InputError
from edgedistill.stages.export.contract import read_class_names, read_preprocessing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from edgedistill.app.side_by_side import Pair
    from edgedistill.core.damage import Content
    from edgedistill.core.quantized import ModelInput
    from edgedistill.core.recipe import Columns
    from edgedistill.core.stage import Progress
    from edgedistill.data.brought import Brought
    from edgedistill.data.ready import ReadySamples


def bring(
    pair: Pair,
    data: Path,
    given: Preprocessing | Mapping[str, Any] | None,
    columns: Columns | Mapping[str, Any] | None,
    *,
    labelled: bool,
) -> tuple[Brought, Any]:
    """Finds the samples, and says who declared what becomes of them.

    Args:
        pair: The models that take them.
        data: Where they lie.
        given: What the caller declares of a picture or a text.
        columns: What the columns of a CSV file are called.
        labelled: Whether labels are looked for.

    Raises:
        InputError: If there are none, or they are not what the models take.
    """
    whole = isinstance(given, Preprocessing)
    keys = plain(given) if isinstance(given, Preprocessing) else dict(given or {})
    if data.suffix.lower() == ".csv":
        return texts_for(pair.first, _declarer(pair), data, keys, columns, labelled=labelled)
    if columns:
        raise InputError(
            Fault(
                file=data,
                given=str(columns),
                problem="columns are named, and this is no CSV file",
                remedy="Leave them out, or give a CSV file of texts",
            )
        )
    found = find_samples(data)
    if found.kind == "arrays":
        if keys:
            raise InputError(
                Fault(
                    file=data,
                    given=", ".join(sorted(keys)),
                    problem="holds arrays, which are taken as they are, and a preprocessing is "
                    "given",
                    remedy="Leave the preprocessing out, or give pictures",
                )
            )
        return bring_arrays(found, pair.first.inputs, labelled=labelled), None
    if len(pair.first.inputs) > 1:
        raise InputError(several_inputs(pair.first.file, len(pair.first.inputs)))
    declarer = _declarer(pair)
    declared, origin = picture_preprocessing(declarer, keys, whole=whole)
    labelled = labelled and has_class_folders(found)
    brought = bring_pictures(found, declared, labelled=labelled)
    pixels = brought.samples.formats()[INPUT][0]
    for one in (pair.first, pair.second):
        require_picture_input(one.file, one.inputs, declared, pixels)
    return brought, origin


def _declarer(pair: Pair) -> Path:
    """The model whose metadata says what becomes of a picture: the first that says anything."""
    first, second = (read_preprocessing(one.file) for one in (pair.first, pair.second))
    if first is not None and second is not None and first != second:
        raise InputError(
            Fault(
                file=pair.second.file,
                field=METADATA_KEY,
                problem="declares another preprocessing than the first model",
                remedy="Compare models that take the same samples, or give them ready as .npy or "
                ".npz files",
            )
        )
    return pair.second.file if first is None and second is not None else pair.first.file


def read_names(given: str | Path | Sequence[str] | None) -> tuple[str, ...] | None:
    """The names of the classes, given or in a file with one a line.

    Raises:
        InputError: If the file cannot be read as text, or a name is empty or stands twice.
    """
    if given is None:
        return None
    file = None
    if not isinstance(given, str | Path):
        names = tuple(given)
    else:
        file = Path(given)
        try:
            names = tuple(file.read_text(encoding="utf-8").splitlines())
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                Fault(
                    file=file,
                    given=type(error).__name__,
                    problem="cannot be read as UTF-8 text",
                    remedy="Give a text file with a class a line",
                )
            ) from error
    wrong = next((name for name in names if not name.strip() or names.count(name) > 1), None)
    if wrong is not None or not names:
        raise InputError(
            Fault(
                file=file,
                field="class_names",
                given=repr(wrong),
                problem="is empty or stands twice",
                remedy="Give each class once, in the order of the models' outputs",
            )
        )
    return names


def labels_for(
    brought: Brought, class_names: Sequence[str] | None, files: tuple[Path, Path]
) -> Brought:
    """The samples with labels that number the models' classes.

    Args:
        brought: The samples.
        class_names: The models' classes in their order, as the caller says.
        files: The models, whose metadata may say.

    Raises:
        InputError: If the models disagree, or a label is none of their classes.
    """
    names = tuple(class_names) if class_names is not None else _declared_classes(files)
    if brought.labels is None or names is None:
        return brought if names is None else replace(brought, class_names=names)
    if brought.class_names is None:
        return replace(brought, class_names=names)
    unknown = [name for name in brought.class_names if name not in names]
    if unknown:
        raise InputError(
            Fault(
                file=brought.source,
                given=", ".join(unknown[:5]),
                problem=f"is no class of the models ({', '.join(names[:5])}, ...)",
                remedy="Name the folders as the classes are called, or give the classes in the "
                "order of the outputs with --class-names",
            )
        )
    numbers = np.array([names.index(name) for name in brought.class_names])
    return replace(brought, labels=numbers[brought.labels], class_names=names)


def _declared_classes(files: tuple[Path, Path]) -> tuple[str, ...] | None:
    first, second = (read_class_names(file) for file in files)
    if first is not None and second is not None and first != second:
        raise InputError(
            Fault(
                file=files[1],
                given=", ".join(second[:5]),
                problem=f"tells other classes apart than the first model ({', '.join(first[:5])})",
                remedy="Compare models of the same classes in the same order",
            )
        )
    return first or second


def ready(
    brought: Brought,
    inputs: tuple[ModelInput, ...],
    folder: Path,
    *,
    threads: int,
    progress: Progress,
) -> ReadySamples:
    """Decodes the samples that are taken into arrays on disk.

    Args:
        brought: The samples.
        inputs: What the first model takes.
        folder: Where to.
        threads: For decoding.
        progress: Where it tells how far it is.

    Raises:
        InputError: With all that is wrong with the samples.
    """
    called = _called(brought, inputs)
    with progress.track(f"Preparing {brought.source}", len(brought.taken)) as advance:

        def chunks() -> Iterator[dict[str, np.ndarray]]:
            for chunk in brought.samples.chunks(brought.taken, threads=threads):
                advance(len(next(iter(chunk.values()))))
                first = next(iter(chunk.values()))
                yield {
                    name: np.zeros_like(first) if given is None else chunk[given]
                    for name, given in called.items()
                }

        formats = brought.samples.formats()
        form = next(iter(formats.values()))
        write_ready(
            folder,
            {"calibration": (0, ()), "judging": (len(brought.taken), chunks())},
            {name: form if given is None else formats[given] for name, given in called.items()},
            dtypes={one.name: one.dtype for one in inputs},
            # of a text nothing is left to do when a batch is made
            preprocessing=brought.preprocessing if brought.kind == "pictures" else None,
        )
    return open_ready(folder).judging


def _called(brought: Brought, inputs: tuple[ModelInput, ...]) -> dict[str, str | None]:
    """Each input of the first model to what the reader calls it, None for what is all 0."""
    if brought.kind == "texts":
        return token_inputs(inputs)
    return {one.name: one.name if brought.kind == "arrays" else INPUT for one in inputs}


@dataclass(frozen=True, eq=False)
class _Texts(Sequence[str]):
    """The texts that are taken, read where one is shown."""

    brought: Brought

    def __len__(self) -> int:
        return len(self.brought.taken)

    def __getitem__(self, place: Any) -> Any:
        texts = self.brought.samples.texts(self.brought.taken[place : place + 1])
        return "" if texts is None else next(iter(texts))


def shown_split(brought: Brought, taken: ReadySamples) -> Callable[[int], Content | None]:
    """Shows one of the samples that are taken, by its place among them."""
    split = Split(
        inputs=taken.inputs,
        labels=np.full(len(taken), UNLABELLED),
        groups=None,
        preprocessing=brought.preprocessing or Preprocessing(),
        augmentation=Augmentation(),
        texts=_Texts(brought) if brought.kind == "texts" else None,
    )
    return partial(show, split)

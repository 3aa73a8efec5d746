"""Samples without labels: a folder of pictures, of .npy or of .npz files, or one such file.

Some of them calibrate and others judge; none does both. They are prepared into memory-mapped
arrays as a step of its own, so everything later reads the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from edgedistill.core.stage import StageContext, StageResult
from edgedistill.core.strict import plain
from edgedistill.data.contents import INPUT
from edgedistill.data.folder import PictureFiles
from edgedistill.data.ready import ReadySamples, write_ready
from edgedistill.data.sample_arrays import SampleArrays
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from edgedistill.core.preprocessing import Preprocessing
    from edgedistill.core.quantized import ModelInput
    from edgedistill.data.contents import Samples

Kind = Literal["pictures", "arrays"]

PICTURE_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_PICTURES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_ARRAYS = (".npy", ".npz")
_MOST_PIXELS = 100_000_000
"""A picture with more would take 300 MB when it is decoded."""
_BLOCK_BYTES = 1 << 20
_SHOWN = 20
_FORMAT = "edgedistill-unlabelled 1"


@dataclass(frozen=True)
class Found:
    """What lies in a folder, not yet read."""

    path: Path
    kind: Kind
    files: tuple[Path, ...]
    """In alphabetical order."""
    others: int
    """Files that hold no samples and are left alone."""


def find_samples(path: Path) -> Found:
    """Lists the samples of a folder, with the folders below it, or of one file.

    Hidden files are left alone.

    Raises:
        InputError: If there is nothing, no sample, or pictures and arrays side by side.
    """
    if not path.exists():
        raise InputError(_fault(path, "does not exist", "Give a folder of samples, or a .npz file"))
    try:
        files = [path] if path.is_file() else _files_below(path)
    except PermissionError as error:
        raise InputError(_fault(path, "may not be read", "Change its permissions")) from error
    pictures = [file for file in files if file.suffix.lower() in _PICTURES]
    arrays = [file for file in files if file.suffix.lower() in _ARRAYS]
    if not pictures and not arrays:
        endings = ", ".join((*_PICTURES, *_ARRAYS))
        raise InputError(_fault(path, "holds no sample", f"Samples end in {endings}"))
    if pictures and arrays:
        raise InputError(
            _fault(
                path,
                f"holds {len(pictures)} pictures and {len(arrays)} files of arrays",
                "Give a folder that holds one kind of samples",
            )
        )
    kind: Kind = "pictures" if pictures else "arrays"
    chosen = tuple(pictures or arrays)
    return Found(path, kind, chosen, others=len(files) - len(chosen))


@dataclass(frozen=True, eq=False)
class Unlabelled:
    """Samples drawn from what was found, as a source whose `run` prepares them.

    Attributes:
        found: Where they lie.
        samples: How to read them.
        inputs: What the model takes.
        preprocessing: What is done to a picture; None for arrays.
        calibration: Which samples calibrate, rising.
        judging: Which samples judge, rising; may be empty.
        threads: Processor threads for decoding.
    """

    found: Found
    samples: Samples
    inputs: tuple[ModelInput, ...]
    preprocessing: Preprocessing | None
    calibration: np.ndarray
    judging: np.ndarray
    threads: int = 1

    @cached_property
    def sha256(self) -> str:
        """Of the samples that were drawn and of everything done to them, as hex digits."""
        words = {
            "format": _FORMAT,
            "inputs": [plain(one) for one in self.inputs],
            "preprocessing": None if self.preprocessing is None else plain(self.preprocessing),
            "calibration": self.calibration.tolist(),
            "judging": self.judging.tolist(),
        }
        digest = hashlib.sha256(json.dumps(words, sort_keys=True).encode())
        for file in self._files():
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        return digest.hexdigest()

    def pixels(self) -> tuple[int, ...]:
        """`(height, width, channels)` of a prepared picture."""
        return self.samples.formats()[INPUT][0]

    def first(self) -> dict[str, np.ndarray]:
        """The first sample that calibrates, as the network takes it, `[1, ...]`.

        Raises:
            InputError: If it cannot be read.
        """
        (chunk,) = self.samples.chunks(self.calibration[:1], threads=1)
        ready = ReadySamples(
            inputs={name: chunk[given] for name, given in self._names.items()},
            dtypes={one.name: one.dtype for one in self.inputs},
            preprocessing=self.preprocessing,
        )
        return ready.batch(np.array([0]))

    def run(self, context: StageContext) -> StageResult:
        """Writes the samples as arrays, the same bytes for the same samples.

        Raises:
            InputError: With all that is wrong with the samples.
        """
        parts = {"calibration": self.calibration, "judging": self.judging}
        total = sum(len(places) for places in parts.values())
        with context.progress.track(f"Preparing {self.found.path.name}", total) as advance:

            def chunks(places: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
                for chunk in self.samples.chunks(places, threads=self.threads):
                    advance(len(next(iter(chunk.values()))))
                    yield {name: chunk[given] for name, given in self._names.items()}

            formats = self.samples.formats()
            write_ready(
                context.folder,
                {part: (len(places), chunks(places)) for part, places in parts.items()},
                {name: formats[given] for name, given in self._names.items()},
                dtypes={one.name: one.dtype for one in self.inputs},
                preprocessing=self.preprocessing,
            )
        return StageResult(facts={part: len(places) for part, places in parts.items()})

    @property
    def _names(self) -> dict[str, str]:
        """The model's name of each input to what the reader calls it."""
        return {one.name: INPUT if self.preprocessing else one.name for one in self.inputs}

    def _files(self) -> Sequence[Path]:
        if self.found.kind == "arrays":
            return self.found.files
        return [self.found.files[place] for place in (*self.calibration, *self.judging)]


def draw(
    found: Found,
    inputs: tuple[ModelInput, ...],
    *,
    preprocessing: Preprocessing | None,
    calibration: int,
    judging: int,
    seed: int,
    threads: int = 1,
) -> Unlabelled:
    """Draws which samples calibrate and which judge.

    Where there are not enough for both, half of them calibrate; a single sample calibrates and
    none judges. Pictures with the same bytes count once.

    Args:
        found: The samples.
        inputs: What the model takes.
        preprocessing: What is done to a picture; None for arrays.
        calibration: How many to calibrate with at most.
        judging: How many to judge by at most.
        seed: Of the draw.
        threads: Processor threads for decoding.

    Raises:
        InputError: With everything wrong that can be told without decoding a sample.
    """
    samples: Samples
    if found.kind == "pictures":
        assert preprocessing is not None
        samples = PictureFiles(found.files, preprocessing)
    else:
        samples = SampleArrays.open(found.files, inputs)
    if not len(samples):
        raise InputError(_fault(found.path, "holds no sample", "Give at least one; 300 are usual"))
    drawn = np.random.default_rng(seed).choice(
        len(samples), min(len(samples), calibration + judging), replace=False
    )
    if found.kind == "pictures":
        drawn = _different(drawn, found.files)
        require_pictures([found.files[place] for place in drawn])
    many = min(calibration, max(1, len(drawn) // 2))
    return Unlabelled(
        found=found,
        samples=samples,
        inputs=inputs,
        preprocessing=preprocessing,
        calibration=np.sort(drawn[:many]),
        judging=np.sort(drawn[many : many + judging]),
        threads=threads,
    )


def _files_below(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _different(places: np.ndarray, files: Sequence[Path]) -> np.ndarray:
    """The places without those whose file has the bytes of one before it."""
    sizes = Counter(files[place].stat().st_size for place in places)
    seen: set[bytes] = set()
    kept = []
    for place in places:
        if sizes[files[place].stat().st_size] > 1:
            with files[place].open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").digest()
            if digest in seen:
                continue
            seen.add(digest)
        kept.append(place)
    return np.array(kept, dtype=np.int64)


def require_pictures(files: Sequence[Path]) -> None:
    """Refuses what is no picture by its head, and pictures that would fill the memory.

    Raises:
        InputError: With a fault for each, up to twenty.
    """
    faults = []
    for file in files:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                with Image.open(file, formats=PICTURE_FORMATS) as image:
                    width, height = image.size
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
            given = str(error).replace(str(file), file.name)
            remedy = "Repair it, or take it out of the folder"
            faults.append(_fault(file, "is not a picture that can be decoded", remedy, given))
            continue
        except Image.DecompressionBombError:
            width, height = _MOST_PIXELS, 2
        if width * height > _MOST_PIXELS:
            limit = f"{_MOST_PIXELS / 1e6:.0f} megapixels"
            faults.append(_fault(file, f"is larger than {limit}", "Make it smaller"))
    if faults:
        raise InputError(*_first(faults))


def _first(faults: list[Fault]) -> list[Fault]:
    if len(faults) <= _SHOWN:
        return faults
    more = Fault(problem=f"and {len(faults) - _SHOWN} more of this kind", remedy="Repair these too")
    return [*faults[:_SHOWN], more]


def _fault(file: Path, problem: str, remedy: str, given: Any = None) -> Fault:
    return Fault(file=file, given=given, problem=problem, remedy=remedy)

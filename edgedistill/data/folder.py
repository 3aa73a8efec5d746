"""A folder of pictures: DIR/CLASS/picture, or DIR/{train,validation,test}/CLASS/picture."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, UnidentifiedImageError

from edgedistill.data.contents import INPUT, Contents, Part, chunk_length
from edgedistill.data.pictures import PictureError, declared_shape, decode
from edgedistill.data.tree import scan
from edgedistill.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edgedistill.core.preprocessing import Preprocessing
    from edgedistill.data.contents import Format, PartName
    from edgedistill.data.tree import Tree


@dataclass(frozen=True, eq=False)
class PictureFiles:
    """Samples that are picture files; they are decoded when they are prepared."""

    files: tuple[Path, ...]
    preprocessing: Preprocessing

    def __len__(self) -> int:
        return len(self.files)

    def faults(self) -> list[Fault]:
        """Nothing: what is wrong with a picture shows when it is decoded."""
        return []

    def formats(self) -> dict[str, Format]:
        """Shape and type of a prepared picture: declared, or that of the first readable one."""
        shape = declared_shape(self.preprocessing)
        if shape is None:
            readable = (self._decode(file) for file in self.files)
            pictures = (pixels for pixels in readable if isinstance(pixels, np.ndarray))
            shape = next((pixels.shape for pixels in pictures), (1, 1, 1))
        return {INPUT: (shape, np.dtype(np.uint8))}

    def chunks(self, indices: np.ndarray, *, threads: int) -> Iterator[dict[str, np.ndarray]]:
        """Decoded pictures in the order of the indices, some at a time.

        Raises:
            InputError: After the last chunk, with one fault for each file that is no picture or
                has another size.
        """
        shape, dtype = self.formats()[INPUT]
        faults: list[Fault] = []
        length = chunk_length(shape, at_least=threads)
        with ThreadPoolExecutor(max_workers=threads) as pool:
            for start in range(0, len(indices), length):
                files = [self.files[index] for index in indices[start : start + length]]
                pixels = np.zeros((len(files), *shape), dtype=dtype)
                for place, decoded in enumerate(pool.map(self._decode, files)):
                    if isinstance(decoded, Fault):
                        faults.append(decoded)
                    elif decoded.shape != shape:
                        faults.append(_size_fault(files[place], decoded.shape, shape))
                    else:
                        pixels[place] = decoded
                yield {INPUT: pixels}
        if faults:
            raise InputError(*faults)

    def texts(self, indices: np.ndarray) -> None:
        """None: pictures are not texts."""

    def _decode(self, file: Path) -> np.ndarray | Fault:
        try:
            with Image.open(file) as image:
                return decode(image, self.preprocessing)
        except PictureError as error:
            return Fault(
                file=file, problem=f"the picture {error}", remedy="Convert it, or take it out"
            )
        except (
            UnidentifiedImageError,
            OSError,
            ValueError,
            SyntaxError,
            Image.DecompressionBombError,
        ) as error:
            return Fault(
                file=file,
                problem="is not a picture that can be decoded",
                given=str(error).replace(str(file), file.name),
                remedy="Repair it, or take it out of the folder",
            )


@dataclass(frozen=True, eq=False)
class FolderReader:
    """A folder with one folder of pictures per class."""

    folder: Path
    preprocessing: Preprocessing
    tree: Tree

    @classmethod
    def open(cls, folder: Path, preprocessing: Preprocessing) -> FolderReader:
        """Lists the folder.

        Raises:
            InputError: With everything in it that does not belong there.
        """
        if preprocessing.kind != "image":
            raise InputError(
                Fault(
                    field="data.preprocessing.kind",
                    given=preprocessing.kind,
                    problem="does not fit a folder of pictures",
                    remedy="Set kind: image, with color, layout and scale",
                )
            )
        return cls(folder=folder, preprocessing=preprocessing, tree=scan(folder))

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def source(self) -> str:
        """The source without the machine's folders."""
        return f"image-folder:{self.folder.name}"

    @property
    def file(self) -> Path:
        """The folder."""
        return self.folder

    @property
    def runs_code(self) -> bool:
        """No: pictures are data."""
        return False

    def fingerprint(self) -> str:
        """The sha256 of the classes and of every file's place and bytes, as hex digits."""
        digest = hashlib.sha256("\0".join(self.tree.class_names).encode())
        for part, files in self.tree.files.items():
            for file, label in files:
                with file.open("rb") as stream:
                    content = hashlib.file_digest(stream, "sha256").hexdigest()
                digest.update(f"\0{part}\0{label}\0{file.name}\0{content}".encode())
        return digest.hexdigest()

    def read(self) -> Contents:
        """The pictures by split, not yet decoded."""
        return Contents(
            parts={name: self._part(name) for name in self.tree.files},
            class_names=self.tree.class_names,
        )

    def _part(self, name: PartName) -> Part:
        files = self.tree.files[name]
        return Part(
            samples=PictureFiles(tuple(file for file, _ in files), self.preprocessing),
            labels=np.array([label for _, label in files], dtype=np.int64),
            groups=None,
            prefix=f"{name}.",
        )


def _size_fault(file: Path, found: tuple[int, ...], expected: tuple[int, ...]) -> Fault:
    return Fault(
        file=file,
        given=f"{found[0]} x {found[1]}",
        problem=f"is not {expected[0]} x {expected[1]} pixels as the others are",
        remedy="Declare data.preprocessing.resize: [height, width]",
    )

"""Turns the four IDX files of Fashion-MNIST into the fashion-mnist.npz that the recipe reads."""

from __future__ import annotations

import argparse
import gzip
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
DEFAULT_FOLDER = HERE.parents[2] / "shared" / "data" / "fashion-mnist"
"""Beside the checkout: ../shared/data/fashion-mnist."""

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

FILES = {
    "train_inputs": "train-images-idx3-ubyte.gz",
    "train_labels": "train-labels-idx1-ubyte.gz",
    "test_inputs": "t10k-images-idx3-ubyte.gz",
    "test_labels": "t10k-labels-idx1-ubyte.gz",
}


def missing(folder: Path) -> list[str]:
    """Which of the four files are not in the folder."""
    return [name for name in FILES.values() if not (folder / name).is_file()]


def read_idx(path: Path) -> np.ndarray:
    """One gzipped IDX file of unsigned bytes, in the shape that its header tells.

    Raises:
        ValueError: If the header is not one of unsigned bytes, or data and header disagree.
    """
    content = gzip.decompress(path.read_bytes())
    if content[:3] != b"\x00\x00\x08":
        raise ValueError(f"{path}: is not an IDX file of unsigned bytes. Get it again")
    axes = content[3]
    shape = tuple(np.frombuffer(content, dtype=">u4", count=axes, offset=4).tolist())
    values = np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * axes)
    if values.size != np.prod(shape):
        raise ValueError(f"{path}: header says {shape}, data has {values.size} bytes. Get it again")
    return values.reshape(shape)


def write_npz(folder: Path, target: Path) -> None:
    """Reads the four files and writes inputs [n, 28, 28, 1], labels [n] and class names."""
    arrays = {}
    for name, file in FILES.items():
        values = read_idx(folder / file)
        arrays[name] = values.astype(np.int64) if "labels" in name else values[..., None]
    np.savez(target, class_names=np.array(CLASS_NAMES), **arrays)


def main() -> int:
    """Writes the file; says so and succeeds without one where the data is absent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help="the IDX files' folder")
    parser.add_argument("--out", type=Path, default=HERE / "fashion-mnist.npz")
    arguments = parser.parse_args()
    if absent := missing(arguments.folder):
        print(f"SKIPPED: {arguments.folder} does not hold {', '.join(absent)}.")
        print("Give the folder of the Fashion-MNIST IDX files with --folder.")
        return 0
    write_npz(arguments.folder, arguments.out)
    print(f"wrote {arguments.out} ({arguments.out.stat().st_size / 1e6:.1f} MB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())

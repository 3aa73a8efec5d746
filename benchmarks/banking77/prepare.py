"""Makes what the recipe of BANKING77 reads: the questions, a tokenizer, and two configurations.

The tokenizer is a WordPiece whose pieces come from the training questions alone.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig

if TYPE_CHECKING:
    from collections.abc import Iterable

HERE = Path(__file__).resolve().parent
DEFAULT_FOLDER = HERE.parents[2] / "shared" / "data" / "banking77"
"""Beside the checkout: ../shared/data/banking77."""

FILES = ("train.csv", "test.csv")
TOKENS = 48
"""What the recipe calls max_tokens."""
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
CONFIGS = {
    "teacher": {"num_hidden_layers": 4, "hidden_size": 256, "intermediate_size": 1024},
    "student": {"num_hidden_layers": 2, "hidden_size": 128, "intermediate_size": 512},
}


def learn_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """A WordPiece in small letters that puts [CLS] before and [SEP] behind each text.

    Its pieces are the words that come up twice or more, the most frequent first, and single
    characters for all other words. (The library's own trainer gives another file each time.)
    """
    normalizer = normalizers.BertNormalizer(lowercase=True)
    splitter = pre_tokenizers.BertPreTokenizer()
    words = Counter(
        word
        for text in texts
        for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))
    )
    letters = sorted(set("".join(words)))
    frequent = sorted((word for word in words if words[word] > 1), key=lambda w: (-words[w], w))
    pieces = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters), *frequent]
    numbers = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    tokenizer.decoder = decoders.WordPiece()
    ends = [(token, SPECIAL.index(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=ends
    )
    return tokenizer


def prepare(folder: Path, target: Path) -> int:
    """Writes data/, tokenizer.json, teacher/ and student/; gives the number of pieces."""
    (target / "data").mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(folder / name, target / "data" / name)
    with (target / "data" / "train.csv").open(newline="", encoding="utf-8") as stream:
        tokenizer = learn_tokenizer([row["text"] for row in csv.DictReader(stream)])
    tokenizer.save(str(target / "tokenizer.json"))
    pieces: int = tokenizer.get_vocab_size()
    for name, size in CONFIGS.items():
        config = BertConfig(
            vocab_size=pieces, num_attention_heads=4, max_position_embeddings=TOKENS, **size
        )
        config.save_pretrained(target / name)
    return pieces


def main() -> int:
    """Prepares the benchmark; 0 too where the questions are not there, and says so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER)
    parser.add_argument("--target", type=Path, default=HERE)
    given = parser.parse_args()
    absent = [name for name in FILES if not (given.folder / name).is_file()]
    if absent:
        print(f"SKIPPED: {given.folder} does not hold {', '.join(absent)} of BANKING77")
        return 0
    pieces = prepare(given.folder, given.target)
    print(f"{given.target}: {' and '.join(FILES)}, a tokenizer of {pieces} pieces, two networks")
    return 0


if __name__ == "__main__":
    sys.exit(main())

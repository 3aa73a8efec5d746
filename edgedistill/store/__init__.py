"""The run folder: one folder a step, whole or not at all. Knows nothing of what a step means."""

from edgedistill.store.keys import code_sha256, file_sha256, step_key, text_sha256
from edgedistill.store.run_folder import RunFolder, StoredStep, facts_of, write_file

__all__ = [
    "RunFolder",
    "StoredStep",
    "code_sha256",
    "facts_of",
    "file_sha256",
    "step_key",
    "text_sha256",
    "write_file",
]

"""The run folder: one folder a step, whole or not at all. Knows nothing of what a step means."""

from edgedistill.store.keys import code_sha256, file_sha256, step_key, text_sha256
from edgedistill.store.run_folder import RunFolder, StoredStep, write_file
from edgedistill.store.step_file import STEP_FILE, facts_of, files_of

__all__ = [
    "STEP_FILE",
    "RunFolder",
    "StoredStep",
    "code_sha256",
    "facts_of",
    "file_sha256",
    "files_of",
    "step_key",
    "text_sha256",
    "write_file",
]

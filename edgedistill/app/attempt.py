"""Steps that a run can do without: where one cannot be made, its folder says why."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgedistill.app.latencies import reason_of
from edgedistill.core.stage import StageResult
from edgedistill.errors import DiskFullError, InputError, MissingExtraError, PromiseError
from edgedistill.store import facts_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from edgedistill.core.stage import Stage, StageContext

_REASON = "not_made"
_NOT_NEEDED = "not_needed"


@dataclass(frozen=True)
class Attempt:
    """A stage that makes one candidate among others.

    Attributes:
        stage: What is tried.
        called: What it makes, for a person.
    """

    stage: Stage
    called: str

    def run(self, context: StageContext) -> StageResult:
        """Runs the stage; a promise that it does not keep becomes the fact why there is no file.

        What says that the run cannot go on at all (a full disk, a device that died, a missing
        package) is raised as ever.
        """
        try:
            return self.stage.run(context)
        except (DiskFullError, MissingExtraError):
            raise
        except PromiseError as error:
            reason = str(error)
        except InputError as error:
            reason = reason_of(error)
        for left in context.folder.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        context.progress.say(f"{self.called} is no candidate: {reason}")
        return StageResult(facts={_REASON: reason})


@dataclass(frozen=True)
class Nothing:
    """What is left to do with a candidate that could not be made, or need not be.

    Attributes:
        reason: Why there is nothing to work on.
        needed: Whether it was wanted at all.
    """

    reason: str = "there is no file to work on"
    needed: bool = True

    def run(self, context: StageContext) -> StageResult:
        """Writes nothing."""
        del context
        unneeded = {} if self.needed else {_NOT_NEEDED: True}
        return StageResult(facts={_REASON: self.reason, **unneeded})


def nothing_after(folder: Path) -> Nothing | None:
    """What is left to do after a step that made nothing; None where it made something."""
    facts = facts_of(folder)
    reason = why_not_made(facts)
    return None if reason is None else Nothing(reason, needed=is_needed(facts))


def is_needed(facts: Mapping[str, Any]) -> bool:
    """Whether what a step makes was wanted at all."""
    return not facts.get(_NOT_NEEDED, False)


def why_not_made(facts: Mapping[str, Any]) -> str | None:
    """Why a step has no file; None where it has one."""
    reason = facts.get(_REASON)
    return None if reason is None else str(reason)

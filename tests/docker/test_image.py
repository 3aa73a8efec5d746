"""The toolchain image, really built: a bare Debian made by debootstrap, then buildah, no engine."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

REPOSITORY = Path(__file__).parents[2]
SWITCH = "EDGEDISTILL_TEST_DOCKER"
BASE = "localhost/bare-debian"
IMAGE = "localhost/edgedistill"
SOMEBODY = "12345:12345"
"""A user and group that the image knows nothing of, as with `--user`."""
PIP_FILES = "/mnt/pip"
"""Where the build finds the single files that this machine's pip configuration names."""


def why_not() -> str | None:
    if os.environ.get("CI"):
        return "the image is not built in CI"
    if os.environ.get(SWITCH) != "1":
        return f"builds an image, which takes minutes: ask for it with {SWITCH}=1"
    if os.geteuid() != 0:
        return "debootstrap and a chroot need root"
    absent = [tool for tool in ("buildah", "debootstrap") if shutil.which(tool) is None]
    if absent:
        return f"{' and '.join(absent)} not found: apt-get install buildah debootstrap"
    return None


REASON = why_not()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(REASON is not None, reason=REASON or ""),
]


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@dataclass(frozen=True)
class Buildah:
    """buildah with a storage of its own."""

    storage: Path

    def __call__(self, command: str, *arguments: str | Path) -> str:
        places = ("--root", self.storage / "root", "--runroot", self.storage / "run")
        return run("buildah", "--storage-driver", "vfs", *places, command, *arguments)


@dataclass(frozen=True)
class Container:
    """A container of the image. There is one for all tests: vfs copies the whole image for each."""

    buildah: Buildah
    name: str

    def __call__(self, *command: str, volumes: Sequence[str] = (), user: str | None = None) -> str:
        """What a command prints inside."""
        options = [part for volume in volumes for part in ("--volume", volume)]
        if user is not None:
            options += ["--user", user]
        return self.buildah("run", "--isolation", "chroot", *options, self.name, "--", *command)


def pip_settings() -> dict[str, dict[str, str]]:
    """This machine's pip configuration: section to key to value, the environment last."""
    sections: dict[str, dict[str, str]] = {"global": {}}
    from_environment: dict[str, str] = {}
    for line in run(sys.executable, "-m", "pip", "config", "list").splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if section == ":env:":
            from_environment[key] = ast.literal_eval(value)
        else:
            sections.setdefault(section, {})[key] = ast.literal_eval(value)
    sections["global"] |= from_environment
    return sections


def pip_volumes(folder: Path) -> list[str]:
    """This machine's pip configuration as volumes of a build, so that it installs as we do.

    Single files (a certificate, constraints) are copied; folders of packages are shown read-only
    where they are, an index together with its neighbours, which its links may point at.
    """
    folder.mkdir()
    folders: set[Path] = set()
    lines: list[str] = []

    def translated(word: str) -> str:
        path = Path(urlsplit(word).path if word.startswith("file://") else word)
        if not path.is_absolute() or not path.exists():
            return word
        if path.is_file():
            shutil.copy(path, folder / path.name)
            return f"{PIP_FILES}/{path.name}"
        folders.add(path.parent if word.startswith("file://") else path)
        return word

    for section, settings in pip_settings().items():
        lines.append(f"[{section}]")
        for key, value in settings.items():
            words = "\n    ".join(translated(word) for word in value.split())
            lines.append(f"{key} = {words}")
    (folder / "pip.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
    seen = [f"{path}:{path}:ro" for path in sorted(folders)]
    return [f"{folder}:{PIP_FILES}:ro", f"{folder / 'pip.conf'}:/etc/pip.conf:ro", *seen]


def remove(folder: Path) -> None:
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    below = [line.split()[1] for line in mounts if line.split()[1].startswith(f"{folder}/")]
    assert not below, f"still mounted, so nothing was deleted: {below}"
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buildah]:
    folder = tmp_path_factory.mktemp("image")
    buildah = Buildah(folder / "storage")
    base = folder / "base"
    base.mkdir()
    run("debootstrap", "--variant=minbase", "bookworm", base / "files")
    (base / "Dockerfile").write_text("FROM scratch\nCOPY files /\n", encoding="utf-8")
    buildah("bud", "--isolation", "chroot", "--tag", BASE, base)
    volumes = [part for volume in pip_volumes(folder / "pip") for part in ("--volume", volume)]
    buildah(
        "bud",
        "--isolation",
        "chroot",
        "--pull-never",
        *("--build-arg", f"BASE_IMAGE={BASE}"),
        *volumes,
        *("--tag", IMAGE),
        *("--file", REPOSITORY / "docker" / "Dockerfile"),
        REPOSITORY,
    )
    yield buildah
    buildah("rm", "--all")
    buildah("rmi", "--all", "--force")
    remove(folder)


@pytest.fixture(scope="module")
def inside(image: Buildah) -> Container:
    return Container(image, image("from", "--pull-never", IMAGE).strip())


def test_the_entry_point_is_edgedistill_for_a_user_who_is_not_root(
    image: Buildah, inside: Container
) -> None:
    config = json.loads(image("inspect", "--type", "image", IMAGE))["OCIv1"]["config"]
    assert config["Entrypoint"] == ["edgedistill"]
    assert config["User"] == "edgedistill"
    assert inside("id", "--user").strip() == "1000"


def test_version_and_help(inside: Container) -> None:
    assert inside("edgedistill", "--version").startswith("edgedistill, version ")
    assert "Usage: edgedistill" in inside("edgedistill", "--help")


def test_telemetry_of_the_runtime_is_off(inside: Container) -> None:
    assert inside("printenv", "ORT_DISABLE_TELEMETRY").strip() == "1"


def test_releases_are_those_of_the_lock_and_tools_stay_outside(inside: Container) -> None:
    lock = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pinned = {line.lower().replace("_", "-") for line in lock if "==" in line}
    listed = inside("pip", "list", "--format=freeze").splitlines()
    installed = {line.lower().replace("_", "-").partition("+")[0] for line in listed}
    ours = {line for line in installed if line.partition("==")[0] in ("edgedistill", "pip")}
    brought_by_venv = {line for line in installed if line.startswith("setuptools==")}
    assert installed - ours - brought_by_venv <= pinned
    names = {line.partition("==")[0] for line in installed}
    assert {"torch", "onnxruntime", "transformers", "scikit-learn"} <= names
    assert not names & {"pytest", "ruff", "mypy", "hatchling", "build", "pre-commit"}


def test_a_mounted_recipe_becomes_a_model_in_a_mounted_folder(
    inside: Container, tmp_path: Path
) -> None:
    project, runs = tmp_path / "project", tmp_path / "runs"
    project.mkdir(mode=0o755)
    runs.mkdir()
    owner, group = (int(number) for number in SOMEBODY.split(":"))
    os.chown(runs, owner, group)
    recipe = REPOSITORY / "edgedistill" / "examples" / "digits.yaml"
    shutil.copy(recipe, project / "recipe.yaml")
    short = [
        *("--set", "threads=1"),
        *("--set", "teacher.train.epochs=1"),
        *("--set", "stages.distill.train.epochs=1"),
        *("--set", "stages.prune.recover.train.epochs=1"),
        *("--set", "stages.benchmark.rounds=10"),
    ]
    inside(
        *("edgedistill", "compress", "recipe.yaml", "--target", "host", "--out", "/runs/first"),
        *short,
        volumes=(f"{project}:/workspace:ro", f"{runs}:/runs"),
        user=SOMEBODY,
    )
    models = list((runs / "first").rglob("*.onnx"))
    assert models
    assert {path.stat().st_uid for path in models} == {owner}

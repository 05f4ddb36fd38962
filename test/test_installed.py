"""The package as pip installs it: a wheel from a source distribution, used without the source."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).parent.parent
DATA = ("config", "msg", "srv", "action", "launch", "checkpoints")
OTHERS = sysconfig.get_path("purelib")
"""Where torch and all that pip would bring along is already."""
SOURCES = {"PYTHONPATH", "AMENT_PREFIX_PATH"}
"""Variables through which the package's source might be found."""
INSTALL = ("install", "--no-deps", "--no-index")
ALLOWED = {"PIP_BREAK_SYSTEM_PACKAGES": "1"}
MESSAGES = """
from pathlib import Path
import personaplex_ros
from personaplex_ros.node.bare.types import MessageTypes
from personaplex_ros.resources import PACKAGE, share_directory
share, types = share_directory(), MessageTypes()
for path in sorted((share / "msg").rglob("*.msg")):
    folder = path.parent.parent
    types.named(f"{PACKAGE if folder == share else folder.name}/msg/{path.stem}")
types.named(f"{PACKAGE}/action/Say")
types.named(f"{PACKAGE}/srv/SetPersona")
print(Path(personaplex_ros.__file__).parent)
"""


@dataclass(frozen=True)
class Installed:
    """The interpreter, the command, and what the environment has to say."""

    python: Path
    command: Path
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, folder: Path, *arguments: str | Path) -> str:
        """Run Python in a folder and return what it printed."""
        return run(self.python, *arguments, cwd=folder, environment=self.environment)


def run(*command: str | Path, cwd: Path = ROOT, environment: dict[str, str] | None = None) -> str:
    inherited = {k: v for k, v in os.environ.items() if k not in SOURCES}
    done = subprocess.run(
        command, cwd=cwd, env={**inherited, **(environment or {})},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return str(done.stdout)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel that was built from a source distribution of this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    setup = (sys.executable, "setup.py", "-q")
    run(*setup, "egg_info", "-e", folder, "sdist", "--formats=tar", "-d", folder, cwd=ROOT)
    (archive,) = folder.glob("*.tar")
    shutil.unpack_archive(archive, folder)
    run(*setup, "bdist_wheel", "--compression=stored", "-d", folder, cwd=archive.with_suffix(""))
    (wheel,) = folder.glob("*.whl")
    return wheel


def pip(*arguments: str | Path, environment: dict[str, str] | None = None) -> None:
    """Run this interpreter's pip, for another one if `--python` names it."""
    run(
        sys.executable,
        "-m",
        "pip",
        "-q",
        *arguments,
        environment={**ALLOWED, **(environment or {})},
    )


def into_target(wheel: Path, folder: Path) -> Installed:
    pip(*INSTALL, "--target", folder, wheel)
    return Installed(
        Path(sys.executable), folder / "bin" / "personaplex", {"PYTHONPATH": str(folder)}
    )


def into_environment(wheel: Path, folder: Path) -> Installed:
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "others.pth").write_text(OTHERS)
    pip("--python", python, *INSTALL, wheel)
    return Installed(python, folder / "bin" / "personaplex")


def for_user(wheel: Path, folder: Path) -> Installed:
    python = Path(sys.base_prefix) / "bin" / "python3"
    environment = {"PYTHONUSERBASE": str(folder)}
    pip("--python", python, *INSTALL, "--user", wheel, environment=environment)
    return Installed(python, folder / "bin" / "personaplex", environment | {"PYTHONPATH": OTHERS})


def by_debian(wheel: Path, folder: Path) -> Installed:
    python = Path("/usr/bin/python3")
    if not Path("/usr/lib/python3/dist-packages/pip").is_dir():
        pytest.skip("no python3-pip of Debian or Ubuntu")
    version = run(python, "-c", "import sys; print(*sys.version_info[:2], sep='.')").strip()
    if version != f"{sys.version_info[0]}.{sys.version_info[1]}":
        pytest.skip(f"the packages in {OTHERS} are not for Python {version}")
    run(python, "-m", "pip", "-q", *INSTALL, "--root", folder, wheel, environment=ALLOWED)
    local = folder / "usr" / "local"
    packages = local / "lib" / f"python{version}" / "dist-packages"
    return Installed(
        python,
        local / "bin" / "personaplex",
        {"PYTHONPATH": os.pathsep.join([str(packages), OTHERS])},
    )


@pytest.mark.parametrize(
    "install",
    [into_target, *(pytest.param(way, marks=pytest.mark.long)
                    for way in (into_environment, for_user, by_debian))],
)  # fmt: skip
def test_an_installed_package_answers_without_its_source(
    install: Callable[[Path, Path], Installed], wheel: Path, tmp_path: Path
) -> None:
    installed = install(wheel, tmp_path / "installed")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    package = Path(installed.run(elsewhere, "-c", MESSAGES).strip())
    assert package.is_relative_to(tmp_path)
    expected = {p.relative_to(ROOT / "personaplex_ros") for p in files(ROOT / "personaplex_ros")}
    expected |= {"share" / p.relative_to(ROOT) for name in DATA for p in files(ROOT / name)}
    assert {p.relative_to(package) for p in files(package)} == expected

    soundfile.write(elsewhere / "caller.wav", np.zeros(24_000 // 2), 24_000)
    installed.run(
        elsewhere, installed.command, "offline", "--device", "cpu", "--persona", "casual",
        "--input-wav", "caller.wav", "--output-wav", "answer.wav",
    )  # fmt: skip
    assert soundfile.info(elsewhere / "answer.wav").duration >= 0.5


def files(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts]

"""Installation with pip, where there is no ROS; with ROS, colcon builds CMakeLists.txt."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "personaplex_ros"
ROOT = Path(__file__).parent
DATA = ("config", "msg", "srv", "action", "launch", "checkpoints")


def data_files() -> list[tuple[str, list[str]]]:
    """Return (folder below the prefix, files) for everything that is not Python."""
    files: dict[str, list[str]] = {}
    for name in DATA:
        for path in sorted((ROOT / name).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                relative = path.relative_to(ROOT)
                folder = f"share/{PACKAGE}/{relative.parent.as_posix()}"
                files.setdefault(folder, []).append(relative.as_posix())
    return list(files.items())


def version() -> str:
    """Return the version that the package states."""
    text = (ROOT / PACKAGE / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'__version__ = "(.+)"', text)
    assert found is not None
    return found.group(1)


setup(
    name=PACKAGE,
    version=version(),
    description="Full-duplex spoken conversation for robots: NVIDIA PersonaPlex as a ROS 2 node.",
    license="Apache-2.0",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    data_files=data_files(),
    python_requires=">=3.10,<3.13",
    install_requires=[
        "torch>=2.7",
        "numpy>=1.26",
        "safetensors>=0.4.3",
        "sentencepiece>=0.2.0",
        "pyyaml>=6.0",
        "soundfile>=0.12.1",
        "soxr>=0.5.0",
        "pyloudnorm>=0.1.1",
        "silero-vad>=6.0",
        "cyclonedds>=11.0.1",
        "rosbags>=0.10.4",
        "huggingface_hub>=0.30",
        "tqdm>=4.66",
        "matplotlib>=3.8",
        "sounddevice>=0.4.6",
        "psutil>=5.9",
    ],
    extras_require={
        "behaviours": ["py_trees>=2.2"],
        "training": [
            "espeakng-loader>=0.2.4",
            "scipy>=1.11",
            "pocketsphinx>=5.0.4",
            "pystoi>=0.4.1",
        ],
    },
    entry_points={"console_scripts": ["personaplex = personaplex_ros.cli:main"]},
    package_data={f"{PACKAGE}.timeline": ["page.*"], f"{PACKAGE}.training": ["world.yaml"]},
    zip_safe=False,
)

"""Installation with pip, where there is no ROS; with ROS, colcon builds CMakeLists.txt."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

PACKAGE = "personaplex_ros"
ROOT = Path(__file__).parent
DATA = ("config", "msg", "srv", "action", "launch", "checkpoints")


class BuildWithData(build_py):
    """Copies the data folders into the package, so that they are where it is, however installed."""

    def run(self) -> None:
        """Build as always; an editable install finds the folders in the source tree."""
        super().run()
        if self.editable_mode:
            return
        share = Path(self.build_lib) / PACKAGE / "share"
        shutil.rmtree(share, ignore_errors=True)  # a build folder keeps what is no longer there
        for name in DATA:
            unwanted = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, share / name, ignore=unwanted)


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
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    classifiers=[
        "Environment :: GPU :: NVIDIA CUDA",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
        "Topic :: Multimedia :: Sound/Audio :: Speech",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    cmdclass={"build_py": BuildWithData},
    python_requires=">=3.10",
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
        "onnxruntime>=1.19",
        "cyclonedds>=11.0.1; python_version < '3.14'",  # no wheel for later ones
        "rosbags>=0.10.4",
        "mcap>=1.6.0",
        "zstandard>=0.22",
        "huggingface_hub>=0.30",
        "tqdm>=4.66",
        "matplotlib>=3.8",
        "sounddevice>=0.4.6",
        "psutil>=5.9",
    ],
    extras_require={
        "behaviours": ["py_trees>=2.2"],
        "echo": ["livekit>=1.0"],
        "zenoh": ["eclipse-zenoh>=1.10"],
        "serve": ["aiohttp>=3.11", "av>=14", "prometheus_client>=0.20"],
        "fleet": [
            "ray[serve]>=2.60",
            "starlette>=1.0",
            "aiohttp>=3.11",
            "av>=14",
            "prometheus_client>=0.20",
        ],
        "tether": ["aiohttp>=3.11", "av>=14"],
        "training": [
            "espeakng-loader>=0.2.4",
            "scipy>=1.11",
            "pocketsphinx>=5.0.4",
            "pystoi>=0.4.1",
            "hibari-tts>=0.2.1",
            "pyworld-prebuilt>=0.3.6",
            "mido>=1.3",
            "pyarrow>=15",
        ],
    },
    entry_points={"console_scripts": ["personaplex = personaplex_ros.program:main"]},
    package_data={
        f"{PACKAGE}.server.web": ["*.html", "*.css", "*.js"],
        f"{PACKAGE}.timeline": ["page.*"],
        f"{PACKAGE}.training": ["world.yaml"],
        f"{PACKAGE}.training.turn_ends": ["texts.yaml"],
        f"{PACKAGE}.turns.judges": ["turn_end.safetensors"],
    },
    zip_safe=False,
)

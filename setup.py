"""The distribution: the core in `imgtk/` and the built-in plugins in `plugins/`, installed as top-level packages.

What does not depend on the folders is in pyproject.toml.
"""

from pathlib import Path
from re import search, sub

from setuptools import find_namespace_packages, setup

HERE = Path(__file__).parent
BUILT_IN = sorted(path.name for path in (HERE / "plugins").glob("imgtk_*"))
VERSION = search(r'__version__ = "(.+?)"', (HERE / "imgtk/__init__.py").read_text(encoding="utf-8"))
assert VERSION

# imgtk.training.fabric sets a private flag of Fabric, which the tests check for the versions below the cap
TRAIN = ["lightning-fabric>=2.4,<2.7", "filelock>=3.12", "tensorboard>=2.15", "pytorch-optimizer>=4.0"]
DEMO = ["scikit-image>=0.22"]
BENCH = ["matplotlib>=3.8"]
OPENVINO = ["openvino>=2024.4"]
ONNX = ["onnx>=1.16", "onnxruntime>=1.18"]
VIDEO = ["av>=17"]
LARGE = ["pyvips>=3.0", "pyvips-binary>=8.16"]
HEIC = ["pi-heif>=0.20"]  # LGPL, decodes only
RAW = ["rawpy>=0.21"]
RAY = ["ray>=2.40"]
DOCS = ["mkdocs-material>=9.6,<10"]
SERVE = ["starlette>=0.41", "uvicorn>=0.30", "python-multipart>=0.0.18", "httpx>=0.27"]
LINT = ["ruff>=0.9", "mypy>=1.14", "types-PyYAML"]
TEST = ["pytest>=8", "pytest-xdist>=3.6", "hypothesis>=6.100", "setuptools>=77", "selenium>=4.20"]
TEST += [*DEMO, *DOCS, *ONNX, *VIDEO, *LARGE, *SERVE]

REPOSITORY = "https://github.com/imgtk/imgtk"


def readme() -> str:
    """README.md for a page that is not beside the repository's other files: with absolute links."""
    text = (HERE / "README.md").read_text(encoding="utf-8")
    text = sub(r"(!\[[^]]*\]\()(?!https?:)", rf"\1{REPOSITORY}/raw/main/", text)
    return sub(r"((?<!!)\[[^]]*\]\()(?!https?:|#)", rf"\1{REPOSITORY}/blob/main/", text)


setup(
    version=VERSION[1],
    long_description=readme(),
    long_description_content_type="text/markdown",
    packages=[
        *find_namespace_packages(".", include=["imgtk", "imgtk.*"], exclude=["imgtk.template.*"]),
        *find_namespace_packages("plugins", include=["imgtk_*"]),
    ],
    package_dir={name: f"plugins/{name}" for name in BUILT_IN},
    package_data={
        "": ["*.safetensors", "*.toml", "py.typed", "imgtk.*", "*.html", "*.css", "*.js"],
        "imgtk": ["directory.json"],
        "imgtk.template": ["**/*"],
    },
    install_requires=[
        "torch>=2.5",
        "numpy>=1.26",
        "tifffile>=2024.8",
        "imagecodecs>=2024.6",  # decodes what tifffile finds: LZW, Zstandard, packed bits, CMYK and Lab
        "fsspec>=2024.2",
        "opencv-python-headless>=4.8",
        "pillow>=11.3",
        "click>=8.1",
        "pluggy>=1.7",
        "platformdirs>=4.0",
        "msgspec>=0.19",  # reads imgtk.toml
        "jinja2>=3.1",
        "pooch>=1.8",
        "requests>=2.32",
        "safetensors>=0.4",
        "pyyaml>=6.0",
        "typing-extensions>=4.10",  # Unpack, which typing has from Python 3.11 on
        "rich>=13.7",
        "psutil>=5.9",
        "tomli>=2.0; python_version < '3.11'",
    ],
    extras_require={
        "demo": DEMO,
        "bench": BENCH,
        "openvino": OPENVINO,
        "onnx": ONNX,
        "video": VIDEO,
        "large": LARGE,
        "heic": HEIC,
        "raw": RAW,
        "ray": RAY,
        "serve": SERVE,
        "docs": DOCS,
        "train": TRAIN,
        "test": [*TRAIN, *TEST],
        "dev": [*TRAIN, *TEST, *LINT],
    },
    entry_points={
        "console_scripts": ["imgtk=imgtk.cli:main"],
        "pytest11": ["imgtk=imgtk.testing.pytest_plugin"],
        "imgtk": [f"{name.removeprefix('imgtk_')}={name}" for name in BUILT_IN],
    },
)

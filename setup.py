"""Packaging of albert_tf. Tool settings are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+?)"', (ROOT / "albert_tf/version.py").read_text()).group(1)

# export/ and experiments/ are at the top level of the checkout, where users look for them, but are
# installed inside albert_tf, so that nothing else is added to the top level of site-packages.
MAPPED = {"albert_tf.export": "export", "albert_tf.experiments": "experiments"}

REQUIRES = [
    "absl-py",
    "ai-edge-litert>=2.3",  # interpreter that verifies LiteRT exports
    "gin-config>=0.5.0",
    "h5py>=3.16",  # Its wheels contain HDF5 2.0; 1.14 has known holes in its parsers.
    # tensorflow-datasets 4.9.10 always imports it but requires it only below Python 3.11.
    "importlib_resources",
    "matplotlib",
    "numpy",
    "pyyaml",
    "safetensors>=0.8",
    "scikit-learn",  # classification metrics
    "scipy",  # correlations
    "sentencepiece>=0.2.2",  # A damaged model could corrupt memory in earlier versions.
    "seqeval",
    "sentencex>=1.0.32",  # splits paragraphs into sentences; 4 MB, no dependencies
    "setuptools<81",  # tensorflow-hub 0.16.1 imports pkg_resources, which later versions removed
    "tensorboard>=2.20",
    "tensorflow>=2.20,<2.21",
    "tensorflow-hub>=0.16.1",
    "tensorflow-serving-api>=2.20,<2.21",  # warmup requests; only protocol buffers, 40 KB
    "tensorflow-text>=2.20,<2.21",
    "tf-keras>=2.20,<2.21",
    "tf-models-official>=2.20,<2.21",
    "tqdm",
]
PARQUET = ["pyarrow"]  # tables of answers
BEAM = ["apache-beam>=2.77", "universal-pathlib>=0.3.10"]  # albert-tf data build: clusters, gs://
SEARCH = ["usearch>=2.26"]  # indexes of more than 100,000 vectors
EXTRAS = {
    "beam": BEAM,
    "hf": ["huggingface_hub"],  # hf:// handles
    "kaggle": ["kagglehub"],  # kaggle:// handles
    "parquet": PARQUET,
    "search": SEARCH,
    # pytorch_model.bin. Earlier versions run code or corrupt memory in spite of weights_only.
    "torch": ["torch>=2.10"],
    # Libraries to compare with. onnx writes the model for onnxruntime and openvino, which nncf
    # quantises for; accelerate runs transformers' Trainer.
    "bench": [
        *("jax", "keras-hub==0.32.0", "torch==2.13.0", "transformers==5.23.0"),
        *("accelerate", "nncf==3.4.0", "onnx", "onnxruntime", "openvino"),
    ],
    "peers": [  # make test-peers
        *("keras-hub==0.32.0", "torch==2.13.0", "transformers==5.23.0"),
        "sentence-transformers==6.2.0",
    ],
    # The documentation site (make docs). MkDocs 2 has no plugins.
    "docs": ["mkdocs>=1.6.1,<2", "mkdocs-material>=9.7.7", "mkdocstrings[python]>=1.0.6"],
    # ipython and nbformat run the notebooks in examples/. compose-spec and kubernetes-validate
    # check the files in export/serving/. cyclonedx-bom and uv are for make sbom and make lock.
    "test": [
        *(*BEAM, *PARQUET, *SEARCH, "hypothesis", "ipython", "nbformat"),
        *("pytest", "pytest-xdist", "ruff", "wheel"),
        *("compose-spec>=0.2.1", "cyclonedx-bom>=7.5", "kubernetes-validate>=1.37", "uv"),
    ],
}

setup(
    name="albert-tf",
    version=VERSION,
    description="ALBERT in TensorFlow 2: pretrain, fine-tune, convert, export to TF-Hub.",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10,<3.14",
    packages=[
        *find_packages(include=["albert_tf", "albert_tf.*"]),
        *MAPPED,
        *(
            f"albert_tf.experiments.{p.name}"
            for p in (ROOT / "experiments").iterdir()
            if p.is_dir()
        ),
    ],
    package_dir=MAPPED,
    package_data={"": ["*.gin", "*.json", "*.md"]},
    install_requires=REQUIRES,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["albert-tf = albert_tf.cli.main:main"]},
    zip_safe=False,
)

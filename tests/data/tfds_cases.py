"""TFDS' own test cases for every builder: `python -m unittest tests.data.tfds_cases`.

In a process of its own, since they need TensorFlow; `test_tfds_cases.py` starts it.
"""

import atexit
import importlib
import os
import pathlib
import shutil
import tempfile
import unittest

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["LOKY_MAX_CPU_COUNT"] = "1"  # TFDS' mocks hold in this process only

import tensorflow_datasets as tfds

from tests.data.trees import write_tree

_TREES = pathlib.Path(tempfile.mkdtemp(prefix="smile_jax_trees_"))
atexit.register(shutil.rmtree, _TREES, ignore_errors=True)

# builder -> (examples, further fields of the config)
_BUILDERS = {
    "bosphorus": (16, {}),
    "bp4d": (16, {"frames": 2, "edition": "bp4d"}),
    "bu3dfe": (50, {}),
    "bu4dfe": (12, {"frames": 2, "dynamic": True}),
    "coma": (24, {"frames": 0, "dynamic": True}),
    "facescape": (40, {}),
    "four_dme": (28, {"frames": 2}),
    "mesh_folder": (12, {"frames": 2, "pattern": "{subject}/{expression}/{frame}.*"}),
    "synthetic_faces": (14, {"subjects": 2, "intensities": (4,)}),
}


def _case(name: str, examples: int, fields: dict) -> type:
    module = importlib.import_module(f"tfds_builders.{name}.{name}_dataset_builder")
    small = {"name": "case", "size": 8, "yaws_deg": (0.0, 30.0)}
    config = type(module.Builder.BUILDER_CONFIGS[0])(**small | fields)

    class Case(tfds.testing.DatasetBuilderTestCase):
        DATASET_CLASS = module.Builder
        SPLITS = {"train": examples}  # noqa: RUF012 - TFDS' type
        BUILDER_CONFIG_NAMES_TO_TEST = [config]  # noqa: RUF012 - TFDS' type
        EXAMPLE_DIR = str(_TREES / name)
        SKIP_CHECKSUMS = True

        @classmethod
        def setUpClass(cls) -> None:
            folder = _TREES / name
            folder.mkdir()
            if name != "synthetic_faces":
                write_tree(name, folder)
            super().setUpClass()

    Case.__name__ = Case.__qualname__ = f"{name.title().replace('_', '')}Case"
    return Case


for _name, (_examples, _fields) in _BUILDERS.items():
    _made = _case(_name, _examples, _fields)
    globals()[_made.__name__] = _made
del _made

if __name__ == "__main__":
    unittest.main()

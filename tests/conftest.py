from __future__ import annotations

import os

# Before torch is imported: tests share few cores, and a second spinning thread makes small networks slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Before anything of the package: every call of these modules is held to the shapes and types of its signature.
from jaxtyping import install_import_hook

SHAPED = ["zoo.crosssection", "zoo.training.losses"]
install_import_hook(SHAPED, "beartype.beartype")

from __future__ import annotations

import os

# Before torch is imported: tests share few cores, and a second spinning thread makes small networks slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

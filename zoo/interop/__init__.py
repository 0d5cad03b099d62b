"""Other tools: weights of the reference (`load_reference_state`), and our models in qlib (`zoo.interop.qlib`)."""

from zoo.interop.reference import load_reference_state, reference_key

__all__ = ["load_reference_state", "reference_key"]

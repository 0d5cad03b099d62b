"""The base of all sections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict
from pydantic.functional_serializers import model_serializer


class Section(BaseModel):
    """Base of all sections: frozen, unknown keys are errors; keys `added` later are not written at their default."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    added: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _without_added(self, write: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        written = write(self)
        for name in self.added & written.keys():
            if getattr(self, name) == type(self).model_fields[name].get_default(call_default_factory=True):
                del written[name]
        return written

"""How the tests hold calls to signatures: a whole number serves where a float is asked for, as for a type checker."""

from __future__ import annotations

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))

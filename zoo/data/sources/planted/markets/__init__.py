"""One file per market, found by the registry."""

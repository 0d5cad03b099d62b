"""Whether the stocks of a panel were chosen with hindsight, and what those that are missing cost; one rule for all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo.data.panel import Panel
from zoo.data.sources.planted import PREFIX

LEAST_EXITS = 0.005
"""Of the stocks a year: fewer leave no market that is not chosen with hindsight."""
DELISTING_RETURN = -0.30
"""Of a stock delisted for poor performance; Shumway (1997), The delisting bias in CRSP data, J. Finance 52, 327."""
_LAST_DAYS = 20
_LEAST_STOCKS, _LEAST_YEARS = 10, 1.0  # fewer tell nothing


@dataclass(frozen=True)
class Survivorship:
    """How many stocks of a panel end before it does.

    Attributes:
        simulated: no stock of a planted market fails.
        stocks: with a close at all.
        left: without one on the last days. Who leaves an index goes on trading and has not left.
        years: from the first day to the last.
        stock_years: with a close, summed over stocks.
    """

    simulated: bool
    stocks: int
    left: int
    years: float
    stock_years: float

    @property
    def rate(self) -> float:
        """Share of the stocks that leave in a year."""
        return self.left / self.stock_years if self.stock_years else 0.0

    @property
    def suspected(self) -> bool:
        """Whether fewer leave than leave any market."""
        enough = self.stocks >= _LEAST_STOCKS and self.years >= _LEAST_YEARS
        return not self.simulated and enough and self.rate < LEAST_EXITS

    @property
    def cost(self) -> float:
        """Return a year that the missing take from an equal-weighted portfolio, at the least; 0 if none is missing."""
        return -DELISTING_RETURN * (LEAST_EXITS - self.rate) if self.suspected else 0.0

    @property
    def sentence(self) -> str:
        """What is to be told of it."""
        if self.simulated:
            return "none, the market is simulated and no stock leaves it"
        share = 100 * self.left / max(self.stocks, 1)
        seen = f"{self.left:,} of {self.stocks:,} stocks ({share:.1f} %) end before the last days"
        if not self.suspected:
            return seen
        expected = LEAST_EXITS * self.stock_years
        return (
            f"{seen}, in {self.years:.1f} years; even at {100 * LEAST_EXITS:.1f} % a year {expected:.1f} would. These "
            f"were probably chosen at the end: stocks that failed or were bought are missing, and returns look better "
            f"than they were. At {100 * DELISTING_RETURN:.0f} % for a failure (Shumway 1997) those that are missing "
            f"cost an equally weighted portfolio {100 * self.cost:.2f} % a year; at 4 % of the stocks a year, "
            f"{100 * -DELISTING_RETURN * (0.04 - self.rate):.1f} %"
        )


def survivorship_of(panel: Panel) -> Survivorship:
    """What the closes of a panel tell."""
    there = np.isfinite(panel.field("close"))
    known = there.any(axis=0)
    return Survivorship(
        simulated=panel.name.startswith(PREFIX),
        stocks=int(known.sum()),
        left=int((known & ~there[-_LAST_DAYS:].any(axis=0)).sum()),
        years=panel.n_days / panel.periods_per_year,
        stock_years=float(there.sum()) / panel.periods_per_year,
    )

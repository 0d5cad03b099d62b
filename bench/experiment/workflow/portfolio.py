"""The records of a workflow -> the `portfolio` section of an experiment."""

from __future__ import annotations

from typing import Any

from bench.experiment.workflow.data import Data
from bench.experiment.workflow.keys import Keys, class_of
from zoo.errors import did_you_mean

RECORDS = ("SignalRecord", "SigAnaRecord", "PortAnaRecord")
_LIMIT = {"cn": 0.095, "us": None, "tw": 0.1}
_LOT = {"cn": 100, "us": 1, "tw": 1000}
"""What qlib takes for a region where the exchange is not told otherwise."""
_EXCHANGE = ("limit_threshold", "deal_price", "open_cost", "close_cost", "min_cost", "trade_unit")


def read_records(task: Keys, data: Data) -> dict[str, Any]:
    """The portfolio section; empty where no portfolio is asked for.

    Raises:
        ConfigError: a record, strategy or exchange that is not done here.
    """
    section: dict[str, Any] = {}
    for record in task.sections("record"):
        name, _ = class_of(record)
        if name not in RECORDS:
            near = did_you_mean(name, RECORDS)
            raise record.refuse("class", f"no record {name!r} here{near}; there are {', '.join(RECORDS)}")
        kwargs = record.section("kwargs")
        record.done()
        for key in ("model", "dataset", "recorder"):
            kwargs.take(key)
        if name == "SigAnaRecord":
            kwargs.ignore("ana_long_short", "ann_scaler", "label_col", "skip_existing")
        if name == "PortAnaRecord":
            section = _portfolio(kwargs.section("config"), data)
            kwargs.ignore("risk_analysis_freq", "indicator_analysis_freq", "indicator_analysis_method", "skip_existing")
        kwargs.done()
    return section


def _portfolio(config: Keys, data: Data) -> dict[str, Any]:
    section = _strategy(config.section("strategy"))
    if "executor" in config:
        _executor(config.section("executor"))
    backtest = config.section("backtest")
    exchange = backtest.section("exchange_kwargs")
    if "exchange_kwargs" not in backtest:
        # Files of before 0.8 have the exchange among the keys of the backtest.
        exchange = Keys({k: backtest.take(k) for k in _EXCHANGE if k in backtest}, backtest.path, backtest.reading)
    section |= _traded(exchange, data.region)
    section["initial"] = backtest.number("account", 1e9)
    benchmark = backtest.take("benchmark", "SH000300")
    if not isinstance(benchmark, (str, type(None))):
        raise backtest.refuse("benchmark", "must be the symbol of an index")
    section["benchmark"] = benchmark
    span = tuple(str(backtest.take(f"{edge}_time", day)) for edge, day in zip(("start", "end"), data.test, strict=True))
    if span != data.test:
        config.reading.tell(
            f"the portfolio runs over the test days, {' .. '.join(data.test)}, instead of {' .. '.join(span)}"
        )
    backtest.only("pos_type", "Position", what="a portfolio holds shares and cash")
    backtest.ignore("verbose")
    backtest.done()
    config.done()
    return section


def _strategy(strategy: Keys) -> dict[str, Any]:
    name, _ = class_of(strategy)
    if name != "TopkDropoutStrategy":
        raise strategy.refuse("class", f"no strategy {name!r} here; there is TopkDropoutStrategy")
    kwargs = strategy.section("kwargs")
    strategy.done()
    for key in ("signal", "model", "dataset"):
        kwargs.take(key)
    section = {"topk": kwargs.take("topk"), "n_drop": kwargs.take("n_drop")}
    for key, value in section.items():
        if isinstance(value, bool) or not isinstance(value, int):
            raise kwargs.refuse(key, f"must be a number of names, got {value!r}" if key in kwargs else "is missing")
    section["risk_degree"] = kwargs.number("risk_degree", 0.95)
    kwargs.only("method_sell", "bottom", what="the lowest scores are sold")
    kwargs.only("method_buy", "top", what="the highest scores are bought")
    kwargs.only("hold_thresh", 1, what="a name may be sold the day after it is bought")
    kwargs.only("only_tradable", False, what="names are chosen whether or not they trade")
    kwargs.only("forbid_all_trade_at_limit", True, what="a name at its limit is neither bought nor sold")
    kwargs.done()
    return section


def _executor(executor: Keys) -> None:
    name, _ = class_of(executor)
    if name != "SimulatorExecutor":
        raise executor.refuse("class", f"no executor {name!r} here; orders of a day are filled at its close")
    kwargs = executor.section("kwargs")
    executor.done()
    kwargs.only("time_per_step", "day", what="a portfolio is traded daily")
    kwargs.ignore("generate_portfolio_metrics", "generate_report", "verbose", "track_data", "indicator_config")
    kwargs.done()


def _traded(exchange: Keys, region: str) -> dict[str, Any]:
    price = exchange.take("deal_price", "close")
    if price not in ("close", "$close", None):
        raise exchange.refuse("deal_price", f"{price!r} is not done here: orders are filled at the close")
    exchange.only("freq", "day", what="a portfolio is traded daily")
    exchange.only("impact_cost", 0, 0.0, what="costs are open_cost, close_cost and min_cost")
    exchange.only("volume_threshold", None, what="orders are filled whatever the volume")
    limit, lot = exchange.number("limit_threshold"), exchange.take("trade_unit", _LOT[region])
    section = {
        "limit": _LIMIT[region] if limit is None else limit,
        "lot": lot,
        "cost_open": exchange.number("open_cost", 0.0015),
        "cost_close": exchange.number("close_cost", 0.0025),
        "cost_minimum": exchange.number("min_cost", 5.0),
    }
    exchange.ignore("codes", "start_time", "end_time")
    exchange.done()
    return section

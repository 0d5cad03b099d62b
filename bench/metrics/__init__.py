"""Metrics: what is measured of a day's scores; `register_metric` adds one."""

from bench.metrics.registry import Metric, list_metrics, metric, register_metric, register_summary
from bench.metrics.scored import Scored

__all__ = ["Metric", "Scored", "list_metrics", "metric", "register_metric", "register_summary"]

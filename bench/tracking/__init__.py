"""Trackers: programs that collect runs, told of what a run has stored; `register_tracker` adds one."""

from bench.tracking.registry import Tracker, find_trackers, list_trackers, register_tracker

__all__ = ["Tracker", "find_trackers", "list_trackers", "register_tracker"]

"""Mirrors (平台待办、平台日程): tasks as they stand in the host's own to-do list and calendar."""

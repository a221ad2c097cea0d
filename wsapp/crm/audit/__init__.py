"""Audit (操作日志): the events in a chain that shows whether anything was changed, left out or cut off."""

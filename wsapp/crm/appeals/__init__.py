"""Appeals (请求): what one asks a colleague for, answered once: help, a task taken over, more time, a place."""

"""Notifications (通知): who hears of what, and the delivery ledger."""

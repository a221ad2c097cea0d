"""Dashboards (看板): the morning brief and evening wrap, the digests of those who lead, and the figures behind them."""

"""Visits (拜访): being there, with place and photo."""

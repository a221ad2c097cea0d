"""The night door: background work. Rows of the outbox are the truth; Dramatiq executes them, APScheduler ticks."""

"""Public pools (公海): customers without an owner, who may claim them, and how they get there and out again."""

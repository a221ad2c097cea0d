"""Follow-ups (跟进): what was said, what comes next."""

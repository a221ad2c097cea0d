"""Watching (关注): customers and tasks of which somebody wants to hear whatever happens."""

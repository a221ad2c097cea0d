"""Groups (群): robots that tell a group chat of its department's work."""

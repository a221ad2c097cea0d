"""The smallest host that can be: enough to sign in, be told, and press a button. Its registry line is in the tests."""

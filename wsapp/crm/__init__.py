"""The domain (业务): what people do and ask. Never sees a request or a socket, never commits."""

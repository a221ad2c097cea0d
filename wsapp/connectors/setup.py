"""Setting a corp up: what the administrator copies from the host's console and pastes into it, and what proves it.

A host declares its `credential_fields` and its `set_up_steps`; the wizard and `wsapp corp add` are drawn from them.
Texts are Chinese source strings, marked for the catalogue (`texts.mark`) and translated where they are shown.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, ClassVar, Literal, TypeVar

from wsapp.connectors.checks import UNKNOWN, Checkable, Text
from wsapp.connectors.errors import BadCallback, HostError, TryLater
from wsapp.texts import lazy, mark

T = TypeVar("T")

MAX_VALUE = 300


# --- what a corp brings -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CredentialField:
    """One value of a corp's connection; it draws a field of the wizard.

    `hint` says where in the host's console it stands, `example` how it looks, `step` on which page of the wizard it
    is asked for. With `made` we make the value ourselves and the administrator pastes it into the console; with
    `choices` (value, words) it is chosen, not typed; other values that fit `pattern` may still come from config.toml.
    """

    key: str
    label: str
    required: bool = True
    secret: bool = False
    pattern: str = ""
    hint: str = ""
    example: str = ""
    step: str = "app"
    made: Literal["", "token", "aes_key"] = ""
    choices: tuple[tuple[str, str], ...] = ()

    @property
    def is_typed(self) -> bool:
        """Whether a person has to type or paste it here."""
        return not self.made and not self.choices


@dataclass(frozen=True)
class Account:
    """A connected corp as its connector sees it: the host's corp id and the credential values by key.

    `former` holds values that were replaced a short while ago: what the host signed with them is still accepted.
    """

    corp_id: str
    name: str
    values: Mapping[str, Any] = field(repr=False)
    former: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __getitem__(self, key: str) -> Any:
        return self.values.get(key) or ""

    def variants(self, keys: Sequence[str]) -> Iterator["Account"]:
        """Yield this account, then the same with former values of `keys` in every combination."""
        kept = [one for one in keys if self.former.get(one)]
        for chosen in product((False, True), repeat=len(kept)):
            old = {key: self.former[key] for key, takes in zip(kept, chosen, strict=True) if takes}
            yield replace(self, values={**self.values, **old})

    def accept(self, keys: Sequence[str], read: Callable[["Account"], T]) -> T:
        """Return what `read` makes of a callback with the present values of `keys`, else with former ones.

        Raises the BadCallback of the present values when no combination fits.
        """
        refusal: BadCallback | None = None
        for variant in self.variants(keys):
            try:
                return read(variant)
            except BadCallback as error:
                refusal = refusal or error
        raise refusal or BadCallback("nothing to read with")


# --- how it is set up ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Paste:
    """A value that the administrator pastes into the host's console.

    `value` may name {public_url}, {domain}, {corp_id} and the keys of values that are no secret.
    """

    label: str
    value: str


@dataclass(frozen=True)
class SetUpStep:
    """One page of the wizard: where in the host's console (`place`), what to do there, what to paste there.

    With `file` the domain ownership file is taken here; with `proves` the host is asked whether the values fit
    (`SetUp.prove`) before it goes on.
    """

    key: str
    title: str
    place: str = ""
    text: str = ""
    pastes: tuple[Paste, ...] = ()
    optional: bool = False
    proves: bool = False
    file: bool = False
    door: str | None = None  # tail of the callback address that the host calls once this step is done


@dataclass(frozen=True)
class Proof:
    """What the host said to values that fit: the app's name, and what else the administrator should look at."""

    app: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Blame:
    """Why values do not fit: which one (its key; empty: none in particular), what to do and where, the host's code and
    its own words."""

    field: str
    fix: Text
    place: Text = ""
    code: str = ""
    said: str = ""


BUSY = lazy("宿主平台暂时没有回应，您填写的内容已保留，请稍后再点一次。")


class SetUp(Checkable):
    """What a host brings for the wizard. The defaults ask for every value on one page and prove nothing."""

    credential_fields: ClassVar[tuple[CredentialField, ...]]
    corp_id_field: ClassVar[CredentialField] = CredentialField("corp_id", mark("企业 ID"), pattern=r"[^\s/?#]{2,64}")
    set_up_steps: ClassVar[tuple[SetUpStep, ...]] = (SetUpStep("app", mark("应用凭证"), proves=True),)
    ownership_file: ClassVar[re.Pattern[str] | None] = None  # name of the file that proves a domain to this host
    at_fault: ClassVar[Mapping[str, str]] = {}  # the host's code → key of the value that causes it

    def prove(self, step: str) -> Proof:
        """Ask the host, with as few calls as possible, whether the values of a step fit.

        Raises HostError: what the host said to them.
        """
        return Proof()

    @classmethod
    def blame(cls, error: HostError) -> Blame:
        """Return which value is at fault for what the host said, and what to do about it."""
        found = cls.instruction(error.code)
        field_at_fault = cls.at_fault.get(error.code, "")
        if found is not None:
            return Blame(field_at_fault, found.fix, found.place, error.code, error.words)
        if isinstance(error, TryLater):
            return Blame(field_at_fault, BUSY, "", error.code, error.words)
        return Blame(field_at_fault, UNKNOWN, "", error.code, error.words or error.reason)


def wrong_format(one: CredentialField, value: str) -> str:
    """Return what is wrong with the look of a typed value, in marked words; empty when it looks right.

    Hosts change how their secrets look, so of those only the length is looked at.
    """
    if not value:
        return mark("请填写") if one.required else ""
    if re.search(r"[\s\x00-\x1f\x7f]", value):
        return mark("含有空格或换行，请重新复制")
    if len(value) > MAX_VALUE:
        return mark("太长了，请重新复制")
    if one.pattern and not one.secret and not re.fullmatch(one.pattern, value):
        return mark("格式不对，请对照示例重新复制")
    return ""

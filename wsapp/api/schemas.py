"""The words of the REST schemas: base models that refuse what they do not know, and the types that several share."""

import re
from collections.abc import Mapping
from datetime import datetime
from difflib import get_close_matches
from typing import Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic_core import ErrorDetails, PydanticCustomError

from wsapp.texts import _

MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(?:([Zz])|([+\- ])(\d\d):?(\d\d))")
NAIVE = re.compile(r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?)?")
YEARS = (1900, 2200)

_schemas: dict[type[BaseModel], dict[str, Any]] = {}


class Query(BaseModel):
    """Query parameters: an unknown one is an error that names the nearest."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def model_json_schema(cls, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Return the model's JSON schema; without options it is kept, for it is asked for with every request."""
        if arguments or options:
            return super().model_json_schema(*arguments, **options)
        if cls not in _schemas:
            _schemas[cls] = super().model_json_schema()
        return _schemas[cls]


class Path(BaseModel):
    """Path parameters, named after the collection before them."""


class Body(BaseModel):
    """A request body: an unknown field is an error that names the nearest; no type is guessed from another."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Record(BaseModel):
    """A record as it is answered."""

    model_config = ConfigDict(extra="forbid")


def read_moment(value: Any) -> Any:
    """Return the aware datetime that an RFC 3339 text names; a time without offset names none."""
    if not isinstance(value, str):
        raise PydanticCustomError("wrong_type", "{text}", {"text": _("应为文字")})
    found = MOMENT.fullmatch(value.strip())
    if found is None:
        naive = NAIVE.fullmatch(value.strip())
        text = _("时间要带时区，例如 2026-01-31T09:00:00+08:00") if naive else _("应为 RFC 3339 时间")
        raise PydanticCustomError("bad_date", "{text}", {"text": text})
    day, clock_time, _utc, sign, hours, minutes = found.groups()
    # A plus sign that was not escaped in an address arrives as a space.
    offset = f"{'-' if sign == '-' else '+'}{hours}:{minutes}" if sign else "+00:00"
    try:
        moment = datetime.fromisoformat(f"{day}T{_micro(clock_time)}{offset}")
    except ValueError:
        raise PydanticCustomError("bad_date", "{text}", {"text": _("日期不存在")}) from None
    if not YEARS[0] <= moment.year < YEARS[1]:
        raise PydanticCustomError("bad_date", "{text}", {"text": _("年份应在 %(from)d–%(to)d", **_years())})
    return moment


def _micro(clock_time: str) -> str:
    """Cut a fraction to microseconds."""
    whole, dot, fraction = clock_time.partition(".")
    return f"{whole}{dot}{fraction[:6].ljust(6, '0')}" if dot else whole


def _years() -> dict[str, int]:
    return {"from": YEARS[0], "to": YEARS[1] - 1}


Moment = Annotated[datetime, BeforeValidator(read_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Id = Annotated[str, Field(max_length=64)]


def one_of(value: Any) -> Any:
    """Return the name of an object for the name of its collection: `customer` for `customers`."""
    return PLURALS.get(value, value) if isinstance(value, str) else value


PLURALS = {
    "customers": "customer",
    "contacts": "contact",
    "follow-ups": "follow_up",
    "follow_ups": "follow_up",
    "visits": "visit",
    "tasks": "task",
}


class Page(Query):
    """What every list takes."""

    limit: int = Field(20, ge=1, le=200, description="How many, at most 200")
    cursor: str = Field("", max_length=1000, description="`next_cursor` of the page before")
    q: str = Field("", max_length=60, description="Words to look for")
    sort: str = Field("", max_length=40, description="A field, with `-` before it for the other way round")


class FieldError(BaseModel):
    """One thing that is wrong with the input."""

    field: str
    message: str
    type: str | None = None


class Problem(BaseModel):
    """An RFC 9457 problem."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[FieldError] | None = None


# --- what is wrong with the input ---------------------------------------------------------------------------------

MOST_ERRORS = 20


def explain(error: ValidationError) -> tuple[str, list[dict[str, str]]]:
    """Return (kind, [{field, message, type}]) of input that fits no schema, in the reader's language: the first few."""
    model = _models().get(error.title)
    found = []
    for one in error.errors(include_url=False, include_input=False, include_context=True)[:MOST_ERRORS]:
        field = ".".join(str(step) for step in one["loc"])
        kind, message = _explain_one(one, model)
        found.append({"field": field[:200], "message": message, "type": kind})
    kinds = {one["type"] for one in found}
    return (kinds.pop() if len(kinds) == 1 else "invalid"), found


def _models() -> Mapping[str, type[BaseModel]]:
    found: dict[str, type[BaseModel]] = {}
    waiting: list[type[BaseModel]] = [Query, Body]
    while waiting:
        kind = waiting.pop()
        found[kind.__name__] = kind
        waiting += kind.__subclasses__()
    return found


TYPES: Mapping[str, str] = {
    "string_type": "文字",
    "int_type": "整数",
    "int_parsing": "整数",
    "int_from_float": "整数",
    "float_type": "数字",
    "float_parsing": "数字",
    "bool_type": "true 或 false",
    "bool_parsing": "true 或 false",
    "list_type": "列表",
    "dict_type": "对象",
    "model_type": "对象",
}


def _explain_one(error: ErrorDetails, model: type[BaseModel] | None) -> tuple[str, str]:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return _explain_unknown(error, model)
    if kind == "missing":
        return "required", _("必填")
    if kind in TYPES:
        return "wrong_type", _("应为%(type)s", type=_type_name(kind))
    if kind in ("literal_error", "enum"):
        return "out_of_range", _("应为以下之一：%(choices)s", choices=context["expected"].replace(" or ", ", "))
    if kind in ("greater_than_equal", "greater_than", "int_parsing_size"):
        return "out_of_range", _("应不小于 %(least)s", least=context.get("ge", context.get("gt", 0)))
    if kind in ("less_than_equal", "less_than"):
        return "out_of_range", _("应不大于 %(most)s", most=context.get("le", context.get("lt", 0)))
    if kind in ("string_too_long", "too_long"):
        return "too_long", _("最多 %(most)d 个", most=context["max_length"])
    if kind in ("string_too_short", "too_short"):
        return "too_short", _("至少 %(least)d 个", least=context["min_length"])
    if kind in ("bad_date", "wrong_type"):
        return kind, str(error["msg"])
    return "invalid", _("填写有误")


def _type_name(kind: str) -> str:
    names = {
        "文字": _("文字"),
        "整数": _("整数"),
        "数字": _("数字"),
        "true 或 false": _("true 或 false"),
        "列表": _("列表"),
        "对象": _("对象"),
    }
    return names[TYPES[kind]]


def _explain_unknown(error: ErrorDetails, model: type[BaseModel] | None) -> tuple[str, str]:
    name = str(error["loc"][-1])[:60]  # to look for what is near takes its time with the length
    holder = _holder(model, error["loc"][:-1])
    near = get_close_matches(name, holder.model_fields, n=1, cutoff=0.0) if holder else []
    words = {"name": name, "near": near[0] if near else ""}
    if model is not None and issubclass(model, Query):
        return "bad_filter", _("不支持参数“%(name)s”，是不是“%(near)s”？", **words)
    if not near:
        return "unknown_field", _("不认识的字段“%(name)s”", name=name)
    return "unknown_field", _("不认识的字段“%(name)s”，是不是“%(near)s”？", **words)


def _holder(model: type[BaseModel] | None, steps: tuple[int | str, ...]) -> type[BaseModel] | None:
    """Return the model in which the field at the end of `steps` was looked for."""
    for step in steps:
        field = model.model_fields.get(str(step)) if model else None
        if field is None:
            continue
        inner = [field.annotation, *get_args(field.annotation)]
        model = next((one for one in inner if isinstance(one, type) and issubclass(one, BaseModel)), None)
    return model

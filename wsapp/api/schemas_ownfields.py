"""What REST takes and answers of the corp's own fields."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from wsapp.api.schemas import Body, Page, Path, Record, Time, one_of
from wsapp.api.schemas_out import page_of


class FieldPath(Path):
    field_id: str


FieldObject = Annotated[Literal["customer", "contact", "follow_up", "visit", "task"], BeforeValidator(one_of)]
FieldType = Literal[
    "text",
    "long_text",
    "number",
    "money",
    "percent",
    "date",
    "time",
    "yes_no",
    "single",
    "multiple",
    "cascading",
    "person",
    "department",
    "phone",
    "mail",
    "link",
    "address",
    "image",
    "file",
    "serial",
    "formula",
    "relation",
    "sub_table",
    "heading",
]


class FieldDefault(Body):
    """What a new record begins with: a value, or where it comes from."""

    value: Any = None
    source: Literal["", "user", "department", "today", "parent"] = Field("", alias="from")


class FieldRule(Body):
    """A condition of a rule: another field (or a fact such as `stage`), compared."""

    field: str = Field(max_length=60)
    op: str = Field(max_length=20)
    value: str | int | float | bool | None = None


class FieldColumn(Body):
    """A column of a sub-table."""

    key: str = Field("", max_length=40)
    label: str = Field(max_length=200)
    type: str = Field("text", max_length=20)
    options: list[str] = Field([], max_length=1000)
    required: bool = False


class FieldSettings(Body):
    """What only some types have; what is left out stays."""

    hint: str = Field("", max_length=400)
    kinds: list[str] = Field([], max_length=10, description="Shown for these kinds of customers alone")
    default: FieldDefault | None = None
    min: float | None = None
    max: float | None = None
    decimals: int | None = None
    length: int | None = None
    unit: str = Field("", max_length=40)
    currency: str = Field("", max_length=3)
    prefix: str = Field("", max_length=80)
    digits: int | None = None
    object: Literal["customer"] = Field("customer", description="Of a relation")
    formula: str = Field("", max_length=2000)
    columns: list[FieldColumn] = Field([], max_length=100)
    show_if: list[FieldRule] = Field([], max_length=20)
    require_if: list[FieldRule] = Field([], max_length=20)
    readonly_if: list[FieldRule] = Field([], max_length=20)


class FieldChange(Body):
    """What to change of a custom field; what is left out stays."""

    label: str = Field("", max_length=200)
    type: FieldType = "text"
    options: list[str] = Field([], max_length=1000)
    required: bool = False
    unique: bool = False
    indexed: bool = Field(False, description="Lists can be filtered and sorted by it")
    settings: FieldSettings | None = None


class FieldNew(FieldChange):
    """A new custom field. Without a `key` one is made up; options of a cascading choice are paths: `East/Shanghai`."""

    object: FieldObject = "customer"
    key: str = Field("", max_length=40)
    label: str = Field(max_length=200)
    type: FieldType


class FieldList(Page):
    """Filters of /fields; sorts: created_at, key."""

    object: FieldObject | None = None


# --- answers ------------------------------------------------------------------------------------------------------


class CustomField(Record):
    """A custom field of an object; `settings` as they are taken. `indexing`: its index is still being written."""

    id: str
    version: int
    object: str
    key: str
    label: str
    type: FieldType
    options: list[str]
    required: bool
    unique: bool
    indexed: bool
    indexing: bool
    settings: dict[str, Any]
    position: int
    created_at: Time
    updated_at: Time


FieldPage = page_of(CustomField)

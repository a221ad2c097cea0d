"""What REST takes and answers about colleagues: comments and likes on follow-ups and visits."""

from pydantic import Field

from wsapp.api.schemas import Body, Page, Path, Record, Time
from wsapp.api.schemas_in import Id, Unseen
from wsapp.api.schemas_out import page_of


class CommentPath(Path):
    comment_id: str


class CommentNew(Body):
    """What somebody says, 1-500 characters. `mentions` are userids of colleagues who are told."""

    text: str = Field(max_length=2_000)
    mentions: list[Id] = Field([], max_length=50)
    unseen: Unseen | None = Field(None, description="What becomes of named colleagues who do not see the record")


class CommentList(Page):
    """Comments, the oldest first."""


class LikeNew(Body):
    """Whether the user likes it."""

    on: bool = True


class Comment(Record):
    """What somebody said about a follow-up or a visit; `author` and `mentions` are userids."""

    id: str
    author: str
    text: str
    mentions: list[str]
    created_at: Time
    edited_at: Time | None


class Likes(Record):
    """Who likes a follow-up or a visit: userids."""

    likes: list[str]


CommentPage = page_of(Comment)

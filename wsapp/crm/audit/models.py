"""Where the chain of a corp begins and ends. Its links are columns of the events themselves."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from wsapp.db import Base, CorpScoped, Moment


class AuditChain(CorpScoped, Base):
    """The corp's chain, one row (`id` = `CHAIN`). What is before `first_seq` was kept long enough and let go.

    `base_mac` signs the beginning, so that nobody but this program can move it.
    """

    __tablename__ = "audit_chain"

    first_seq: Mapped[int] = mapped_column(sa.BigInteger)
    first_prev: Mapped[str] = mapped_column(sa.String(64))
    base_mac: Mapped[str] = mapped_column(sa.String(64))
    last_seq: Mapped[int] = mapped_column(sa.BigInteger)
    last_mac: Mapped[str] = mapped_column(sa.String(64))
    sealed_at: Mapped[datetime] = mapped_column(Moment)

"""Answers to requests with an `Idempotency-Key`."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service.database.base import Base, Created, Document, PrimaryKey


class StoredAnswer(Base):
    """What a principal was answered under a key; without a body when that was too large to keep."""

    __tablename__ = "stored_answers"
    __table_args__ = (
        UniqueConstraint("principal_id", "key"),
        Index(None, "created_at"),
        CheckConstraint("status_code BETWEEN 200 AND 399", name="no_failure_is_kept"),
        CheckConstraint("length(fingerprint) = 64", name="fingerprint_is_sha256"),
    )

    id: Mapped[PrimaryKey]
    principal_id: Mapped[str] = mapped_column(String(200))
    key: Mapped[str] = mapped_column(String(255))
    # SHA-256 of method, address and payload, in hexadecimal.
    fingerprint: Mapped[str] = mapped_column(String(64))
    status_code: Mapped[int]
    headers: Mapped[Document]
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[Created]

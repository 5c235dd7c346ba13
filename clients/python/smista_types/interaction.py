# Made by scripts/client-types from clients/schema.

from __future__ import annotations

from typing import Literal, NotRequired, TypeAlias, TypedDict

Author: TypeAlias = Literal['customer', 'agent', 'bot']


Channel: TypeAlias = Literal['chat', 'email', 'call', 'sms', 'messaging', 'social', 'review', 'survey']


class WireAttachment(TypedDict):
    """
    Something attached; `name` or `url` is given.
    """

    bytes: NotRequired[int | None]
    media_type: NotRequired[str | None]
    name: NotRequired[str | None]
    url: NotRequired[str | None]


class WireTurn(TypedDict):
    """
    One speaker's turn.
    """

    confidence: NotRequired[float | None]
    end_ms: NotRequired[int | None]
    speaker: str
    start_ms: NotRequired[int | None]
    text: str


class Interaction(TypedDict):
    """
    A customer's message, or a conversation, on its way to analysis. Exactly one of `text`, `turns` and `mime` is
    given. Fields not named here are left out and counted. At most 1 MiB of UTF-8, nested at most 32 levels deep.
    """

    attachments: NotRequired[list[WireAttachment]]
    attributes: NotRequired[dict[str, str]]
    author: NotRequired[Author]
    ces: NotRequired[int | None]
    channel: Channel
    conversation_id: str
    csat: NotRequired[int | None]
    customer_id: NotRequired[str | None]
    identities: NotRequired[list[str]]
    language: NotRequired[str | None]
    message_id: str
    mime: NotRequired[str | None]
    nps: NotRequired[int | None]
    rating: NotRequired[int | None]
    schema: Literal['smista.interaction.v1']
    sent_at: NotRequired[str | None]
    subject: NotRequired[str | None]
    text: NotRequired[str | None]
    turns: NotRequired[list[WireTurn] | None]

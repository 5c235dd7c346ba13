#!/usr/bin/env python3
"""Sends interactions to smista over RabbitMQ and takes its decisions: an example to copy from.

    pip install aio-pika
    python smista_client.py publish < interactions.jsonl
    python smista_client.py consume --keys 'urgent.*.*' 'high.*.*'

Passwords belong into the environment (SMISTA_AMQP_URL), not on the command line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractQueue

from smista_types import Decision, Interaction


@asynccontextmanager
async def channel(url: str) -> AsyncIterator[AbstractChannel]:
    """A channel whose publishes wait for the broker's confirm and fail when no queue takes the message.

    A lost connection is an error here, for the caller to begin again; aio_pika.connect_robust would do so by itself.
    """
    connection = await aio_pika.connect(url)
    async with connection:
        yield await connection.channel(publisher_confirms=True, on_return_raises=True)


async def publish(to: AbstractChannel, interaction: Interaction, prefix: str = "smista") -> None:
    """Sends one interaction; returns when the broker has it safe.

    The message_id is what makes it safe to send again after an error: one message_id has one effect, however often it
    comes. The routing key is the customer: messages of one key take effect in the order in which they are sent.
    """
    exchange = await to.get_exchange(f"{prefix}.interactions", ensure=False)
    customer = interaction.get("customer_id") or interaction["conversation_id"]
    message = aio_pika.Message(
        json.dumps(interaction, ensure_ascii=False).encode(),
        message_id=interaction["message_id"],
        content_type="application/json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )
    await exchange.publish(message, routing_key=customer, mandatory=True, timeout=30)


async def queue_for(at: AbstractChannel, name: str, keys: Iterable[str], prefix: str = "smista") -> AbstractQueue:
    """A durable queue of one's own with the decisions of these keys: <priority>.<queue>.<channel>."""
    queue = await at.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})
    for key in keys:
        await queue.bind(f"{prefix}.decisions", key)
    return queue


async def decisions(queue: AbstractQueue) -> AsyncIterator[Decision]:
    """Decisions as they come. One is acknowledged when the next is asked for, so that what was not finished comes again.

    A decision may come twice, with the same decision_id; one with a higher revision supersedes the earlier one.
    """
    async with queue.iterator() as messages:
        async for message in messages:
            async with message.process(requeue=True):
                yield json.loads(message.body)


async def run_publish(options: argparse.Namespace) -> None:
    sent = 0
    async with channel(options.url) as to:
        for line in sys.stdin:
            if line.strip():
                await publish(to, json.loads(line), options.prefix)
                sent += 1
    print(f"{sent} sent and confirmed", file=sys.stderr)


async def run_consume(options: argparse.Namespace) -> None:
    async with channel(options.url) as at:
        await at.set_qos(prefetch_count=20)
        queue = await queue_for(at, options.queue, options.keys, options.prefix)
        taken = 0
        async for decision in decisions(queue):
            print(json.dumps(decision, ensure_ascii=False), flush=True)
            taken += 1
            if taken == options.count:
                break


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    url = os.environ.get("SMISTA_AMQP_URL", "amqp://guest:guest@127.0.0.1/")
    parser.add_argument("--url", default=url, help="the broker; default: SMISTA_AMQP_URL")
    prefix = os.environ.get("SMISTA_PREFIX", "smista")
    parser.add_argument("--prefix", default=prefix, help="of exchanges and queues")
    commands = parser.add_subparsers(required=True)
    sending = commands.add_parser("publish", help="interactions, one JSON object a line, from standard input")
    sending.set_defaults(run=run_publish)
    taking = commands.add_parser("consume", help="decisions, one JSON object a line, to standard output")
    taking.add_argument("--queue", default="router.example", help="your queue; made when it is not there")
    taking.add_argument("--keys", nargs="+", default=["#"], help="<priority>.<queue>.<channel>, * for one word")
    taking.add_argument("--count", type=int, default=0, help="end after so many")
    taking.set_defaults(run=run_consume)
    options = parser.parse_args()
    try:
        asyncio.run(options.run(options))
    except (aio_pika.exceptions.AMQPError, OSError) as error:
        print(f"RabbitMQ: {error}", file=sys.stderr)
        return 1
    except (ValueError, KeyError) as error:
        print(f"not an interaction: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

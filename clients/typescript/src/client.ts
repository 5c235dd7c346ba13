/** Sends interactions to smista over RabbitMQ and takes its decisions: an example to copy from. */

import amqp from "amqplib";
import type { ChannelModel, ConfirmChannel } from "amqplib";

import type { Decision } from "./types/decision.js";
import type { Interaction } from "./types/interaction.js";

/** A message that no queue takes: the exchange has lost its queues, or the prefix is wrong. */
export class Unroutable extends Error {}

/** Sends interactions. */
export class Publisher {
  private readonly returned = new Set<string>();

  private constructor(
    private readonly channel: ConfirmChannel,
    private readonly prefix: string,
  ) {
    // The broker gives a message back before it confirms it.
    channel.on("return", (message: amqp.Message) => this.returned.add(String(message.properties.messageId)));
  }

  /** On a channel of its own. */
  static async on(connection: ChannelModel, prefix = "smista"): Promise<Publisher> {
    const channel = await connection.createConfirmChannel();
    // The error that closes a channel also fails what waits for its confirm.
    channel.on("error", () => {});
    return new Publisher(channel, prefix);
  }

  /**
   * Sends one interaction; resolves when the broker has it safe.
   *
   * The message_id is what makes it safe to send again after an error: one message_id has one effect, however often it
   * comes. The routing key is the customer: messages of one key take effect in the order in which they are sent.
   */
  publish(interaction: Interaction): Promise<void> {
    const id = interaction.message_id;
    const customer = interaction.customer_id ?? interaction.conversation_id;
    const body = Buffer.from(JSON.stringify(interaction));
    const options = { messageId: id, contentType: "application/json", persistent: true, mandatory: true };
    return new Promise((resolve, reject) => {
      this.channel.publish(`${this.prefix}.interactions`, customer, body, options, (error: Error | null) => {
        if (error) reject(error);
        else if (this.returned.delete(id)) reject(new Unroutable(`no queue takes ${id}`));
        else resolve();
      });
    });
  }
}

/** Where decisions come from. */
export interface Source {
  /** A durable queue of one's own; made when it is not there. */
  queue: string;
  /** <priority>.<queue>.<channel>, * for one word, # for any. */
  keys: string[];
  prefix?: string;
}

/**
 * Hands every decision to `handle` and acknowledges it when that is done; what fails comes again. `handle` returns whether
 * to go on.
 *
 * A decision may come twice, with the same decision_id; one with a higher revision supersedes the earlier one.
 */
export async function consume(
  connection: ChannelModel,
  source: Source,
  handle: (decision: Decision) => Promise<boolean>,
): Promise<void> {
  const channel = await connection.createChannel();
  await channel.prefetch(20);
  await channel.assertQueue(source.queue, { durable: true, arguments: { "x-queue-type": "quorum" } });
  for (const key of source.keys) {
    await channel.bindQueue(source.queue, `${source.prefix ?? "smista"}.decisions`, key);
  }
  await new Promise<void>((resolve, reject) => {
    channel.on("error", reject);
    let work = Promise.resolve(true);
    const take = async (message: amqp.ConsumeMessage): Promise<boolean> => {
      try {
        const more = await handle(JSON.parse(message.content.toString()) as Decision);
        channel.ack(message);
        return more;
      } catch (error) {
        channel.nack(message);
        throw error;
      }
    };
    const deliver = (message: amqp.ConsumeMessage | null): void => {
      if (message === null) return reject(new Error(`${source.queue} was deleted`));
      // One after the other; what came after the last one goes back with the channel.
      work = work.then((more) => more && take(message));
      work.then((more) => more || resolve(), reject);
    };
    channel.consume(source.queue, deliver).catch(reject);
  });
  await channel.close();
}

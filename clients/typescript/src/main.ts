/**
 *   npm ci && npm run build
 *   npm start publish < interactions.jsonl
 *   npm start consume router.example 'urgent.*.*' 'high.*.*'
 *
 * SMISTA_AMQP_URL names the broker, SMISTA_PREFIX another prefix than smista, SMISTA_COUNT after how many decisions to end.
 */

import { createInterface } from "node:readline/promises";

import amqp from "amqplib";

import { Publisher, consume } from "./client.js";
import type { Interaction } from "./types/interaction.js";

const url = process.env.SMISTA_AMQP_URL ?? "amqp://guest:guest@127.0.0.1/";
const prefix = process.env.SMISTA_PREFIX ?? "smista";
const [command, queue = "router.example", ...keys] = process.argv.slice(2);

async function main(): Promise<number> {
  if (command !== "publish" && command !== "consume") {
    console.error("usage: publish < interactions.jsonl | consume [QUEUE [KEY...]]");
    return 2;
  }
  const connection = await amqp.connect(url);
  connection.on("error", (error: Error) => console.error(`RabbitMQ: ${error.message}`));
  try {
    if (command === "publish") {
      const publisher = await Publisher.on(connection, prefix);
      let sent = 0;
      for await (const line of createInterface({ input: process.stdin })) {
        if (line.trim() === "") continue;
        await publisher.publish(JSON.parse(line) as Interaction);
        sent += 1;
      }
      console.error(`${sent} sent and confirmed`);
    } else {
      const count = Number(process.env.SMISTA_COUNT ?? 0);
      let taken = 0;
      await consume(connection, { queue, keys: keys.length > 0 ? keys : ["#"], prefix }, async (decision) => {
        console.log(JSON.stringify(decision));
        taken += 1;
        return taken !== count;
      });
    }
  } finally {
    await connection.close().catch(() => {});
  }
  return 0;
}

process.exitCode = await main().catch((error: Error) => {
  console.error(error.message);
  return 1;
});

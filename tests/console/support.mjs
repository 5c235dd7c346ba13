// A console on a database of its own, filled with the shipped samples, and a browser to look at it.
import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import axe from "axe-core";
import { chromium } from "playwright-core";

const run = promisify(execFile);

export const roles = ["viewer", "supervisor", "operator", "admin"];

/** A RabbitMQ and its management, where there is one: amqp://… and http://user:password@…; parked messages need both. */
export const rabbit = { amqp: process.env.SMISTA_TEST_AMQP_URL, management: process.env.SMISTA_TEST_AMQP_MANAGEMENT };

/** Starts a console; `stop` ends it and removes everything. */
export async function console_(prefix = `c${process.pid}x${Date.now()}`) {
  const smista = process.env.SMISTA_BIN;
  if (!smista || !existsSync(smista)) throw new Error("SMISTA_BIN does not name the program: run scripts/test-console");
  const folder = mkdtempSync(join(tmpdir(), "smista-console-"));
  const env = {
    ...process.env,
    SMISTA_STORE__URL: `sqlite:${join(folder, "console.db")}`,
    SMISTA_CONSOLE__LISTEN: "127.0.0.1:0",
    SMISTA_ENGINE__KIND: "scripted",
    NO_COLOR: "1",
    // Without one nobody listens there, and the console says so.
    SMISTA_BROKER__URL: rabbit.amqp || "amqp://guest:guest@127.0.0.1:1/%2f",
    SMISTA_BROKER__PREFIX: prefix,
    SMISTA_BROKER__SHARDS: "2",
  };
  const call = (...args) => run(smista, args, { env, cwd: folder, maxBuffer: 1 << 26 });
  await call("demo", "--json", "--state", env.SMISTA_STORE__URL);
  if (rabbit.amqp) await call("topology", "apply");
  const passwords = {};
  for (const role of roles) {
    const { stdout } = await call("console", "account", "add", role, "--role", role, "--generate");
    passwords[role] = stdout.trim();
  }
  const server = spawn(smista, ["console"], { env, cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  const base = await new Promise((resolve, reject) => {
    let said = "";
    server.stderr.on("data", (data) => {
      said += data;
      const address = said.match(/http:\/\/[\d.]+:\d+/);
      if (address) resolve(address[0]);
    });
    server.on("exit", () => reject(new Error(`the console ended: ${said}`)));
  });
  return {
    base,
    passwords,
    /** Somebody writes: a new decision in the store, as a worker would make it. */
    write: (text) => call("analyze", "--state", env.SMISTA_STORE__URL, "--text", text),
    /** Parks a message as a worker would. */
    async park(id, error, body) {
      const { username, password, origin } = new URL(rabbit.management);
      const headers = {
        "x-smista-error-class": "malformed",
        "x-smista-error": error,
        "x-smista-attempt": "1",
        "x-smista-version": "0.1.0",
        "x-smista-origin": `${prefix}.interactions.0`,
      };
      const properties = { message_id: id, delivery_mode: 2, timestamp: Math.floor(Date.now() / 1000) - 900, headers };
      const answer = await fetch(`${origin}/api/exchanges/%2f/${prefix}.parked/publish`, {
        method: "POST",
        headers: { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}` },
        body: JSON.stringify({ properties, routing_key: "anna", payload: JSON.stringify(body), payload_encoding: "string" }),
      });
      if (!answer.ok || !(await answer.json()).routed) throw new Error(`${id} was not parked: ${answer.status}`);
    },
    async stop() {
      if (rabbit.management) {
        const { username, password, origin } = new URL(rabbit.management);
        const headers = { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}` };
        for (const kind of ["queues", "exchanges"]) {
          const all = await (await fetch(`${origin}/api/${kind}/%2f`, { headers })).json();
          for (const { name } of all.filter(({ name }) => name.startsWith(`${prefix}.`))) {
            await fetch(`${origin}/api/${kind}/%2f/${encodeURIComponent(name)}`, { method: "DELETE", headers });
          }
        }
      }
      const ended = new Promise((resolve) => server.on("exit", resolve));
      server.kill("SIGTERM");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Debian's Chromium. */
export function browser() {
  const args = process.getuid() === 0 ? ["--no-sandbox"] : [];
  return chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args });
}

/** A page whose faults are kept: errors of scripts and whatever the content security policy refuses. */
export async function page(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: "en-GB", ...options });
  const page = await context.newPage();
  // A machine that does much else at the same time is slow, not wrong.
  page.setDefaultTimeout(120_000);
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(String(error)));
  page.on("console", (message) => {
    // An answer that is no success is told here, too; those are looked at by the tests that ask for them.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) page.faults.push(message.text());
  });
  page.on("requestfailed", (request) => {
    if (!request.url().endsWith("/live") && !request.failure().errorText.includes("ABORTED")) {
      page.faults.push(`${request.url()}: ${request.failure().errorText}`);
    }
  });
  return page;
}

/** Signs in by the form. */
export async function signIn(page, desk, role) {
  await page.goto(`${desk.base}/sign-in`);
  await page.fill("[name=account]", role);
  await page.fill("[name=password]", desk.passwords[role]);
  await Promise.all([page.waitForURL(/\/queue/), page.click("main button")]);
}

/** What axe finds that is serious or critical, by WCAG 2.0 to 2.2, A and AA. */
export async function findings(page) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() =>
    window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }),
  );
  const bad = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  return bad.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(" ")).join(", ")}`);
}

/** By how many pixels something is wider than its place: the page than the window, or what a pane or a box of it holds. */
export const overflow = (page) =>
  page.evaluate(() => {
    const places = [document.documentElement, ...document.querySelectorAll(".pane, .decision, .correct[open] .panel, .item, .turn, .facts dd")];
    return Math.max(...places.map((place) => place.scrollWidth - place.clientWidth));
  });

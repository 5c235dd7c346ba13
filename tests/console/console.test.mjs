import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { browser, console_, findings, overflow, page, rabbit, signIn } from "./support.mjs";

let desk;
let chrome;
let open;
before(async () => {
  desk = await console_();
  chrome = await browser();
});
after(async () => {
  await chrome?.close();
  await desk?.stop();
});

/** A page signed in as a role; it is closed after the test, and must have had no fault. */
const opened = [];
open = async (role, options) => {
  const one = await page(chrome, options);
  opened.push(one);
  if (role) await signIn(one, desk, role);
  return one;
};
afterEach(async () => {
  const faults = opened.flatMap((one) => one.faults);
  for (const one of opened.splice(0)) await one.context().close();
  assert.deepEqual(faults, []);
});

const rows = (page) => page.locator("[data-row]");
/** Presses a key that leads to another page once this one listens, and waits for what is said there. */
const pressed = async (page, key, told) => {
  await page.waitForLoadState("load");
  await page.keyboard.press(key);
  await page.locator("[data-told]", { hasText: told }).waitFor();
};

test("somebody signs in and out", async () => {
  const one = await open();
  await one.goto(`${desk.base}/queue?sort=newest`);
  assert.match(one.url(), /\/sign-in\?next=/);
  await one.fill("[name=account]", "supervisor");
  await one.fill("[name=password]", "not the password");
  await one.click("main button");
  await one.getByRole("alert").waitFor();
  await one.fill("[name=account]", "supervisor");
  await one.fill("[name=password]", desk.passwords.supervisor);
  await one.click("main button");
  await one.waitForURL(/\/queue\?sort=newest/);
  await one.getByRole("button", { name: "Sign out" }).click();
  await one.waitForURL(/\/sign-in/);
  await one.goto(`${desk.base}/queue`);
  assert.match(one.url(), /\/sign-in/, "the session is over");
});

test("filters narrow the queue and can be kept", async () => {
  const one = await open("supervisor");
  const all = await rows(one).count();
  assert.ok(all > 5, `${all} rows`);
  await one.selectOption("[name=priority]", "urgent");
  await one.click("form[role=search] button");
  await one.waitForURL(/priority=urgent/);
  const badges = await one.locator("[data-row] .badge").allTextContents();
  assert.ok(badges.length > 0 && badges.length < all && badges.every((badge) => badge === "urgent"), badges.join());
  await one.fill("[name=name]", "Hot ones");
  await one.click(".save button");
  await one.locator(".saved a", { hasText: "Hot ones" }).waitFor();
  await one.keyboard.press("/");
  await one.keyboard.type("no customer ever said this");
  await one.keyboard.press("Enter");
  await one.getByText("Nothing here").waitFor();
  assert.equal(await rows(one).count(), 0);
  await one.click(".saved a");
  await one.waitForURL(/priority=urgent/);
  assert.equal(await rows(one).count(), badges.length);
  await one.getByRole("button", { name: "Remove: Hot ones" }).click();
  await one.waitForURL(/\/queue$/);
  assert.equal(await rows(one).count(), all);
});

test("the keys move, open, confirm, assign, resolve and help", async () => {
  const one = await open("supervisor");
  await one.keyboard.press("j");
  await one.keyboard.press("j");
  await one.keyboard.press("k");
  const first = await rows(one).first().getAttribute("href");
  assert.equal(await one.evaluate(() => document.activeElement.getAttribute("href")), first);
  await one.keyboard.press("Enter");
  await one.waitForURL(/\/conversation\//);
  await one.getByRole("heading", { name: "Transcript" }).waitFor();
  await one.keyboard.press("?");
  await one.getByRole("dialog").waitFor();
  await one.keyboard.press("Escape");
  await one.getByRole("dialog").waitFor({ state: "hidden" });
  await pressed(one, "y", "Confirmed");
  assert.ok(!one.url().includes("told="), "said once");
  await pressed(one, "a", "It is yours");
  assert.match(await one.locator(".head").textContent(), /Assigned to supervisor/);
  await pressed(one, "r", "Resolved");
  await pressed(one, "r", "Open again");
  await one.keyboard.press("/");
  assert.equal(await one.evaluate(() => document.activeElement.name), "q");
  await one.keyboard.type("yar");
  assert.equal(await one.inputValue("[name=q]"), "yar", "a key in a field is a letter");
});

test("two keys correct, and the form corrects everything", async () => {
  const one = await open("supervisor");
  await rows(one).first().click();
  await one.locator(".head .p-urgent").waitFor();
  await one.keyboard.press("c");
  await one.keyboard.press("Escape");
  assert.equal(await one.locator(".correct[open]").count(), 0);
  await one.keyboard.press("c");
  await pressed(one, "2", "Corrected");
  await one.locator(".head .p-normal").waitFor();
  await one.keyboard.press("c");
  await one.selectOption(".all [name=queue]", "billing");
  await one.selectOption(".all [name=intent]", "billing.dispute");
  await one.fill(".all [name=note]", "They mean the invoice.");
  await one.getByRole("button", { name: "Send the correction" }).click();
  await one.locator("[data-told]", { hasText: "Corrected" }).waitFor();
  const decided = await one.locator(".decision").textContent();
  assert.match(decided, /billing\.dispute/);
  assert.match(decided, /A supervisor corrected it/);
  assert.match(decided, /revision 3/);
  assert.match(await one.locator(".history").textContent(), /They mean the invoice\./);
});

test("who corrects what somebody else just corrected is told", async () => {
  const [one, other] = [await open("supervisor"), await open("admin")];
  const path = await rows(one).nth(1).getAttribute("href");
  await one.goto(desk.base + path);
  await other.goto(desk.base + path);
  await one.keyboard.press("c");
  await pressed(one, "1", "Corrected");
  await other.keyboard.press("c");
  await other.keyboard.press("2");
  await other.getByRole("alert").waitFor();
  assert.match(await other.getByRole("alert").textContent(), /Somebody else corrected it/);
  await other.locator(".head .p-low").waitFor();
});

test("news come as a bar, and nothing moves", async () => {
  const one = await open("viewer");
  const before = await rows(one).allTextContents();
  const stream = one.waitForResponse((response) => response.url().endsWith("/live"));
  await one.reload();
  await stream;
  await desk.write("If my money is not back tomorrow my lawyer will take you to court.");
  const bar = one.locator("[data-news-bar]");
  await bar.waitFor();
  assert.match(await bar.textContent(), /^1 new$/);
  const names = (texts) => texts.map((text) => text.replace(/\d+ \w+\.? ago|now/g, ""));
  assert.deepEqual(names(await rows(one).allTextContents()), names(before));
  await bar.click();
  await one.locator("[data-row]", { hasText: "my lawyer will take you to court" }).waitFor();
});

test("a viewer reads and changes nothing", async () => {
  const one = await open("viewer");
  await rows(one).first().click();
  await one.getByRole("heading", { name: "Transcript" }).waitFor();
  assert.equal(await one.locator(".acts, textarea").count(), 0);
  const answer = await one.goto(`${desk.base}/access`);
  assert.equal(answer.status(), 403);
});

test("the map is coloured by a figure and leads to the queue", async () => {
  const one = await open("viewer");
  await one.getByRole("link", { name: "Maps" }).click();
  // The days of the shipped samples.
  await one.fill("[name=since]", "2026-05-01");
  await one.fill("[name=until]", "2026-06-01");
  await one.selectOption("[name=by]", "sentiment");
  await one.getByRole("button", { name: "Apply" }).click();
  await one.waitForURL(/by=sentiment/);
  await one.locator(".heat").waitFor();
  assert.ok((await one.locator(".heat td[class^=bad-], .heat td[class^=good-]").count()) > 0);
  assert.equal(await one.locator(".legend li").count(), 10);
  await one.getByText("All figures as a table").click();
  assert.ok((await one.locator("details[open] tbody tr").count()) > 3);
  const cell = one.locator(".heat tbody tr", { hasText: "support" }).locator("td a").first();
  await cell.focus();
  await one.keyboard.press("Enter");
  await one.waitForURL(/\/queue\?channel=\w+&stage=support/);
  await one.goto(`${desk.base}/maps?since=soon`);
  await one.getByRole("alert").waitFor();
});

test("a conversation leads to its customer's timeline", async () => {
  const one = await open("viewer");
  await one.locator("[data-row]", { hasText: "thermostat" }).first().click();
  await one.getByRole("link", { name: "The customer's timeline" }).click();
  await one.waitForURL(/\/timeline$/);
  assert.ok((await one.locator(".moment").count()) > 1);
  assert.equal(await one.locator("svg.curve polyline").count(), 1);
  await one.getByText("As a table").click();
  assert.ok((await one.locator("details[open] tbody tr").count()) > 1);
  const places = await one.locator(".moment .chip").allTextContents();
  assert.ok(new Set(places).size > 1, places.join());
  await one.getByRole("link", { name: "Back to the conversation" }).click();
  await one.getByRole("heading", { name: "Transcript" }).waitFor();
});

test("an erasure is asked for at the foot of a timeline and listed for operators", async () => {
  const one = await open("supervisor");
  await one.goto(desk.base + (await rows(one).first().getAttribute("href")));
  await one.locator(".decision a[href$='/timeline']").click();
  await one.waitForURL(/\/timeline$/);
  await one.getByText("Erase this customer…").click();
  await one.getByLabel("Reason").fill("Asked for by e-mail");
  await one.getByLabel("The customer has asked for it").check();
  assert.deepEqual(await findings(one), []);
  await one.getByRole("button", { name: "Ask for the erasure" }).click();
  await one.getByText("Erasure was asked for").waitFor();
  const other = await open("operator");
  await other.getByRole("link", { name: "Erasures" }).click();
  await other.getByText("smista erase --customer").waitFor();
  assert.deepEqual(await findings(other), []);
  await other.getByRole("button", { name: "Take back" }).click();
  await other.getByText("Nobody has asked for an erasure.").waitFor();
});

test("who may leave, topics and agreement are told", async () => {
  const one = await open("supervisor");
  await one.locator("[data-row]").last().click();
  await one.getByRole("heading", { name: "Transcript" }).waitFor();
  await pressed(one, "y", "Confirmed");
  await one.getByRole("link", { name: "Maps" }).click();
  await one.getByRole("link", { name: "Agreement" }).click();
  await one.getByRole("heading", { name: "By the intent that was decided" }).waitFor();
  assert.ok((await one.locator("tbody tr").count()) > 2);
  await one.getByRole("link", { name: "Topics" }).click();
  await one.getByRole("heading", { name: "What rose" }).waitFor();
  await one.getByRole("link", { name: "May leave" }).click();
  await one.locator("tbody tr").first().waitFor();
  const levels = await one.locator("tbody .badge").allTextContents();
  assert.deepEqual(levels, [...levels].sort(), "high before medium");
  await one.locator("tbody tr td a").first().click();
  await one.getByRole("heading", { name: /^Timeline of/ }).waitFor();
});

test("an operator sees how the workers do", async () => {
  const one = await open("operator");
  await desk.write("Where is my parcel?");
  await one.getByRole("link", { name: "Operations" }).click();
  await one.getByRole("heading", { name: "Operations", level: 1 }).waitFor();
  assert.equal(await one.locator("svg.columns-chart").count(), 2);
  await one.getByText("As a table").click();
  assert.equal(await one.locator("details[open] tbody tr").count(), 60);
  await one.getByText(rabbit.amqp ? ".interactions.0" : "RabbitMQ does not answer").first().waitFor();
  const other = await open("supervisor");
  assert.equal((await other.goto(`${desk.base}/operations`)).status(), 403);
  assert.equal((await other.goto(`${desk.base}/parked`)).status(), 403);
});

test("parked messages are looked at, replayed, and discarded after a question", { skip: !rabbit.management }, async () => {
  for (const id of ["p-1", "p-2", "p-3"]) {
    await desk.park(id, "channel is missing", { message_id: id, text: "Write to anna@example.it, <script>1</script>" });
  }
  const one = await open("operator");
  await one.goto(`${desk.base}/parked`);
  await one.getByRole("link", { name: "p-1" }).click();
  await one.getByText("[EMAIL]").waitFor();
  assert.ok(!(await one.content()).includes("anna@example.it"));
  await one.getByRole("button", { name: "Discard…" }).click();
  await one.getByRole("link", { name: "Keep them" }).click();
  assert.equal(await one.locator("tbody tr").count(), 3);
  await one.getByLabel("Choose p-1").check();
  await one.getByLabel("Choose p-2").check();
  await one.getByRole("button", { name: "Discard…" }).click();
  assert.deepEqual(await findings(one), []);
  await one.getByRole("button", { name: "Discard for good" }).click();
  await one.getByText("Discarded: 2").waitFor();
  await one.getByLabel("Choose p-3").check();
  await one.getByRole("button", { name: "Replay" }).click();
  await one.getByText("Nothing is parked.").waitFor();
  await one.getByText("Replayed: 1").waitFor();
});

test("a policy is tried out before it is put in force", async () => {
  const one = await open("operator");
  await one.getByRole("link", { name: "Policy" }).click();
  await one.getByRole("heading", { name: "Policy", level: 1 }).waitFor();
  await one.locator("details.try summary").click();
  const text = await one.inputValue("#policy-text");
  await one.fill("#policy-text", `${text}\nno_such_key = 1\n`);
  await one.getByRole("button", { name: "Simulate" }).click();
  await one.getByText("This policy is refused").waitFor();
  assert.deepEqual(await findings(one), []);
  await one.fill("#policy-text", `${text}\n[[rules]]\nname = "all-urgent"\nwhen = "true"\npriority = "urgent"\nreason = "A try"\n`);
  await one.getByRole("button", { name: "Simulate" }).click();
  await one.getByRole("heading", { name: "Biggest changes" }).waitFor();
  assert.ok((await one.locator("svg.pair-chart").count()) > 3);
  assert.match(await one.locator(".diff ins").allTextContents().then((all) => all.join("")), /all-urgent/);
  assert.deepEqual(await findings(one), []);
  await one.setViewportSize({ width: 320, height: 800 });
  assert.equal(await overflow(one), 0);
  await one.getByRole("link", { name: "Open the conversation" }).first().click();
  await one.getByRole("heading", { name: "Transcript" }).waitFor();
});

test("it is Italian for who wants it", async () => {
  const one = await open("supervisor");
  await one.getByRole("button", { name: "Italiano" }).click();
  await one.getByRole("heading", { name: "Coda di revisione" }).waitFor();
  assert.equal(await one.getAttribute("html", "lang"), "it");
  await rows(one).first().click();
  await one.getByRole("heading", { name: "Trascrizione" }).waitFor();
  await one.getByRole("button", { name: "English" }).click();
  await one.getByRole("heading", { name: "Review queue" }).waitFor();
});

test("the document of the HTTP API is good OpenAPI 3.1", async () => {
  const answer = await fetch(`${desk.base}/api/openapi.json`);
  const document = await answer.json();
  assert.equal(document.openapi, "3.1.0");
  assert.ok(Object.keys(document.paths).length > 5);
  const validator = new Validator();
  const { valid, errors } = await validator.validate(document);
  assert.ok(valid, JSON.stringify(errors));
  delete document.info.title;
  assert.ok(!(await validator.validate(document)).valid, "a bad one is refused");
});

test("it works without script", async () => {
  const one = await open("supervisor", { javaScriptEnabled: false });
  await rows(one).first().click();
  await one.getByRole("button", { name: "Confirm" }).click();
  await one.getByText("Confirmed.").waitFor();
});

const looks = [
  ["light", {}],
  ["dark", { colorScheme: "dark" }],
  ["320 px", { viewport: { width: 320, height: 800 }, hasTouch: true, isMobile: true }],
];
for (const [name, options] of looks) {
  test(`every page can be read: ${name}`, async () => {
    const one = await open(undefined, options);
    const fine = async (what) => {
      assert.deepEqual(await findings(one), [], what);
      assert.equal(await overflow(one), 0, `${what} is wider than the window`);
    };
    await one.goto(`${desk.base}/sign-in`);
    await fine("sign-in");
    await signIn(one, desk, "admin");
    const ground = await one.evaluate(() => getComputedStyle(document.body).backgroundColor);
    assert.equal(ground === "rgb(255, 255, 255)", name !== "dark", ground);
    await fine("queue");
    const path = await rows(one).first().getAttribute("href");
    await one.goto(`${desk.base}/queue?q=nothing+like+it`);
    await fine("empty queue");
    await one.goto(desk.base + path);
    await fine("conversation");
    await one.click(".correct summary");
    await fine("correction");
    if (name === "320 px") {
      await one.getByRole("link", { name: "Back to the list" }).click();
      await one.waitForURL(/\/queue/);
    } else {
      await one.keyboard.press("Escape");
      await one.keyboard.press("?");
      await fine("help");
    }
    await one.goto(desk.base + path);
    await one.locator(".decision a[href$='/timeline']").click();
    await one.waitForURL(/\/timeline$/);
    for (const box of await one.locator("main summary").all()) await box.click();
    await fine("timeline");
    const days = "since=2026-05-01&until=2026-06-01";
    const maps = [`/maps?${days}`, `/maps?${days}&by=sentiment`, `/maps?${days}&by=repeat_rate`, "/maps?until=2020-01-01"];
    const lists = ["/maps/topics", "/maps/topics?day=2026-05-12", "/maps/churn", "/maps/agreement"];
    for (const path of [...maps, ...lists, "/operations", "/parked", "/erasures", "/policy"]) {
      await one.goto(desk.base + path);
      for (const box of await one.locator("main summary").all()) await box.click();
      await fine(path);
    }
    if (rabbit.management) {
      await desk.park("looked-at", "a field is missing: channel", { text: "word ".repeat(200) + "x".repeat(70) });
      await one.goto(`${desk.base}/parked`);
      await fine("parked messages");
      await one.getByRole("link", { name: "looked-at" }).first().click();
      await one.getByRole("heading", { name: "looked-at" }).waitFor();
      await fine("a parked message");
    }
    await one.goto(`${desk.base}/access`);
    await fine("access log");
    await one.goto(`${desk.base}/conversation/none`);
    await fine("fault");
    await one.evaluate(() => document.querySelector("main").append(document.createElement("input")));
    assert.match((await findings(one)).join(), /^label/, "axe is at work");
  });
}

// Pictures of the main pages, from a real run: node screenshots.mjs FOLDER
import { join } from "node:path";
import { browser, console_, page, rabbit, signIn } from "./support.mjs";

const folder = process.argv[2];
const wide = { viewport: { width: 1280, height: 800 } };
const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
const shots = [
  ["queue", wide, "en"],
  ["conversation", wide, "en", async (one) => one.locator("[data-row]", { hasText: "battery unit" }).first().click()],
  [
    "correction",
    wide,
    "en",
    async (one) => {
      await one.locator("[data-row]", { hasText: "thermostat" }).first().click();
      await one.locator(".transcript").waitFor();
      await one.keyboard.press("c");
    },
  ],
  ["conversation-dark", { ...wide, colorScheme: "dark" }, "it", async (one) => one.locator("[data-row]").first().click()],
  ["map", wide, "en", async (one) => one.goto(`${desk.base}/maps?since=2026-05-01&until=2026-06-01&by=contacts`), "viewer"],
  [
    "timeline",
    wide,
    "en",
    async (one) => one.goto(`${desk.base}/conversation/k9/timeline`),
    "viewer",
  ],
  ["operations", wide, "en", async (one) => one.goto(`${desk.base}/operations`), "operator"],
  ["parked", { ...wide, colorScheme: "dark" }, "it", async (one) => one.goto(`${desk.base}/parked`), "operator"],
  [
    "policy",
    { viewport: { width: 1280, height: 1000 } },
    "en",
    async (one) => {
      await one.goto(`${desk.base}/policy`);
      await one.locator("details.try summary").click();
      const text = await one.inputValue("#policy-text");
      await one.fill("#policy-text", `${text}\n[[rules]]\nname = "upset"\nwhen = 'upset'\npriority = "urgent"\nreason = "Upset"\n`);
      await one.getByRole("button", { name: "Simulate" }).click();
      await one.getByRole("heading", { name: "Biggest changes" }).waitFor();
    },
    "operator",
  ],
  ["phone", phone, "en"],
];

const desk = await console_("smista");
const chrome = await browser();
if (rabbit.management) {
  await desk.park("crm-20931", "channel is missing", { message_id: "crm-20931", text: "Where is my order?" });
  await desk.park("crm-20977", "sent_at is no RFC 3339 time: yesterday", { message_id: "crm-20977" });
  await desk.park("ivr-311", "exactly one of text, turns and mime is needed, found none", { message_id: "ivr-311" });
}
try {
  for (const [name, options, language, go, role] of shots) {
    const one = await page(chrome, { ...options, reducedMotion: "reduce" });
    await signIn(one, desk, role || "supervisor");
    if (language === "it") {
      await one.getByRole("button", { name: "Italiano" }).click();
      await one.waitForSelector("html[lang=it]");
    }
    if (go) {
      await go(one);
      await one.locator(role ? "main h1" : ".transcript").waitFor();
    }
    await one.screenshot({ path: join(folder, `console-${name}.png`) });
    if (language === "it") {
      await one.getByRole("button", { name: "English" }).click();
      await one.waitForSelector("html[lang=en]");
    }
    await one.context().close();
  }
} finally {
  await chrome.close();
  await desk.stop();
}

// Pictures of the main pages, from a real run: node screenshots.mjs FOLDER
import { join } from "node:path";
import { browser, console_, page, signIn } from "./support.mjs";

const folder = process.argv[2];
const wide = { viewport: { width: 1280, height: 800 } };
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
  ["phone", { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }, "en"],
];

const desk = await console_();
const chrome = await browser();
try {
  for (const [name, options, language, go] of shots) {
    const one = await page(chrome, { ...options, reducedMotion: "reduce" });
    await signIn(one, desk, "supervisor");
    if (language === "it") {
      await one.getByRole("button", { name: "Italiano" }).click();
      await one.waitForSelector("html[lang=it]");
    }
    if (go) {
      await go(one);
      await one.locator(".transcript").waitFor();
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

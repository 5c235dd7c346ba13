// What the pages do beyond links and forms: keys, relative times, the bar that says what is new. Without it everything still works.
(() => {
  "use strict";
  const body = document.body;
  const words = body.dataset;
  const rows = () => [...document.querySelectorAll("[data-row]")];
  const help = document.getElementById("help");

  // Times: relative, the exact one stays in the title.
  const relative = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto", style: "short" });
  const steps = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const tell = (seconds) => {
    const [unit, size] = steps.find(([, size]) => Math.abs(seconds) >= size) || steps[3];
    return relative.format(Math.trunc(seconds / size), unit);
  };
  const times = () => {
    for (const time of document.querySelectorAll("time[datetime]:not([data-exact])")) {
      const seconds = (Date.parse(time.dateTime) - Date.now()) / 1000;
      time.textContent = tell(seconds);
      const due = "due" in time.dataset && time.closest(".due");
      if (due) {
        due.classList.toggle("late", seconds < 0);
        due.querySelector(".due-word").textContent = seconds < 0 ? words.overdue : words.due;
      }
    }
  };
  times();
  setInterval(times, 15000);

  // Keys. Nothing happens while somebody writes.
  const move = (step) => {
    const all = rows();
    if (all.length === 0) return;
    let at = all.indexOf(document.activeElement);
    if (at < 0) at = all.findIndex((row) => row.hasAttribute("aria-current"));
    const next = all[Math.min(Math.max(at + step, 0), all.length - 1)];
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  };
  const press = (key) => {
    const target = [...document.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key);
    if (!target) return false;
    if (target.matches("input")) {
      const box = target.closest("details");
      if (box) box.open = true;
      target.focus();
      target.select();
    } else if (target.matches("summary")) {
      target.parentElement.open = true;
      const first = target.parentElement.querySelector("button:enabled");
      (first || target).focus();
    } else {
      target.click();
    }
    return true;
  };
  // With the panel of corrections open one key more is enough.
  const quick = (key) => {
    const open = document.querySelector(".correct[open]");
    const button = open && [...open.querySelectorAll("[data-quick]:enabled")].find((one) => one.dataset.quick === key);
    if (button) button.click();
    return Boolean(button);
  };
  document.addEventListener("keydown", (event) => {
    const panel = document.querySelector(".correct[open]");
    if (event.key === "Escape" && panel) {
      panel.open = false;
      panel.querySelector("summary").focus();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.closest("input, textarea, select, dialog")) return;
    if (event.key === "j" || event.key === "k") {
      move(event.key === "j" ? 1 : -1);
    } else if (event.key === "?") {
      if (help) help.showModal();
    } else if (!quick(event.key) && (!"/ycar".includes(event.key) || !press(event.key))) {
      return;
    }
    event.preventDefault();
  });
  const asked = [...document.querySelectorAll("[data-key]")].find((one) => one.dataset.key === "?");
  if (asked && help) asked.addEventListener("click", () => help.showModal());

  // A form is sent once, and says that it is under way.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method === "dialog") return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    form.setAttribute("aria-busy", "true");
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='/']");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) body.setAttribute("aria-busy", "true");
  });
  window.addEventListener("pageshow", () => {
    body.removeAttribute("aria-busy");
    for (const form of document.querySelectorAll("form[data-sent]")) {
      delete form.dataset.sent;
      form.removeAttribute("aria-busy");
    }
  });

  // A policy from a file: its text goes into the field.
  for (const file of document.querySelectorAll("input[type=file][data-into]")) {
    file.addEventListener("change", async () => {
      const into = document.getElementById(file.dataset.into);
      if (into && file.files[0]) into.value = await file.files[0].text();
    });
  }

  // What was just done is said once: loading the page again does not repeat it.
  if (document.querySelector("[data-told]")) {
    const address = new URL(window.location.href);
    address.searchParams.delete("told");
    window.history.replaceState(null, "", address);
  }
  // The open conversation is in sight in its list.
  const current = document.querySelector(".item[aria-current]");
  if (current) current.scrollIntoView({ block: "nearest" });

  // On a phone the filters are folded.
  const box = document.querySelector(".filter-box");
  if (box && window.matchMedia("(max-width: 60rem)").matches) box.open = false;

  // News: nothing moves, a bar says how many.
  const bar = document.querySelector("[data-news-bar]");
  if (bar && window.EventSource) {
    const fresh = new Set();
    const source = new EventSource("/live");
    source.addEventListener("news", (event) => {
      const news = JSON.parse(event.data);
      if (news.at <= Number(words.now)) return;
      fresh.add(news.id);
      bar.textContent = `${fresh.size} ${words.news}`;
      bar.hidden = false;
    });
    window.addEventListener("pagehide", () => source.close());
  }
})();

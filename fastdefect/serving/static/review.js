// The page Review: single keys for the buttons, and the next photo before it is needed.

const SECONDS_TO_LOOK = 5;
const main = document.querySelector("main");
const keys = document.querySelector("#keys");
const on = keys.querySelector("input");
let sent = false;

on.checked = localStorage.getItem("keys") !== "no";
on.addEventListener("change", () => localStorage.setItem("keys", on.checked ? "yes" : "no"));
keys.hidden = false;

document.addEventListener("keydown", (event) => {
  if (!on.checked || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target.matches("input[type=text], textarea, select") || document.querySelector("dialog[open]")) return;
  const wanted = event.key.toLowerCase();
  const button = Array.from(document.querySelectorAll("[data-key]")).find((each) => each.dataset.key === wanted);
  if (!button) return;
  event.preventDefault();
  button.click();
});

// A second press must not answer the next part.
document.addEventListener("submit", (event) => {
  if (sent) event.preventDefault();
  sent = true;
});
window.addEventListener("pageshow", () => { sent = false; });

if (main.dataset.next) {
  window.addEventListener("load", () => { new Image().src = main.dataset.next; });
}
if ("empty" in main.dataset) {
  const skipped = new URLSearchParams(location.search).has("skip");
  setInterval(async () => {
    if (document.hidden || skipped) return;
    const answer = await fetch("/queue?limit=1").catch(() => undefined);
    if (answer?.ok && (await answer.json()).waiting) location.assign("/review");
  }, SECONDS_TO_LOOK * 1000);
}

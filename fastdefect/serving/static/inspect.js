// The page Inspect: takes photos from a drop, the clipboard, a file chooser or a camera, sends each
// part until the server has decided, and shows the decision that the server renders.

const form = document.querySelector("#upload");
const stage = document.querySelector("#decision");
const words = JSON.parse(form.dataset.words);
const [camera, chooser] = form.querySelectorAll("input[type=file]");
const part = form.elements.part;
const view = form.elements.view; // only of a bundle whose network takes it
const collecting = form.querySelector("#collect input");
const tray = form.querySelector("#tray");
const line = form.querySelector("#line");

const TRIES = 8;
const SECONDS_TO_ANSWER = 45;
const LONGEST_WAIT = 15;
const SECONDS_TO_REFRESH = 15;
const AGAIN = new Set([408, 502, 503, 504]);

const parts = []; // that wait for their turn
const collected = [];
let working = false;

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

// crypto.randomUUID is there only with TLS.
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function take(files) {
  const photos = Array.from(files).filter((file) => !file.type || file.type.startsWith("image/"));
  if (!photos.length) {
    if (files.length) showTrouble(words.noImage);
    return;
  }
  if (collecting.checked) {
    collected.push(...photos);
    showTray();
  } else {
    begin(photos);
  }
}

function begin(photos) {
  enqueue({ photos, part: part.value.trim(), view: view?.value, key: newKey() });
  part.value = "";
}

function enqueue(given) {
  parts.push(given);
  resume();
}

function resume() {
  showLine();
  if (!working) work();
}

async function work() {
  working = true;
  while (parts.length) {
    const next = parts.shift();
    showLine();
    try {
      const decided = await decide(next);
      if (!decided) break; // the failure stays in sight until a person continues
      await showDecision(decided);
    } catch (error) {
      showTrouble(words.failed, words.other, String(error), { given: next });
      break;
    }
  }
  working = false;
}

// The id of the inspection; nothing if there is none, and then the page shows the reason.
async function decide(given) {
  const stopped = showWorking();
  for (let attempt = 1; ; attempt += 1) {
    const answer = await send(given, stopped);
    if (stopped.aborted) return showTrouble(words.stopped, words.stoppedMore, "", { given });
    if (answer?.ok) return (await answer.json()).id;
    if (answer?.status === 401) return location.assign("/login");
    if ((answer && !AGAIN.has(answer.status)) || attempt >= TRIES) return refuse(given, answer);
    const asked = Number(answer?.headers.get("Retry-After")) || 2 ** (attempt - 1);
    const seconds = Math.min(asked, LONGEST_WAIT);
    const values = { attempt: attempt + 1, most: TRIES, seconds };
    showWorking(answer ? words.busy : words.unreachable, fill(words.retrying, values), stopped);
    await pause(seconds, stopped);
    if (stopped.aborted) return showTrouble(words.stopped, words.stoppedMore, "", { given });
  }
}

// The answer of the server; nothing if there is none in time.
async function send({ photos, part, view, key }, stopped) {
  const body = new FormData();
  for (const photo of photos) body.append("photo", photo, photo.name || "photo");
  if (part) body.append("part", part);
  if (view) for (const _ of photos) body.append("view", view);
  const given = new AbortController();
  const end = () => given.abort();
  const clock = setTimeout(end, SECONDS_TO_ANSWER * 1000);
  stopped.addEventListener("abort", end);
  try {
    const headers = { "Idempotency-Key": key };
    return await fetch("/inspect", { method: "POST", headers, body, signal: given.signal });
  } catch {
    return undefined;
  } finally {
    clearTimeout(clock);
    stopped.removeEventListener("abort", end);
  }
}

async function refuse(given, answer) {
  if (!answer) return showTrouble(words.unreachable, "", "", { given });
  const problem = await answer.json().catch(() => ({}));
  const name = String(problem.type ?? "").replace("urn:fastdefect:", "");
  const next = answer.status >= 500 ? { given } : {};
  showTrouble(words.failed, words.problems[name] ?? words.other, problem.detail, next);
}

function pause(seconds, stopped) {
  return new Promise((done) => {
    setTimeout(done, seconds * 1000);
    stopped.addEventListener("abort", done, { once: true });
  });
}

function put(template, kind) {
  stage.className = `decision ${kind}`;
  stage.replaceChildren(document.querySelector(template).content.cloneNode(true));
  return (selector) => stage.querySelector(selector);
}

// Shows that the server decides, or why not yet; the signal is that the person stopped it.
function showWorking(title, more, stopped) {
  const find = put("#working", "is-empty");
  document.title = `${title ?? words.sending} – ${words.product}`;
  if (!title) {
    find(".more").hidden = true; // only the change is announced, not each sentence
    const controller = new AbortController();
    controller.signal.stop = () => controller.abort();
    return controller.signal;
  }
  find(".call").textContent = title;
  find(".more").textContent = more;
  find("button").hidden = false;
  find("button").addEventListener("click", stopped.stop);
  return stopped;
}

// What a person can do next: look at the decision at ``link``, send ``given`` once more, or go on
// with the parts that wait.
function showTrouble(title, more = "", detail = "", { link, given } = {}) {
  const find = put("#trouble", "is-empty is-failed");
  find(".call").textContent = title;
  find(".more").textContent = more;
  find(".detail").textContent = detail;
  find("a").hidden = !link;
  if (link) find("a").href = link;
  find(".again").hidden = !given;
  find(".again").addEventListener("click", () => {
    parts.unshift(given);
    resume();
  });
  find(".go-on").hidden = !parts.length;
  find(".go-on").addEventListener("click", resume);
  document.title = `${title} – ${words.product}`;
}

async function page(address) {
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  if (answer.redirected) location.assign(answer.url);
  if (!answer.ok) throw new Error(String(answer.status));
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

async function showDecision(id) {
  const address = `/?decided=${id}`;
  let shown;
  for (let attempt = 1; !shown; attempt += 1) {
    try {
      shown = await page(address);
    } catch {
      if (attempt === 3) return showTrouble(words.notShown, "", "", { link: address });
      await new Promise((done) => setTimeout(done, 1000));
    }
  }
  const decision = shown.querySelector("#decision");
  stage.className = decision.className;
  stage.replaceChildren(...decision.childNodes);
  document.title = shown.title;
  refresh(shown);
}

function refresh(shown) {
  for (const name of ["#board", "#waiting", "#state"]) {
    const here = document.querySelector(name);
    if (here.contains(document.activeElement)) continue;
    const there = shown.querySelector(name);
    if (here.innerHTML === there.innerHTML) continue;
    here.className = there.className;
    here.replaceChildren(...there.childNodes);
  }
}

function showLine() {
  line.textContent = parts.length ? fill(words.inLine, { n: parts.length }) : "";
}

function showTray() {
  tray.hidden = !collected.length;
  const counted = collected.length === 1 ? words.collectedOne : words.collectedMany;
  tray.querySelector("p").textContent = fill(counted, { n: collected.length });
  for (const image of tray.querySelectorAll("img")) URL.revokeObjectURL(image.src);
  tray.querySelector("ul").replaceChildren(
    ...collected.map((photo, index) => {
      const item = document.createElement("li");
      const image = new Image();
      image.src = URL.createObjectURL(photo);
      image.alt = photo.name;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "×";
      button.setAttribute("aria-label", fill(words.remove, { n: index + 1 }));
      button.addEventListener("click", () => {
        collected.splice(index, 1);
        showTray();
        (tray.querySelector("li button") ?? chooser).focus();
      });
      item.append(image, button);
      return item;
    }),
  );
}

function showMode() {
  if (!collecting.checked && collected.length) begin(collected.splice(0));
  showTray();
}

for (const input of [camera, chooser]) {
  input.required = false;
  input.addEventListener("change", () => {
    take(Array.from(input.files));
    input.value = "";
  });
}
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (collected.length) begin(collected.splice(0));
  showTray();
});
document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) {
    event.preventDefault();
    take(event.clipboardData.files);
  }
});
let inside = 0; // of the elements that a dragged photo is over
for (const [name, change] of [["dragenter", 1], ["dragleave", -1]]) {
  document.addEventListener(name, (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    inside += change;
    document.body.classList.toggle("dropping", inside > 0);
  });
}
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  inside = 0;
  document.body.classList.remove("dropping");
  take(event.dataTransfer.files);
});
collecting.checked = localStorage.getItem("collect") === "yes";
collecting.addEventListener("change", () => {
  localStorage.setItem("collect", collecting.checked ? "yes" : "no");
  showMode();
});
form.querySelector("#take").hidden = false;
form.querySelector("#collect").hidden = false;
showMode();

setInterval(async () => {
  if (document.hidden || working) return;
  const shown = await page("/").catch(() => undefined);
  if (shown && !working) refresh(shown);
}, SECONDS_TO_REFRESH * 1000);

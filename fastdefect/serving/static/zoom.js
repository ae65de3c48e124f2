// Photos that open large, in a dialog: larger and smaller by keys, buttons and a press, moved by a drag.

const dialog = document.querySelector("#zoom");
const view = dialog.querySelector(".view");
const image = dialog.querySelector("img");
const LARGEST = 8; // times the size that fits
let scale = 1;

function fitting() {
  return Math.min(view.clientWidth / image.naturalWidth, view.clientHeight / image.naturalHeight);
}

function show(wanted, x = view.clientWidth / 2, y = view.clientHeight / 2) {
  const before = scale;
  scale = Math.min(Math.max(wanted, 1), LARGEST);
  const left = (view.scrollLeft + x) * (scale / before) - x;
  const top = (view.scrollTop + y) * (scale / before) - y;
  image.style.width = `${image.naturalWidth * fitting() * scale}px`;
  view.scrollTo(left, top);
}

for (const link of document.querySelectorAll("a[data-zoom]")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    image.src = link.href;
    image.alt = link.querySelector("img").alt;
    scale = 1;
    dialog.showModal();
    image.decode().then(() => show(1), () => dialog.close());
    view.focus();
  });
}
for (const button of dialog.querySelectorAll("[data-step]")) {
  button.addEventListener("click", () => show(scale * Number(button.dataset.step)));
}
dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => image.removeAttribute("src"));
dialog.addEventListener("keydown", (event) => {
  if (event.key === "+" || event.key === "=") show(scale * 1.5);
  if (event.key === "-") show(scale / 1.5);
});

let start; // of a drag
view.addEventListener("pointerdown", (event) => {
  if (event.pointerType !== "mouse") return; // touch scrolls by itself
  event.preventDefault();
  start = { x: event.clientX, y: event.clientY, moved: false };
  view.setPointerCapture(event.pointerId);
});
view.addEventListener("pointermove", (event) => {
  if (!start) return;
  const [x, y] = [start.x - event.clientX, start.y - event.clientY];
  if (Math.abs(x) + Math.abs(y) < 4 && !start.moved) return;
  view.scrollBy(x, y);
  start = { x: event.clientX, y: event.clientY, moved: true };
});
view.addEventListener("pointerup", (event) => {
  if (start && !start.moved) {
    const box = view.getBoundingClientRect();
    show(scale > 1 ? 1 : 3, event.clientX - box.left, event.clientY - box.top);
  }
  start = undefined;
});


// A dialog that enlarges the items of a list, one at a time; the arrow keys and two buttons step on.
// ``shown()`` has the items now, and ``fill(item, at)`` puts one into the dialog.
function startDialog(dialog, list, { previous, next, close }, shown, fill) {
  let at = 0;

  function enlarge(position) {
    const items = shown();
    at = (position + items.length) % items.length;
    fill(items[at], at);
    if (!dialog.open) dialog.showModal();
  }

  list.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) enlarge(shown().indexOf(button.closest("li")));
  });
  previous.addEventListener("click", () => enlarge(at - 1));
  next.addEventListener("click", () => enlarge(at + 1));
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) {
      enlarge(at + step);
      event.preventDefault();
    }
  });
  dialog.addEventListener("close", () => {
    const item = shown()[at];
    if (item) item.querySelector("button").focus();
  });
}


// The photos of exhibits.html: filter, sort, enlarge. Started by page.js.
function startExhibits(panel, words, fill) {
  const $ = (role) => panel.querySelector(`[data-role="${role}"]`);
  const list = panel.querySelector(".sheet"), dialog = panel.querySelector("dialog");
  const all = [...list.children];
  let shown = all, at = 0;

  const orders = {
    order: (item) => Number(item.dataset.order),
    alike: (item) => -Number(item.dataset.alike ?? -1e9),
    name: () => 0,
  };
  const texts = new Map(all.map((item) => [item, item.textContent.toLowerCase()]));

  function fits(item) {
    const kind = $("kind").value, wanted = $("find").value.trim().toLowerCase();
    return (kind === "" || item.dataset.kinds.split(" ").includes(kind)) && texts.get(item).includes(wanted);
  }

  function show() {
    const key = orders[$("sort").value];
    const ordered = [...all].sort((a, b) => key(a) - key(b) ||
      (a.dataset.name < b.dataset.name ? -1 : a.dataset.name > b.dataset.name ? 1 : 0));
    shown = ordered.filter(fits);
    const chosen = new Set(shown);
    for (const item of ordered) {
      item.hidden = !chosen.has(item);
      list.append(item);
    }
    $("count").textContent = fill(panel.dataset.counted, { shown: shown.length });
    panel.querySelector(".none").hidden = shown.length > 0;
  }

  function enlarge(position) {
    at = (position + shown.length) % shown.length;
    panel.querySelector(".enlarged").replaceChildren(
      ...[...shown[at].querySelector("button").children].map((part) => part.cloneNode(true)));
    $("position").textContent = fill(words.position, { number: at + 1, all: shown.length });
    if (!dialog.open) dialog.showModal();
  }

  list.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) enlarge(shown.indexOf(button.closest("li")));
  });
  $("previous").addEventListener("click", () => enlarge(at - 1));
  $("next").addEventListener("click", () => enlarge(at + 1));
  $("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) {
      enlarge(at + step);
      event.preventDefault();
    }
  });
  dialog.addEventListener("close", () => {
    const button = shown[at] && shown[at].querySelector("button");
    if (button) button.focus();
  });
  for (const role of ["kind", "find", "sort"]) $(role).addEventListener("input", show);
  show();
}

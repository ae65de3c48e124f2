
// The photos of exhibits.html: filter, sort, enlarge. Started by page.js.
function startExhibits(panel, words, fill) {
  const $ = (role) => panel.querySelector(`[data-role="${role}"]`);
  const list = panel.querySelector(".sheet"), dialog = panel.querySelector("dialog");
  const all = [...list.children];
  let shown = all;

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

  startDialog(dialog, list, { previous: $("previous"), next: $("next"), close: $("close") },
    () => shown, (item, at) => {
      panel.querySelector(".enlarged").replaceChildren(
        ...[...item.querySelector("button").children].map((part) => part.cloneNode(true)));
      $("position").textContent = fill(words.position, { number: at + 1, all: shown.length });
    });
  for (const role of ["kind", "find", "sort"]) $(role).addEventListener("input", show);
  show();
}

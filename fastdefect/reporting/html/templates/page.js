
(() => {
  const data = JSON.parse(document.getElementById("page-data").textContent);
  const words = data.texts;
  // As say() in texts/__init__.py: {n:photo|photos} agrees with n.
  const fill = (text, values) => text.replace(/\{(\w+)(?::([^|}]*)\|([^}]*))?\}/g,
    (_, name, one, many) => one === undefined ? String(values[name]) : String(values[name]) === "1" ? one : many);
  const $ = (id) => document.getElementById(id);

  // ---- Operating point -----------------------------------------------------------------

  function startDecide(panel) {
    const splits = data.splits;
    const kept = data.kept;
    const low = $("low"), high = $("high");
    const fields = {
      escape: $("cost-escape"), overkill: $("cost-overkill"),
      rate: $("defect-rate"), day: $("parts-per-day"),
    };
    let current, steps, moved;

    // All thresholds that divide the photos, as the sweep of operating_point.py, and the kept ones.
    function stepsOf(split) {
      const scores = [...new Set(split.score)].sort((a, b) => a - b);
      const between = scores.slice(1).map((upper, i) => {
        const middle = scores[i] + (upper - scores[i]) / 2;
        return middle > scores[i] ? middle : upper;
      });
      const own = [kept.low, kept.high].filter((value) => value !== null);
      return [...new Set([0, ...between, ...own, data.none_rejected])].sort((a, b) => a - b);
    }

    // The step that decides as the threshold, for a kept rule without one.
    const stepAt = (value) => Math.max(0, steps.findIndex((step) => step >= value));

    function reset() {
      moved = false;
      $("band").checked = kept.high !== null;
      low.value = stepAt(kept.low ?? 0.5);
      high.value = stepAt(kept.high ?? kept.low ?? 0.5);
      show();
    }

    function choose(name) {
      current = splits[name];
      steps = stepsOf(current);
      for (const slider of [low, high]) slider.max = steps.length - 1;
      for (const strip of panel.querySelectorAll(".strip")) strip.hidden = strip.dataset.split !== name;
      $("on-test").hidden = name !== "test";
      reset();
    }

    function verdicts() {
      if (!moved) return current.verdict;
      const [from, to] = [steps[low.value], steps[high.value]];
      return current.score.map((s) => (s === null ? "look" : s < from ? "OK" : s < to ? "look" : "reject"));
    }

    function rateIn(decided, wanted, defective) {
      const rows = current.defective.map((bad, i) => i).filter((i) => current.defective[i] === defective);
      const hits = rows.map((i) => decided[i] === wanted);
      return [hits, rows.map((i) => current.part[i])];
    }

    const said = (rate) => rate.interval === null ? words.no_photos : fill(words.rate, {
      value: Rates.percent(rate.value), count: rate.count, photos: rate.photos, parts: rate.parts,
      low: Rates.percent(rate.interval[0]), high: Rates.percent(rate.interval[1]),
    });

    function show() {
      const decided = verdicts();
      const pairs = {
        escape: rateIn(decided, "OK", true), overkill: rateIn(decided, "reject", false),
        bad: rateIn(decided, "look", true), fine: rateIn(decided, "look", false),
      };
      const rates = Object.fromEntries(
        Object.entries(pairs).map(([name, [hits, parts]]) => [name, Rates.rateOf(hits, parts)]));
      $("out-escape").textContent = said(rates.escape);
      $("out-overkill").textContent = said(rates.overkill);
      $("out-bad").textContent = said(rates.bad);
      $("out-fine").textContent = said(rates.fine);
      const [hits, parts] = pairs.escape;
      if (hits.length) {
        const bound = Rates.claim(hits, parts);
        $("out-claim").textContent = fill(words.claim, {
          hits: bound.hits, parts: bound.parts, at_most: Rates.percent(bound.atMost),
        });
      } else {
        $("out-claim").textContent = "-";
      }
      showMoney(rates);
      showSliders();
      $("state").textContent = moved ? words.moved : words.kept;
      panel.classList.toggle("moved", moved);
    }

    function number(field, least, most) {
      const value = field.value.trim() === "" ? NaN : Number(field.value);
      const valid = value >= least && value <= most;
      field.setAttribute("aria-invalid", String(!valid && field.value !== ""));
      return valid ? value : NaN;
    }

    function showMoney(rates) {
      const share = number(fields.rate, 0, 100) / 100;
      const day = Math.floor(number(fields.day, 1, 1e9));
      const zero = (rate) => (Number.isNaN(rate.value) ? 0 : rate.value);
      const escape = number(fields.escape, 0, 1e12), overkill = number(fields.overkill, 0, 1e12);
      const cost = share * escape * zero(rates.escape) + (1 - share) * overkill * zero(rates.overkill);
      $("out-cost").textContent = Number.isFinite(cost)
        ? fill(words.cost, { cost: Rates.fixed(1000 * cost, 2) }) : words.give_costs;
      const sent = (1 - share) * zero(rates.fine) + share * zero(rates.bad);
      let load = Number.isFinite(sent) ? fill(words.share, { share: Rates.percent(sent) }) : words.give_rate;
      if (Number.isFinite(sent) && Number.isFinite(day)) {
        const [few, many] = Rates.binomialInterval(day, sent);
        load = fill(words.load, {
          share: Rates.percent(sent), expected: Rates.fixed(sent * day, 0), day, low: few, high: many,
        });
      }
      $("out-load").textContent = load;
    }

    const thresholdText = (value) => (value > 1 ? words.above_one : String(Number(value.toPrecision(6))));

    function showSliders() {
      const values = [low, high].map((slider) => steps[slider.value]);
      [["low", low], ["high", high]].forEach(([name, slider], i) => {
        const text = !moved && kept.low === null ? words.most_probable : thresholdText(values[i]);
        $(`out-${name}`).textContent = text;
        slider.setAttribute("aria-valuetext", text);
      });
      for (const svg of panel.querySelectorAll(".strip svg")) {
        const [left, right, end] = svg.dataset.scale.split(",").map(Number);
        const place = values.map((value) => {
          const at = value <= 0 ? -end : value >= 1 ? end : Math.log(value / (1 - value));
          return left + ((Math.max(-end, Math.min(end, at)) + end) / (2 * end)) * (right - left);
        });
        ["low", "high"].forEach((name, i) => {
          const line = svg.querySelector(`.${name}`);
          line.setAttribute("x1", place[i]);
          line.setAttribute("x2", place[i]);
        });
        const band = svg.querySelector(".between");
        band.setAttribute("x", place[0]);
        band.setAttribute("width", Math.max(0, place[1] - place[0]));
      }
    }

    low.addEventListener("input", () => {
      moved = true;
      if (!$("band").checked || Number(high.value) < Number(low.value)) high.value = low.value;
      show();
    });
    high.addEventListener("input", () => {
      moved = true;
      $("band").checked = true;
      if (Number(low.value) > Number(high.value)) low.value = high.value;
      show();
    });
    $("band").addEventListener("change", () => {
      if ($("band").checked || Number(high.value) === Number(low.value)) return;
      moved = true;
      high.value = low.value;
      show();
    });
    for (const field of Object.values(fields)) field.addEventListener("input", show);
    $("reset").addEventListener("click", reset);
    const select = $("decide-split");
    select.addEventListener("change", () => choose(select.value));
    choose(select.value);
  }

  // ---- Photos ----------------------------------------------------------------------------

  function startGallery(panel) {
    const list = $("cards");
    const cards = [...list.children];
    const filters = [...panel.querySelectorAll("select[data-field]")];
    const sort = $("sort"), part = $("part-filter"), dialog = $("enlarged");
    const outcomes = [...$("by-outcome").options].map((option) => option.value);
    let shown = cards;

    const orders = {
      outcome: (card) => [outcomes.indexOf(card.dataset.outcome), Number(card.dataset.unsure)],
      unsure: (card) => [Number(card.dataset.unsure), 0],
      high: (card) => [-Number(card.dataset.score || -1), 0],
      low: (card) => [Number(card.dataset.score || 2), 0],
      name: (card) => [0, 0],
    };

    function fits(card) {
      const wanted = part.value.trim().toLowerCase();
      const text = `${card.dataset.part} ${card.dataset.name}`.toLowerCase();
      return text.includes(wanted) && filters.every(({ value, selectedOptions, dataset: { field } }) =>
        value === "" || value === card.dataset[field] ||
        (value === "held out" && card.dataset[field] !== "train") ||
        (selectedOptions[0].dataset.any || "").split(" ").includes(card.dataset[field]));
    }

    function show() {
      const key = orders[sort.value];
      const keys = new Map(cards.map((card) => [card, key(card)]));
      const ordered = [...cards].sort((a, b) => {
        const [one, other] = [keys.get(a), keys.get(b)];
        return one[0] - other[0] || one[1] - other[1] ||
          (a.dataset.name < b.dataset.name ? -1 : a.dataset.name > b.dataset.name ? 1 : 0);
      });
      shown = ordered.filter(fits);
      const chosen = new Set(shown);
      for (const card of ordered) {
        card.hidden = !chosen.has(card);
        list.append(card);
      }
      $("shown").textContent = fill(words.shown, { shown: shown.length, all: cards.length });
    }

    startDialog(dialog, list, { previous: $("previous"), next: $("next"), close: $("close") },
      () => shown, (card, at) => {
        $("enlarged-photo").replaceChildren(card.querySelector("figure").cloneNode(true));
        $("enlarged-count").textContent = fill(words.position, { number: at + 1, all: shown.length });
      });

    function showMaps() {
      for (const twin of list.querySelectorAll(".twin")) {
        if (!twin.querySelector("img:not(.map)")) {
          twin.prepend(twin.parentElement.querySelector("img").cloneNode());
        }
      }
      document.body.classList.toggle("with-maps", maps.checked);
    }

    const maps = $("maps");
    if (maps) maps.addEventListener("change", showMaps);
    for (const control of [...filters, sort, part]) control.addEventListener("input", show);
    show();
  }

  const decide = $("decide-panel");
  if (decide) startDecide(decide);
  const gallery = $("gallery-panel");
  if (gallery) startGallery(gallery);
  for (const panel of document.querySelectorAll(".exhibits")) startExhibits(panel, words, fill);
  document.documentElement.classList.add("ready");
})();

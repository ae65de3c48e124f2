// What a page has that a person with weak eyes, a keyboard or a screen reader can't use.
() => {
    const faults = [], name = (e) => e.outerHTML.slice(0, 90);
    const shown = (e) => e.checkVisibility({ visibilityProperty: true });
    const parse = (c) => (c.match(/[\d.]+/g) || []).map(Number);
    const part = (v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
    const light = ([r, g, b]) => .2126 * part(r) + .7152 * part(g) + .0722 * part(b);
    const ground = (e) => {
        for (; e; e = e.parentElement) {
            const c = parse(getComputedStyle(e).backgroundColor);
            if (c.length === 3 || c[3] === 1) return c;
        }
        return [255, 255, 255];
    };
    const ratio = (e) => {
        const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
        return (a + .05) / (b + .05);
    };
    const words = (e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    for (const e of document.querySelectorAll("body *")) {
        if (!shown(e) || !words(e) || e.closest(".unseen")) continue;
        const needed = e.closest(".verdict, .answer") ? 7 : 4.5;
        if (ratio(e) < needed) faults.push(`contrast ${ratio(e).toFixed(2)}: ${name(e)}`);
    }
    for (const e of document.querySelectorAll("img")) if (!e.hasAttribute("alt")) faults.push(`alt: ${name(e)}`);
    for (const e of document.querySelectorAll("input:not([type=hidden])"))
        if (!e.labels.length) faults.push(`label: ${name(e)}`);
    for (const e of document.querySelectorAll("a[href], button"))
        if (!e.getAttribute("aria-label") && !e.textContent.trim()) faults.push(`name: ${name(e)}`);
    for (const e of document.querySelectorAll("button, label.button, .check, nav a")) {
        const box = e.getBoundingClientRect();
        if (shown(e) && box.height && box.height < 44) faults.push(`${box.height} px high: ${name(e)}`);
    }
    let level = 0;
    for (const e of document.querySelectorAll("h1, h2, h3")) {
        if (e.tagName[1] - level > 1) faults.push(`heading order: ${name(e)}`);
        level = Number(e.tagName[1]);
    }
    if (document.querySelectorAll("h1").length !== 1) faults.push("not one h1");
    if (document.querySelectorAll("main").length !== 1) faults.push("not one main");
    const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
    if (new Set(ids).size !== ids.length) faults.push("an id twice");
    for (const e of document.querySelectorAll("[aria-labelledby], [aria-describedby]"))
        for (const id of (e.getAttribute("aria-labelledby") || e.getAttribute("aria-describedby")).split(" "))
            if (!document.getElementById(id)) faults.push(`no id ${id}`);
    if (document.documentElement.scrollWidth > innerWidth) faults.push("wider than the screen");
    return faults;
}

// Everything works without this file. It adds: the theme and times without a reload, copying, selection, keys, dialogs in place.
"use strict";
(() => {
  const $ = (s, e = document) => e.querySelector(s);
  const $$ = (s, e = document) => [...e.querySelectorAll(s)];
  const root = document.documentElement;
  const cookie = (name) => document.cookie.match(`(?:^|; )${name}=([^;]*)`)?.[1];
  const keep = (name, value) => { document.cookie = `${name}=${value}; path=${document.body.dataset.root.replace(/\/$/, "") || "/"}; max-age=31536000; samesite=lax`; };

  const show = {
    theme(value) { root.classList.remove("light", "dark"); if (value !== "system") root.classList.add(value); },
    times(value) {
      for (const t of $$("time[data-ago]")) { t.dataset.ago ||= t.textContent; t.textContent = value === "utc" ? t.title.slice(0, 19) : t.dataset.ago; }
    },
  };
  for (const name of ["theme", "times"]) {
    const set = (value) => {
      show[name](value);
      for (const b of $$(`#display [name=${name}]`)) b.setAttribute("aria-pressed", b.value === value);
    };
    for (const b of $$(`#display [name=${name}]`)) b.addEventListener("click", (e) => { e.preventDefault(); keep(name, b.value); set(b.value); });
    if (cookie(name)) set(cookie(name));
  }

  document.addEventListener("click", async (e) => {
    const b = e.target.closest("[data-copy]");
    if (!b) return;
    try { await navigator.clipboard.writeText(b.dataset.copy); } catch { return; }
    const use = $("use", b);
    use.setAttribute("href", "#i-s-good");
    setTimeout(() => use.setAttribute("href", "#i-copy"), 1500);
  });

  const picks = () => $$(".pick input[name=id]");
  const count = () => {
    const each = picks(), n = each.filter((p) => p.checked).length, all = $(".pick input[data-all]"), told = $("[data-picked]");
    for (const p of each) p.closest("tr").classList.toggle("sel", p.checked);
    if (told) told.textContent = `${n} selected`;
    if (all) { all.checked = n > 0 && n === each.length; all.indeterminate = n > 0 && n < each.length; }
  };
  document.addEventListener("change", (e) => {
    if (e.target.matches(".pick input[data-all]")) for (const p of picks()) p.checked = e.target.checked;
    if (e.target.matches(".pick input")) count();
  });
  document.addEventListener("renewed", count);
  count();

  const box = $("[role=combobox]"), list = box && document.getElementById(box.getAttribute("aria-controls"));
  if (box) {
    const pop = list.closest(".pop");
    const options = () => $$("[role=option]", list);
    const open = (yes) => { pop.hidden = !yes; box.setAttribute("aria-expanded", yes); if (!yes) box.removeAttribute("aria-activedescendant"); };
    const at = () => options().findIndex((o) => o.getAttribute("aria-selected") === "true");
    const go = (i) => options().forEach((o, k) => {
      o.setAttribute("aria-selected", k === i);
      if (k === i) { box.setAttribute("aria-activedescendant", o.id); o.scrollIntoView({ block: "nearest" }); }
    });
    const take = (o) => {
      const end = box.selectionStart, before = box.value.slice(0, end).replace(/\S*$/, o.dataset.value), ready = !/[:.]$/.test(before);
      box.value = before + (ready && end === box.value.length ? " " : "") + box.value.slice(end);
      box.focus();
      if (ready) open(false); else ask();
    };
    const show = (found) => {
      list.replaceChildren(...found.map((one, k) => {
        const li = document.createElement("li"), parts = [["code", "", one.value], ["span", "dim small", one.text], ["span", "n small", one.count]];
        li.id = `o${k}`;
        li.setAttribute("role", "option");
        li.setAttribute("aria-selected", "false");
        li.dataset.value = one.value;
        for (const [name, cls, text] of parts) { const e = document.createElement(name); e.className = cls; e.textContent = text; li.append(e); }
        return li;
      }));
      open(found.length > 0 && document.activeElement === box);
    };
    let asked = 0;
    const ask = async () => {
      const mine = ++asked, text = box.value.slice(0, box.selectionStart);
      try {
        const found = await (await fetch(`${box.dataset.complete}?q=${encodeURIComponent(text.slice(-1000))}`)).json();
        if (mine === asked) show(found.options || []);
      } catch { open(false); }
    };
    box.addEventListener("input", ask);
    box.addEventListener("blur", () => open(false));
    box.addEventListener("keydown", (e) => {
      const all = options(), shut = pop.hidden;
      if (e.key === "ArrowDown" || e.key === "ArrowUp") { e.preventDefault(); if (shut) ask(); else if (all.length) go((at() + (e.key === "ArrowDown" ? 1 : -1) + all.length) % all.length); }
      else if (e.key === "Escape" && !shut) { e.preventDefault(); open(false); }
      else if (e.key === "Tab" && !shut && all.length && !e.shiftKey) { e.preventDefault(); take(all[Math.max(at(), 0)]); }
      else if (e.key === "Enter" && !shut && at() >= 0) { e.preventDefault(); take(all[at()]); }
    });
    list.addEventListener("mousedown", (e) => { const o = e.target.closest("[role=option]"); if (o) { e.preventDefault(); take(o); } });
  }

  for (const a of $$("a[data-dialog]")) a.addEventListener("click", async (e) => {
    e.preventDefault();
    try {
      const page = new DOMParser().parseFromString(await (await fetch(a.href)).text(), "text/html");
      const dialog = document.adoptNode($("dialog", page));
      dialog.removeAttribute("open");
      document.body.append(dialog);
      ready(dialog);
      dialog.addEventListener("close", () => { dialog.remove(); a.focus(); });
      dialog.showModal();
    } catch { location.href = a.href; }
  });
  const ready = (dialog) => {
    const typed = $("[data-type]", dialog), button = $("[data-armed]", dialog);
    if (typed) {
      const look = () => { button.disabled = typed.value.replace(/[^0-9a-z]/gi, "") !== typed.dataset.type; };
      typed.addEventListener("input", look);
      look();
    }
    for (const k of $$("[data-close]", dialog)) k.addEventListener("click", (e) => { if (dialog.matches(":modal")) { e.preventDefault(); dialog.close(); } });
  };
  $$("dialog").forEach(ready);
  // The number that confirms it, wherever it is asked for.
  const arm = () => { for (const typed of $$("form [data-type]")) { const b = $("[data-armed]", typed.form); if (b) b.disabled = typed.value.replace(/[^0-9a-z]/gi, "") !== typed.dataset.type; } };
  document.addEventListener("input", arm);
  document.addEventListener("renewed", arm);
  arm();

  // The page follows what happens: the server sends its content anew when it has changed, and what differs is exchanged.
  // What somebody uses just now (a field, an open menu, a selection) stays as it is.
  const used = (e) => e.contains(document.activeElement) && document.activeElement.matches("input, select, textarea, [contenteditable]");
  // Not `form.id`, which is the field of that name.
  const id = (e) => e.getAttribute?.("id") ?? null;
  const same = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && id(a) === id(b) && a.dataset?.key === b.dataset?.key;
  const renew = (old, now) => {
    if (old.nodeType !== 1) { if (old.nodeValue !== now.nodeValue) old.nodeValue = now.nodeValue; return; }
    if (old.matches(":popover-open, dialog[open], [data-keep]") || old.matches("form") && used(old)) return;
    const mine = old.matches("details") ? ["open"] : old.matches("input") ? ["checked", "value", "aria-expanded", "aria-activedescendant"] : old.matches("tr") ? ["class"] : [];
    for (const { name, value } of [...now.attributes]) if (!mine.includes(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
    for (const { name } of [...old.attributes]) if (!mine.includes(name) && !now.hasAttribute(name)) old.removeAttribute(name);
    // White space says nothing. What was put in or taken out is found by looking one further, or by its key.
    const says = (e) => [...e.childNodes].filter((n) => n.nodeType === 1 || n.nodeType === 3 && n.nodeValue.trim());
    const drop = (e) => { if (e.nodeType !== 1 || !e.matches("[data-keep]")) e.remove(); };
    const mineNow = says(old), next = says(now);
    let at = 0;
    next.forEach((n, k) => {
      const keyed = n.dataset?.key && mineNow.findIndex((m, i) => i >= at && same(m, n));
      if (keyed > at) while (at < keyed) drop(mineNow[at++]);
      const here = mineNow[at], after = mineNow[at + 1];
      if (here && same(here, n)) { at++; renew(here, n); }
      else if (here && after && same(after, n) && !(next[k + 1] && same(here, next[k + 1]))) { drop(here); at += 2; renew(after, n); }
      else old.insertBefore(n, here || null);
    });
    while (at < mineNow.length) drop(mineNow[at++]);
  };
  const content = $("#content"), live = document.body.dataset.live, hold = $("[data-pause]"), state = $("[data-state]");
  let held = false, stream;
  const follow = () => {
    stream = new EventSource(live);
    const take = (e, away) => {
      if (held) return;
      const fresh = document.createElement("div");
      fresh.innerHTML = new DOMParser().parseFromString(e.data, "text/html").body.innerHTML;
      renew(content, Object.assign(content.cloneNode(false), { innerHTML: fresh.innerHTML }));
      show.times(cookie("times") || "ago");
      if (state) { state.classList.toggle("off", away); state.firstElementChild.textContent = new Date().toISOString().slice(11, 19); }
      document.dispatchEvent(new Event("renewed"));
    };
    stream.addEventListener("page", (e) => take(e, false));
    stream.addEventListener("away", (e) => take(e, true));
    stream.onerror = () => state?.classList.add("off");
    stream.onopen = () => state?.classList.remove("off");
  };
  if (content && live) {
    follow();
    if (hold) hold.hidden = false;
    hold?.addEventListener("click", () => { held = !held; hold.lastChild.textContent = held ? "Go on" : "Hold"; });
    // A page that nobody sees asks nothing.
    document.addEventListener("visibilitychange", () => { if (document.hidden) stream.close(); else if (stream.readyState === 2) follow(); });
  }

  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, select, textarea, dialog")) return;
    if (e.key === "/") { e.preventDefault(); (box || $("#find"))?.focus(); }
    if (e.key === "j" || e.key === "k") {
      const rows = $$("main tbody th a"), i = rows.indexOf(document.activeElement);
      rows[Math.max(0, Math.min(rows.length - 1, i + (e.key === "j" ? 1 : -1)))]?.focus();
    }
  });
})();

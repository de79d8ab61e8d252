// The search of Sphinx wants every word of a question on one page. Here as many as there are count, rare ones more than
// common ones, and a result leads to the part of the page whose heading has most of them.
"use strict";

// A page is found if it has at least this share of the words.
const SHARE = 0.5;
// A heading that is what was asked for, word by word, is worth so many times what Sphinx gives it.
const HEADING = 4;

// For each page the heading, other than its title, that has most of the words: where it is, what it says, how many.
function places(index, terms) {
  const best = new Map();
  for (const [heading, there] of Object.entries(index.alltitles)) {
    const words = splitQuery(heading.toLowerCase()).map((word) => new Stemmer().stemWord(word));
    const count = new Set(words.filter((word) => terms.has(word))).size;
    if (!count) continue;
    for (const [file, id] of there)
      if (id !== null && index.titles[file] !== heading && count > (best.get(file)?.count ?? 0))
        best.set(file, { anchor: `#${id}`, heading, count });
  }
  return best;
}

function ranked(search, all) {
  return (terms, excluded) => {
    const index = search._index;
    const pages = new Map();
    for (const term of terms) {
      const found = all(new Set([term]), excluded);
      const rare = Math.log(1 + index.docnames.length / (found.length || 1));
      for (const result of found) {
        const page = pages.get(result[0]) ?? { result, sum: 0, count: 0 };
        page.sum += result[4] * rare;
        page.count += 1;
        pages.set(result[0], page);
      }
    }
    const best = places(index, terms);
    const enough = [...pages.values()].filter((page) => page.count >= terms.size * SHARE);
    return enough.map(({ result, sum, count }) => {
      const [name, title, , description, , file, kind] = result;
      const place = best.get(index.docnames.indexOf(name)) ?? { anchor: "", heading: "", count: 0 };
      const told = place.heading ? `${title} › ${place.heading}` : title;
      const score = sum * (count / terms.size) ** 2 * (1 + place.count / terms.size);
      return [name, told, place.anchor, description, score, file, kind];
    });
  };
}

document.addEventListener("DOMContentLoaded", () => {
  if (typeof Search === "undefined") return;
  Search.performTermsSearch = ranked(Search, Search.performTermsSearch);
  Scorer.score = (result) => (result[6] === "title" ? result[4] * HEADING : result[4]);
  // A page that was opened from a folder may not read others, which the lines below a result are taken from.
  if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
});

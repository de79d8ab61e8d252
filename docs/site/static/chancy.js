// What the pages do beyond the theme.
"use strict";

// A box that scrolls sideways can be reached with the keyboard, so that its end can be read without a mouse.
function reachable() {
  for (const box of document.querySelectorAll("pre, .table-wrapper")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

document.addEventListener("DOMContentLoaded", () => {
  reachable();
  new ResizeObserver(reachable).observe(document.body);
});

// Two lists beside a page need two names, for whoever hears the page instead of seeing it.
document.querySelector("aside.sidebar-drawer")?.setAttribute("aria-label", "Pages");
document.querySelector("aside.toc-drawer")?.setAttribute("aria-label", "On this page");

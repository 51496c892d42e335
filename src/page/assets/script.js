// While something is under way, the content is read again; nothing else needs a script.
"use strict";
(() => {
  const pause = 3000;
  const main = document.getElementById("main");
  const problem = document.getElementById("problem");
  if (problem) problem.focus();

  // Outside of what is replaced: a screen reader tells of what changes in a region that it knows already.
  const region = document.getElementById("told");
  const told = () => [...main.querySelectorAll("[data-told]")].map((part) => part.textContent.trim()).join(". ");
  const said = main.querySelector("[data-said]");
  if (said) region.textContent = said.textContent.trim();

  // Whoever types or has opened something is not disturbed.
  const busy = () => {
    const active = document.activeElement;
    return document.hidden || main.querySelector("details[open]") || (active && main.contains(active) && active !== main);
  };

  const look = async () => {
    if (!main.querySelector("[data-refresh]")) return;
    if (!busy()) {
      try {
        const answer = await fetch(location.href, { headers: { accept: "text/html" } });
        if (answer.ok) {
          const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
          if (next && !busy()) {
            const before = told();
            main.replaceChildren(...next.childNodes);
            if (told() !== before) region.textContent = told();
          }
        }
      } catch {
        // The next look is soon.
      }
    }
    setTimeout(look, pause);
  };
  setTimeout(look, pause);
})();

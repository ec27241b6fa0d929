// Asks for a page's live part every second while there is something unfinished on it.
"use strict";

const SECOND = 1000;

async function refresh() {
  const live = document.querySelector("[data-live]");
  if (!live) return;
  showNewest(live);
  if (!("unfinished" in live.dataset)) return;
  await new Promise((wake) => setTimeout(wake, SECOND));
  try {
    const answer = await fetch(live.dataset.live, { credentials: "same-origin", redirect: "error" });
    if (answer.ok) live.outerHTML = await answer.text();
  } catch {
    // The server restarts, or the network is gone for a moment: the next second asks again.
  }
  refresh();
}

function showNewest(live) {
  const events = live.querySelector(".events");
  if (events) events.scrollTop = events.scrollHeight;
}

refresh();

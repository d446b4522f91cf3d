"""The script of our own in viser's page: keys, help, names under the mouse, and pictures that are buttons.

What it shows comes from the page itself: HTML that the server put among the controls (`langfield.viewer.panel_find`,
`langfield.viewer.hover_names`). It sends nothing; a press on one of its pictures presses one of viser's buttons.
"""

import json
from collections.abc import Sequence

# Keys that the page has besides viser's own. Those of commands are registered with viser (`page_commands`).
MOUSE_HELP: tuple[tuple[str, str], ...] = (
    ("left button", "turn; a click selects"),
    ("right button", "shift"),
    ("wheel", "nearer, farther"),
    ("touch", "one finger turns, two shift and zoom"),
    ("at rest", "the name of a thing, in runs with masks"),
)
PAGE_KEYS: tuple[tuple[str, str], ...] = (
    ("?", "this help"),
    ("/", "type what to find; Enter asks"),
    ("W A S D", "move"),
    ("Q E", "down, up"),
    ("arrows", "turn"),
    ("Tab", "go through all controls"),
    ("Ctrl-K", "list what keys do"),
)

_SCRIPT = """
history.replaceState(null, "", location.pathname);
document.title = "langfield";

// The page's address has lost its token. A phrase that was typed and sent within one moment is sent whole: viser sends
// a text after 50 ms, but drops it if Enter comes sooner.
addEventListener("keydown", (event) => {
  const form = event.target.form;
  if (event.key !== "Enter" || event.isComposing || !form || event.target.tagName !== "INPUT") return;
  event.preventDefault();
  event.stopPropagation();
  setTimeout(() => form.requestSubmit(), 120);
}, true);

// -- keys ---------------------------------------------------------------------------------------------------------

const isTyping = (target) => target instanceof HTMLElement
  && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));

addEventListener("keydown", (event) => {
  if (event.key === "Escape" && closeHelp()) { event.stopPropagation(); return; }
  if (event.key === "Escape" && isTyping(event.target)) { event.target.blur(); return; }
  if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "?") { event.preventDefault(); if (!closeHelp()) openHelp(); }
  if (event.key === "/") {
    const prompt = document.querySelector("form input");
    if (prompt) { event.preventDefault(); prompt.focus(); prompt.select(); }
  }
}, true);

// Arrows that move a slider or go through tabs do not turn the camera as well: viser listens for them on the document.
document.addEventListener("DOMContentLoaded", () => document.body.addEventListener("keydown", (event) => {
  const control = event.target instanceof Element && event.target.closest("[role=slider],[role=tab],[role=option]");
  if (control && event.key.startsWith("Arrow")) event.stopPropagation();
}));

// -- help ---------------------------------------------------------------------------------------------------------

const HELP = __HELP__;
let helpBox = null, helpOpener = null;

function closeHelp() {
  if (!helpBox) return false;
  helpBox.remove();
  helpBox = null;
  if (helpOpener && helpOpener.isConnected) helpOpener.focus();
  return true;
}

function openHelp() {
  helpOpener = document.activeElement;
  helpBox = document.createElement("div");
  helpBox.setAttribute("role", "dialog");
  helpBox.setAttribute("aria-modal", "true");
  helpBox.setAttribute("aria-label", "Help");
  helpBox.style.cssText = "position:fixed;inset:0;z-index:100000;display:flex;align-items:center;"
    + "justify-content:center;background:rgba(0,0,0,.55);font:14px/1.4 system-ui,sans-serif;color:#e8eaed";
  const card = document.createElement("div");
  card.style.cssText = "background:#25262b;border:1px solid #41434a;border-radius:8px;padding:1.2em 1.5em;"
    + "max-width:min(92vw,58em);max-height:92vh;overflow:auto;box-shadow:0 8px 40px rgba(0,0,0,.5)";
  const columns = document.createElement("div");
  columns.style.cssText = "display:flex;flex-wrap:wrap;gap:0 2.5em";
  for (const [title, rows] of HELP) {
    const section = document.createElement("section");
    section.style.cssText = "flex:1 1 16em";
    const heading = document.createElement("h2");
    heading.textContent = title;
    heading.style.cssText = "font-size:1.05em;margin:.6em 0 .3em";
    section.append(heading);
    const list = document.createElement("dl");
    list.style.cssText = "display:grid;grid-template-columns:max-content 1fr;gap:.1em .9em;margin:0";
    for (const [key, does] of rows) {
      const term = document.createElement("dt"), meaning = document.createElement("dd");
      term.textContent = key;
      term.style.cssText = "font-weight:600;color:#a5d8ff";
      meaning.textContent = does;
      meaning.style.cssText = "margin:0;opacity:.9";
      list.append(term, meaning);
    }
    section.append(list);
    columns.append(section);
  }
  const close = document.createElement("button");
  close.textContent = "Close";
  close.style.cssText = "margin-top:1em;padding:.4em 1.1em;border:0;border-radius:5px;background:#2979c4;color:#fff;"
    + "font:inherit;cursor:pointer";
  close.onclick = closeHelp;
  card.append(columns, close);
  helpBox.append(card);
  helpBox.onclick = (event) => { if (event.target === helpBox) closeHelp(); };
  helpBox.addEventListener("keydown", (event) => {
    if (event.key === "Tab") event.preventDefault();  // there is but one button
  });
  document.body.append(helpBox);
  close.focus();
}

// -- pictures that are buttons ------------------------------------------------------------------------------------

addEventListener("click", (event) => {
  if (!(event.target instanceof Element)) return;
  if (event.target.closest("[data-langfield-help]")) { openHelp(); return; }
  const picture = event.target.closest("[data-langfield-press]");
  if (!picture) return;
  const wanted = picture.dataset.langfieldPress;
  for (const button of document.querySelectorAll("button")) {
    const follows = picture.compareDocumentPosition(button) & Node.DOCUMENT_POSITION_FOLLOWING;
    if (follows && button.textContent.trim() === wanted) { button.click(); return; }
  }
});

// -- names under the mouse ----------------------------------------------------------------------------------------

const REST_MS = 90;
let tip = null, restTimer = 0, readFrom = null, nameAt = null;

function hideTip() {
  clearTimeout(restTimer);
  if (tip) tip.style.display = "none";
}

// The names of the resting view: a small picture of numbers, each with how often it comes in a row.
function namesOfView() {
  const source = document.querySelector("[data-langfield-names]");
  const text = source ? source.dataset.langfieldNames : null;
  if (text !== readFrom) {
    readFrom = text;
    nameAt = null;
    if (text) {
      const { width, height, names, runs } = JSON.parse(text);
      const numbers = new Int16Array(width * height);
      for (let at = 0, i = 0; i < runs.length; at += runs[i + 1], i += 2) {
        numbers.fill(runs[i], at, at + runs[i + 1]);
      }
      nameAt = (x, y) => {
        const column = Math.min(width - 1, Math.floor(x * width)), row = Math.min(height - 1, Math.floor(y * height));
        return names[numbers[row * width + column]];
      };
    }
  }
  return nameAt;
}

function showTip(x, y, canvas) {
  const at = namesOfView(), frame = canvas.getBoundingClientRect();
  const name = at && at((x - frame.left) / frame.width, (y - frame.top) / frame.height);
  if (!name) { hideTip(); return; }
  if (!tip) {
    tip = document.createElement("div");
    tip.setAttribute("role", "tooltip");
    tip.style.cssText = "position:fixed;z-index:500;pointer-events:none;padding:.2em .6em;border-radius:4px;"
      + "background:rgba(20,21,24,.88);color:#fff;font:13px/1.4 system-ui,sans-serif;white-space:nowrap";
    document.body.append(tip);
  }
  tip.textContent = name;
  tip.style.display = "block";
  tip.style.left = `${Math.min(x + 14, innerWidth - tip.offsetWidth - 4)}px`;
  tip.style.top = `${Math.max(4, y - tip.offsetHeight - 8)}px`;
}

addEventListener("pointermove", (event) => {
  hideTip();
  if (event.pointerType !== "mouse" || event.buttons || !(event.target instanceof HTMLCanvasElement)) return;
  const { clientX, clientY, target } = event;
  restTimer = setTimeout(() => showTip(clientX, clientY, target), REST_MS);
}, { passive: true, capture: true });
for (const kind of ["pointerdown", "wheel", "pointerleave", "keydown"]) {
  addEventListener(kind, hideTip, { passive: true, capture: true });
}
"""


def page_script(commands: Sequence[tuple[str, str]]) -> str:
    """The script as text. Args: commands: keys of viser's commands for the help, and what they do."""
    sections = [["Keys", [*PAGE_KEYS]], ["Shortcuts", [*commands]], ["Mouse", [*MOUSE_HELP]]]
    helped = json.dumps(sections).replace("</", "<\\/")  # it stands within a script of HTML
    return f"(() => {{{_SCRIPT.replace('__HELP__', helped)}}})();"

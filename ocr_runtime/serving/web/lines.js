// The lines of a page as text: blocks, rows and tables, each line to be pointed at and chosen.

import { ADVICE, known } from "./advice.js";
import { language, say } from "./words.js";

const DOUBTFUL = 0.8; // a lower score is shown

/** The lines of a page in reading order. */
export const linesOf = (page) => (page.blocks ?? []).flatMap((block) => block.rows.flat());

/** Shows the lines of one page at a time in an element. */
export class Lines {
  #root;
  #on;
  #options = [];

  /**
   * @param root is filled
   * @param on.point is called with the number of the line under the pointer, or -1
   * @param on.pick is called with the number of a line that gets the focus
   */
  constructor(root, on) {
    this.#root = root;
    this.#on = on;
    const numberOf = (event) => this.#options.indexOf(event.target.closest("[role=option]"));
    root.addEventListener("pointerover", (event) => on.point(numberOf(event)));
    root.addEventListener("pointerleave", () => on.point(-1));
    root.addEventListener("click", (event) => this.#focus(numberOf(event)));
    root.addEventListener("focusin", (event) => {
      if (numberOf(event) >= 0) on.pick(numberOf(event));
    });
    root.addEventListener("keydown", (event) => this.#move(event, numberOf(event)));
  }

  /** Show what was read from a page, or why nothing was. */
  show(entry) {
    this.#options = [];
    const lines = linesOf(entry);
    if (!lines.length) {
      this.#root.replaceChildren(nothing(entry));
      return;
    }
    const list = element("div", "lines");
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", say("linesOfPage", { number: entry.number }));
    for (const block of entry.blocks) list.append(this.#block(block));
    this.#options[0].tabIndex = 0;
    this.#root.replaceChildren(list);
    if (lines.some((line) => line.score < DOUBTFUL)) {
      this.#root.append(element("p", "note", say("unsure")));
    }
  }

  /** Mark the line under the pointer and the one that is chosen; -1: none. */
  mark(pointed, chosen) {
    this.#options.forEach((option, number) => {
      option.classList.toggle("pointed", number === pointed);
      option.classList.toggle("chosen", number === chosen);
      option.setAttribute("aria-selected", String(number === chosen));
      option.tabIndex = number === Math.max(chosen, 0) ? 0 : -1;
    });
  }

  /** Bring a line into view, and with `focus` the keyboard to it. */
  reveal(number, { focus = false } = {}) {
    this.#options[number]?.scrollIntoView({ block: "nearest" });
    if (focus) this.#focus(number);
  }

  #focus(number) {
    this.#options[number]?.focus({ preventScroll: true });
  }

  #move(event, number) {
    const last = this.#options.length - 1;
    const to = {
      ArrowDown: number + 1,
      ArrowRight: number + 1,
      ArrowUp: number - 1,
      ArrowLeft: number - 1,
      Home: 0,
      End: last,
    }[event.key];
    if (number < 0 || to === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const next = Math.min(last, Math.max(0, to));
    this.reveal(next, { focus: true });
  }

  #block(block) {
    const isTable = block.kind === "table";
    const made = element("div", isTable ? "table" : "block");
    const columns = 1 + Math.max(0, ...block.columns.flat());
    if (isTable) made.style.gridTemplateColumns = `repeat(${columns}, minmax(min-content, auto))`;
    block.rows.forEach((row, at) => {
      if (!isTable) {
        const line = element("div", "row");
        line.append(...row.map((each) => this.#option(each)));
        made.append(line);
        return;
      }
      const cells = Array.from({ length: columns }, () => element("div", "cell"));
      row.forEach((line, place) => cells[block.columns[at]?.[place] ?? 0].append(this.#option(line)));
      made.append(...cells);
    });
    return made;
  }

  #option(line) {
    const option = element("span", line.score < DOUBTFUL ? "line doubtful" : "line", line.text ?? "");
    option.setAttribute("role", "option");
    option.setAttribute("aria-selected", "false");
    option.title = say("sure", { percent: Math.round(100 * line.score) });
    option.tabIndex = -1;
    option.dir = "auto";
    this.#options.push(option);
    return option;
  }
}

function nothing(entry) {
  if (!("code" in entry)) return element("p", "nothing", say("noText"));
  const note = element("div", "nothing");
  note.append(element("p", "", say("pageUnread", { number: entry.number })));
  note.append(...ADVICE[language()][known(entry.code)].map((sentence) => element("p", "note", sentence)));
  note.append(quoted(entry.error));
  return note;
}

/** A note with what the service says, in its own words. */
export function quoted(sentence) {
  const note = element("p", "note", `${say("fromService")} `);
  const quote = element("q", "", sentence);
  quote.lang = "en";
  note.append(quote);
  return note;
}

/** Make an element; what it says is text, never markup. */
export function element(name, kind = "", text = "") {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  if (text) made.textContent = text;
  return made;
}

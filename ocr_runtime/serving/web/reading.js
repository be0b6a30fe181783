// A document -> its pages, one by one while the service reads them.

import { isStop, Refusal } from "./service.js";

const START = 2; // depth of brackets around the entries of {"pages": [...]}

export const MOST_IN_VAIN = 2; // requests in a row that read no page, on a busy machine

/** Codes that say what is wrong with one page, not with the request. */
const OF_PAGES = [
  "timeout",
  "internal",
  "image_too_large",
  "page_too_slow",
  "unsupported_image",
  "unsupported_document",
];

/** Finds the entries in the text of a `PagesAnswer` while it arrives. */
export class EntryParser {
  #text = "";
  #at = 0;
  #begun = -1;
  #depth = 0;
  #quoted = false;

  /** Take another piece of the text; returns the entries that it completes. */
  feed(piece) {
    const entries = [];
    this.#text += piece;
    for (; this.#at < this.#text.length; this.#at += 1) {
      const sign = this.#text[this.#at];
      if (this.#quoted) {
        if (sign === "\\") this.#at += 1;
        else if (sign === '"') this.#quoted = false;
      } else if (sign === '"') this.#quoted = true;
      else if (sign === "{" || sign === "[") {
        if (this.#depth === START) this.#begun = this.#at;
        this.#depth += 1;
      } else if (sign === "}" || sign === "]") {
        this.#depth -= 1;
        if (this.#depth === START) entries.push(this.#taken());
      }
    }
    return entries;
  }

  /** Whether the text has come to its end. */
  get ended() {
    return this.#depth === 0 && this.#at > 0;
  }

  #taken() {
    const entry = JSON.parse(this.#text.slice(this.#begun, this.#at + 1));
    this.#text = this.#text.slice(this.#at + 1);
    this.#at = -1; // the loop goes on with the first sign of what is left
    return entry;
  }
}

/**
 * Read a document. The service skips pages for which a request leaves no time; these are asked for
 * in further requests. Where two of these in a row read none, the first page is given up.
 *
 * @param service a `Service`
 * @param rest numbers of the pages that are to be read; null: those of the service's options
 * @param on.begun is called with the number of pages that the document has
 * @param on.entry is called with each page, as it comes
 * @param on.round is called with the numbers of the pages that one request has read
 */
export async function readDocument(service, rest, on) {
  let inVain = 0;
  for (let wanted = rest; !wanted || wanted.length; ) {
    let answer = null;
    try {
      answer = await service.post("./pages", wanted ? { pages: ranges(wanted) } : {});
    } catch (error) {
      // The only page of a request is refused where one of several has an error in its place.
      if (wanted?.length !== 1 || !OF_PAGES.includes(error.code)) throw error;
      on.entry({ number: wanted[0], code: error.code, error: error.sentence });
      return;
    }
    on.begun(Number(answer.headers.get("X-OCR-Pages") ?? 1));
    const late = [];
    const read = [];
    try {
      for await (const entry of entriesOf(answer)) {
        if (entry.code === "timeout") {
          late.push(entry);
        } else {
          if (!("code" in entry)) read.push(entry.number);
          on.entry(entry);
        }
      }
    } finally {
      if (read.length) on.round(read);
    }
    inVain = read.length ? 0 : inVain + 1;
    if (late.length && inVain >= MOST_IN_VAIN) {
      on.entry(late.shift()); // it takes all the time, so the others go on without it
      inVain = 0;
    }
    wanted = late.map((entry) => entry.number);
  }
}

async function* entriesOf(answer) {
  const parser = new EntryParser();
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      yield* parser.feed(value);
    }
  } catch (error) {
    throw isStop(error) ? error : new Refusal("cut_off");
  }
  if (!parser.ended) throw new Refusal("cut_off");
}

/** Write numbers as the option `pages` takes them: [1, 2, 3, 7] -> "1-3,7". */
export function ranges(numbers) {
  const parts = [];
  for (const number of numbers) {
    const last = parts.at(-1);
    if (last && last[1] + 1 === number) last[1] = number;
    else parts.push([number, number]);
  }
  return parts.map(([first, last]) => (first === last ? first : `${first}-${last}`)).join(",");
}

/** The numbers of the pages that "1-3,7" asks for, of a document that has `all`. */
export function numbersOf(pages, all) {
  const asked = new Set();
  for (const part of (pages.trim() || "1-").split(",")) {
    const [first, last = first] = part.split("-").map((each) => each.trim());
    const end = Math.min(last === "" ? all : Number(last), all);
    for (let number = Number(first); number <= end; number += 1) asked.add(number);
  }
  return [...asked].sort((one, other) => one - other);
}

// Pages -> what is copied and saved: text, JSON; the service makes Markdown and PDFs.

import { MOST_IN_VAIN, ranges } from "./reading.js";
import { Refusal } from "./service.js";

/** The text of pages as the service's `/text` writes it. */
export function textOf(entries) {
  return entries.map((entry) => pageText(entry).replaceAll("\f", " ")).join("\f");
}

function pageText(entry) {
  if ("code" in entry) return `[page ${entry.number} was not read: ${entry.error}]\n`;
  const joined = (parts, sign) => parts.filter(Boolean).join(sign);
  return entry.blocks
    .map((block) => joined(block.rows.map((row) => joined(row.map((line) => line.text), " ")), "\n"))
    .filter(Boolean)
    .map((block) => `${block}\n`)
    .join("\n");
}

/** Pages as the service's `/pages` answers, indented, a point on one line. */
export function jsonOf(entries) {
  const text = JSON.stringify({ pages: entries }, null, 2);
  // In a string a line break is written as \n, so this finds only the points of boxes.
  return text.replace(/\[\n\s+(-?[\d.e+-]+),\n\s+(-?[\d.e+-]+)\n\s+\]/g, "[$1, $2]");
}

/**
 * Pages as the service's `/markdown` writes them. It is asked in as many parts as reading took, and
 * once more for the pages for which a part leaves no time.
 *
 * @param entries of the pages that were read, or the errors in their place
 * @param rounds numbers of the pages that each request has read
 * @throws Refusal if a page cannot be had that was read before
 */
export async function markdownOf(service, entries, rounds) {
  const parts = new Map(); // a page's number -> its Markdown
  for (const entry of entries) if ("code" in entry) parts.set(entry.number, unreadPage(entry));
  const asked = [...rounds];
  for (let inVain = 0; asked.length; ) {
    const numbers = asked.shift();
    const text = await service.text("./markdown", { pages: ranges(numbers) });
    const late = [];
    for (const [number, part] of partsOf(text, numbers[0])) {
      // The service writes ">" in front of nothing that was read.
      if (part.startsWith(`> page ${number} was not read: `)) late.push(number);
      else parts.set(number, part);
    }
    inVain = late.length < numbers.length ? 0 : inVain + 1;
    if (inVain >= MOST_IN_VAIN) throw new Refusal("timeout");
    if (late.length) asked.unshift(late);
  }
  const sorted = [...parts].sort(([one], [other]) => one - other);
  return sorted
    .map(([number, part], at) => (at ? `\n<!-- page ${number} -->\n\n${part}` : part))
    .join("");
}

const unreadPage = ({ number, error }) => `> page ${number} was not read: ${error}\n`;

/** Split Markdown into its pages: [number, text]; the first is not named in it. */
function partsOf(text, first) {
  const [begin, ...rest] = text.split(/\n<!-- page (\d+) -->\n\n/);
  const parts = [[first, begin]];
  for (let at = 0; at < rest.length; at += 2) parts.push([Number(rest[at]), rest[at + 1]]);
  return parts;
}

/** Put text on the clipboard. Over plain HTTP browsers offer only the older way. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    if (!copiedFromField(text)) throw new Refusal("clipboard");
  }
}

function copiedFromField(text) {
  const before = document.activeElement;
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "unseen";
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  before?.focus({ preventScroll: true });
  return done;
}

/** Let the browser save a file. */
export function save(content, name, type) {
  const link = document.createElement("a");
  const address = URL.createObjectURL(new Blob([content], { type }));
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

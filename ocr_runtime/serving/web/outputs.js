// Pages -> what is copied and saved: text, JSON; the service makes Markdown and PDFs.

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

/** Pages as Markdown: the service's, asked for in as many parts as reading took. */
export async function markdownOf(service, rounds) {
  const parts = [];
  for (const pages of rounds) {
    const text = await service.text("./markdown", rounds.length > 1 ? { pages } : {});
    // From its second page on a part names each page; so do the further parts as a whole.
    parts.push(parts.length ? `\n<!-- page ${Number.parseInt(pages, 10)} -->\n\n${text}` : text);
  }
  return parts.join("");
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

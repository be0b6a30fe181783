// One file: what was read from it so far, its pages' pictures, and what is made of it.

import { linesOf } from "./lines.js";
import { jsonOf, markdownOf, save, textOf } from "./outputs.js";
import { decoded, fits } from "./picture.js";
import { numbersOf, ranges, readDocument } from "./reading.js";
import { Refusal, Service } from "./service.js";

const PICTURE_DPI = "150"; // of a page of a PDF: sharp on a screen, and small
const MOST_PICTURES = 20; // that are kept
const MAY_PASS = ["timeout", "internal"]; // codes of pages that another request may read

/** No stage that finds lines runs: what `/annotated` draws then is the page itself. */
const NO_LINES = { use_det: "false", use_rec: "false", use_cls: "true", orientation: "0", text_layer: "never" };

export class Document {
  /** The pages that were read, in the order of the document, or the errors in their place. */
  entries = [];
  #asked = null; // numbers of the pages, once it is known how many there are
  #rounds = []; // numbers of the pages that each request has read
  #isLong = false; // whether one request leaves no time for all pages
  #pictures = new Map();
  #own = null;
  #markdown = null;

  /**
   * @param file a File
   * @param options of all its requests
   */
  constructor(file, options) {
    Object.assign(this, { file, options });
  }

  /** Read all pages that were not read before; `onProgress` is told how many are, and of how many. */
  async read(settings, onProgress) {
    const service = new Service(this.file, this.options, settings);
    const wanted = this.options.pages ?? "";
    const rest = this.unread;
    if (rest && !rest.length) return;
    this.#markdown = null;
    let requests = 0;
    await readDocument(service, rest && this.entries.length ? rest : null, {
      begun: (all) => {
        this.#asked ??= numbersOf(wanted, all);
        onProgress(this.entries.length, this.#asked.length);
      },
      entry: (entry) => {
        this.#put(entry);
        onProgress(this.entries.length, this.#asked.length);
      },
      round: (numbers) => {
        this.#rounds.push(numbers);
        requests += 1;
        this.#isLong ||= requests > 1;
      },
    });
  }

  /** How many lines were read, and on how many pages. */
  get counts() {
    const lines = this.entries.reduce((sum, entry) => sum + linesOf(entry).length, 0);
    return { lines, pages: this.entries.filter((entry) => !("code" in entry)).length };
  }

  /** Numbers of the pages that another request may read; null: it is not known yet which there are. */
  get unread() {
    const settled = this.entries.filter((entry) => !MAY_PASS.includes(entry.code));
    const numbers = new Set(settled.map((entry) => entry.number));
    return this.#asked?.filter((number) => !numbers.has(number)) ?? null;
  }

  /** Whether all pages were read that can be. */
  get complete() {
    return this.unread?.length === 0;
  }

  /** How many pages are to be read; as many as there are so far, if that is not known. */
  get total() {
    return Math.max(this.#asked?.length ?? 0, this.entries.length);
  }

  /** Which of the pages that are to be read a page is, from 1. */
  placeOf(number) {
    return this.#asked.indexOf(number) + 1;
  }

  /** The file itself as an image, if the browser can show it; null if not. */
  own() {
    return (this.#own ??= decoded(this.file));
  }

  /** The picture of a page as it was sent; the service draws those that the browser cannot. */
  async picture(entry, settings) {
    if (entry.number === 1) {
      const own = await this.own();
      if (own && fits(own, entry)) return own;
    }
    if (!this.#pictures.has(entry.number)) {
      if (this.#pictures.size >= MOST_PICTURES) {
        this.#pictures.delete(this.#pictures.keys().next().value);
      }
      const asked = new Service(this.file, this.options, settings)
        .blob("./annotated", { ...NO_LINES, pages: String(entry.number), dpi: PICTURE_DPI })
        .then(decoded);
      this.#pictures.set(entry.number, asked);
      asked.catch(() => this.#pictures.delete(entry.number)); // asked for anew next time
    }
    return this.#pictures.get(entry.number);
  }

  get text() {
    return textOf(this.entries);
  }

  get json() {
    return jsonOf(this.entries);
  }

  /** The Markdown of all pages; read by the service once more, but once only. */
  async markdown(settings) {
    if (this.#markdown === null) {
      const service = new Service(this.file, this.options, settings);
      this.#markdown = await markdownOf(service, this.entries, this.#rounds);
    }
    return this.#markdown;
  }

  /** The Markdown, if it is there already. */
  get madeMarkdown() {
    return this.#markdown;
  }

  /**
   * Have the searchable PDF of the pages that were read made and saved. What one request leaves no
   * time for is made as a job.
   *
   * @param jobs whether the service takes jobs
   * @param onProgress is told of a job how many pages are done, and of how many
   */
  async savePdf(settings, jobs, onProgress) {
    const service = new Service(this.file, this.options, settings);
    const read = this.entries.filter((entry) => !("code" in entry)).map((entry) => entry.number);
    const pages = this.complete ? {} : { pages: ranges(read) };
    let made = null;
    if (!this.#isLong) {
      try {
        made = await service.blob("./pdf", pages);
      } catch (error) {
        if (error.code !== "timeout" || read.length <= 1) throw error;
      }
    }
    if (!made && !jobs) throw new Refusal("jobs_off");
    made ??= await service.later("pdf", pages, onProgress);
    save(made, `${this.name}.pdf`, "application/pdf");
  }

  /** The file's name without its ending, to save what is made of it. */
  get name() {
    return this.file.name?.replace(/\.[^.]*$/, "") || "text";
  }

  #put(entry) {
    const at = this.entries.findIndex((each) => each.number >= entry.number);
    if (at < 0) this.entries.push(entry);
    else this.entries.splice(at, this.entries[at].number === entry.number ? 1 : 0, entry);
  }
}

// Picture and text of one page beside each other: which page, which line, in which form.

import { Lines, linesOf } from "./lines.js";
import { copy, jsonOf, save } from "./outputs.js";
import { Picture } from "./picture.js";
import { isStop } from "./service.js";
import { say } from "./words.js";

const find = (id) => document.getElementById(id);
/** Let a button do something or not: `page.js` stops its clicks. It keeps the keyboard's focus. */
const allow = (id, yes) => find(id).setAttribute("aria-disabled", String(!yes));
const FORMS = ["text", "markdown", "json"];
const FILES = {
  text: ["txt", "text/plain"],
  markdown: ["md", "text/markdown"],
  json: ["json", "application/json"],
};

export class Viewer {
  /** In which form it is shown: "text", "markdown" or "json". */
  form = "text";
  #document = null;
  #sending = null;
  #place = 0; // of the page that is shown, among those that were read
  #shown = null; // its entry
  #pointed = -1;
  #chosen = -1;
  #pictures = null; // ends the request for a picture
  #reading = false;
  #busy = false;
  #picture;
  #lines;

  constructor() {
    const fromPicture = { point: (number) => this.#point(number, "text"), pick: (number) => this.#lines.reveal(number, { focus: true }) };
    const fromText = { point: (number) => this.#point(number, "picture"), pick: (number) => this.#choose(number) };
    this.#picture = new Picture(find("picture"), fromPicture);
    this.#lines = new Lines(find("shown-text"), fromText);
  }

  /** Show a document from its first page; `sending` makes the settings of its requests. */
  open(document, sending) {
    this.#pictures?.abort();
    this.#pictures = new AbortController();
    this.form = "text";
    this.#document = document;
    this.#sending = sending;
    this.#place = 0;
    this.#shown = null;
    find("shown-text").replaceChildren();
    this.#picture.blank("");
    document.own().then((image) => {
      if (image && this.#document === document && !this.#shown) {
        this.#picture.draw(image);
        this.#picture.scanning = this.#reading;
      }
    });
    this.update();
  }

  /** Whether the document is being read. */
  set reading(yes) {
    this.#reading = yes;
    if (yes && this.form === "markdown") this.form = "text"; // there are no pages in it yet
    this.#picture.scanning = yes && !this.#shown;
    if (!yes && this.#picture.isEmpty && !this.#shown) this.#picture.blank(say("noPicture"));
    if (this.#document) this.update();
  }

  /** Whether something is under way, which another request would end. */
  set busy(yes) {
    this.#busy = yes;
    if (this.#document) this.update();
  }

  /** Show what has come since; `anew`: in another language. */
  update({ anew = false } = {}) {
    const { entries, total } = this.#document;
    const entry = entries[this.#place] ?? null;
    if (entry !== this.#shown || anew) this.#showPage(entry, anew);
    find("turning").hidden = total < 2;
    find("place").textContent = this.#placeLabel(entry);
    allow("previous", this.#place > 0);
    allow("next", this.#place < entries.length - 1);
    allow("pdf", entries.length > 0 && !this.#busy);
    find("copy").textContent = this.#copyLabel();
    this.#showForm();
  }

  /** Listen to the buttons; `underWay` runs what takes time. */
  listen(underWay) {
    find("previous").addEventListener("click", () => this.#turn(-1));
    find("next").addEventListener("click", () => this.#turn(1));
    find("enlarge").addEventListener("click", ({ currentTarget }) => {
      const large = find("picture").classList.toggle("large");
      currentTarget.setAttribute("aria-pressed", String(large));
    });
    FORMS.forEach((form) => {
      find(`tab-${form}`).addEventListener("click", () => this.#choseForm(form, underWay));
      find(`tab-${form}`).addEventListener("keydown", ({ key }) => {
        const way = { ArrowRight: 1, ArrowLeft: -1 }[key];
        if (!way) return;
        const next = FORMS[(FORMS.indexOf(form) + way + FORMS.length) % FORMS.length];
        find(`tab-${next}`).focus();
      });
    });
  }

  async copy(settings) {
    await copy(await this.#written(settings));
  }

  async save(settings) {
    const [ending, type] = FILES[this.form];
    save(await this.#written(settings), `${this.#document.name}.${ending}`, type);
  }

  /** All pages in the form that is shown. */
  async #written(settings) {
    return this.form === "markdown" ? this.#document.markdown(settings) : this.#document[this.form];
  }

  #placeLabel(entry) {
    const count = this.#document.total;
    if (!entry) return say("place", { place: "–", count });
    const { number } = entry;
    const place = this.#document.placeOf(number);
    return say(number === place ? "place" : "placeOfPage", { number, place, count });
  }

  #copyLabel() {
    const { complete, counts, entries, total } = this.#document;
    if (total < 2 || !entries.length) return say("copy");
    return complete ? say("copyAll") : say("copySome", { pages: counts.pages, total });
  }

  #turn(way) {
    this.#place += way;
    this.update();
    find("picture").scrollTop = 0;
    find("shown-text").scrollTop = 0;
  }

  async #choseForm(form, underWay) {
    this.form = form;
    this.#showForm();
    if (form === "markdown" && this.#document.entries.length && !this.#document.madeMarkdown) {
      await underWay((settings) => this.#document.markdown(settings));
      this.#showForm();
    }
  }

  #showForm() {
    const { entries, madeMarkdown } = this.#document;
    const isThere = entries.length > 0 && (madeMarkdown !== null || !this.#busy); // or can be made
    allow("tab-markdown", isThere);
    for (const id of ["copy", "save"]) allow(id, this.form === "markdown" ? isThere : entries.length > 0);
    for (const form of FORMS) {
      const isShown = form === this.form;
      find(`tab-${form}`).setAttribute("aria-selected", String(isShown));
      find(`tab-${form}`).tabIndex = isShown ? 0 : -1;
      find(`shown-${form}`).hidden = !isShown;
    }
    if (this.form === "markdown") find("shown-markdown").textContent = madeMarkdown ?? "";
    if (this.form === "json") {
      find("shown-json").textContent = this.#shown ? jsonOf([this.#shown]) : "";
    }
    find("one-page").hidden = this.form !== "json" || this.#document.total < 2;
  }

  #showPage(entry, anew) {
    this.#shown = entry;
    this.#pointed = -1;
    this.#chosen = -1;
    if (!entry) return;
    this.#lines.show(entry);
    if (anew) {
      this.#mark();
    } else {
      this.#picture.clear();
      this.#showPicture(entry);
    }
  }

  async #showPicture(entry) {
    if ("code" in entry) {
      this.#picture.blank(say("noPicture"));
      return;
    }
    const settings = { ...this.#sending(this.#pictures.signal), onWait: () => {} };
    const asked = this.#document.picture(entry, settings);
    const late = setTimeout(() => this.#shown === entry && this.#picture.blank(""), 200);
    let image = null;
    try {
      image = await asked;
    } catch (error) {
      if (isStop(error)) return;
    } finally {
      clearTimeout(late);
    }
    if (this.#shown !== entry) return;
    if (!image) {
      this.#picture.blank(say("noPicture"));
      return;
    }
    this.#picture.draw(image, entry.orientation);
    this.#picture.outline(entry, linesOf(entry));
    this.#mark();
  }

  #point(number, other) {
    this.#pointed = number;
    this.#mark();
    if (number < 0) return;
    if (other === "picture") this.#picture.reveal(number);
    else this.#lines.reveal(number);
  }

  #choose(number) {
    this.#chosen = number;
    this.#mark();
    this.#picture.reveal(number);
  }

  #mark() {
    this.#picture.mark(this.#pointed, this.#chosen);
    this.#lines.mark(this.#pointed, this.#chosen);
  }
}

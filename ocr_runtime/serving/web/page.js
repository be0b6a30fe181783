// The page: a file comes in, is read, and is shown; what a person does is handled here.

import * as options from "./options.js";
import { Document } from "./document.js";
import { Problem } from "./problem.js";
import { Refusal, facts, isStop } from "./service.js";
import { Viewer } from "./viewer.js";
import { language, preferred, remember, say, speak } from "./words.js";

const find = (id) => document.getElementById(id);
const problem = new Problem(find("problem"));
const viewer = new Viewer();

let service = { keys: false, jobs: false, max_body_mb: Infinity, orientation: "auto", layout: "auto" };
let opened = null; // the `Document` that is shown
let stopper = null; // ends what is under way
let stopped = false; // whether a person ended the reading
let step = null; // key and values of the line that says how far it is

/** Say in one line how far it is; null: nothing is under way. */
function showStep(key, values = {}, share = null) {
  step = key && { key, values, share };
  find("under-way").hidden = !step;
  if (!step) return;
  find("step").textContent = say(key, values);
  if (share === null) find("progress").removeAttribute("value");
  else find("progress").value = share;
}

/** Have screen readers say something. */
function announce(key, values = {}) {
  find("said").textContent = say(key, values);
}

/** Offer to read the pages that were not read, unless a problem offers it or something is under way. */
function showRest() {
  const offers = opened && !opened.complete && !stopper && !find("problem").querySelector("button");
  find("rest").hidden = !offers;
  if (!offers) return;
  const { total, counts: { pages } } = opened;
  const parts = [stopped && say("stopped"), total && say("readSoFar", { pages, total })];
  find("unread").textContent = parts.filter(Boolean).join(" ");
  find("read-rest").textContent = say(pages ? "readRest" : "tryAgain");
}

/** Bring the keyboard's focus to the heading, if it is on something that is about to disappear. */
function leave(...ids) {
  if (ids.some((id) => find(id).contains(document.activeElement))) find("name").focus();
}

/** Do something that takes time; what goes wrong is shown, with a way to try again. */
async function underWay(work, again) {
  stopper?.abort();
  const mine = new AbortController();
  stopper = mine;
  leave("problem", "rest");
  problem.clear();
  viewer.busy = true;
  showRest();
  try {
    await work(mine.signal);
  } catch (error) {
    if (stopper !== mine) return;
    if (isStop(error)) {
      announce("stopped");
      stopped ||= again === read;
    } else explain(error, again);
  } finally {
    if (stopper === mine) {
      stopper = null;
      leave("under-way");
      showStep(null);
      viewer.reading = false;
      viewer.busy = false;
      showRest();
    }
  }
}

function explain(error, again) {
  const refusal = error instanceof Refusal ? error : new Refusal("internal");
  if (refusal !== error) console.error(error);
  const label = refusal.code === "cut_off" ? "readRest" : "tryAgain";
  find("work").hidden = !opened?.entries.length; // without pages there is nothing to show
  problem.show(refusal, { megabytes: service.max_body_mb }, again && { label, run: again });
  if (refusal.status === 401) options.askForKey();
  else if (refusal.code.endsWith("password") || refusal.code === "password_required") options.openAt("password");
  else if (refusal.code === "too_many_pages") options.openAt("pages");
  else if (refusal.code === "invalid_option") options.openAt(options.named(refusal.sentence) ?? "pages");
}

/** Settings of requests that belong to what is under way. */
const sending = (signal) => ({
  key: options.key(),
  signal,
  onWait: (seconds) => {
    if (seconds) showStep("waiting", { seconds });
    else showStep("reading");
  },
});

/** Read a file from its beginning. */
function open(file) {
  opened = new Document(file, options.chosen());
  document.body.dataset.view = "work";
  find("start").hidden = true;
  for (const id of ["bar", "work"]) find(id).hidden = false;
  find("name").textContent = file.name || say("picture");
  find("again").hidden = true;
  viewer.open(opened, sending);
  find("name").focus();
  read();
}

function read() {
  const current = opened;
  return underWay(async (signal) => {
    const name = current.file.name || say("picture");
    if (current.file.size > service.max_body_mb * 2 ** 20) throw new Refusal("body_too_large");
    if (!current.file.size) throw new Refusal("missing_image");
    find("work").hidden = false;
    showStep("sending", { name });
    announce("reading");
    viewer.reading = true;
    stopped = false;
    await current.read(sending(signal), (done, total) => {
      if (total === null) showStep("readingSome", { done });
      else if (total > 1) showStep("readingPage", { done: Math.min(done + 1, total), total }, done / total);
      else showStep("reading");
      viewer.update();
    });
    const { lines, pages } = current.counts;
    if (pages > 1) announce("done", { lines, pages });
    else announce(lines === 1 ? "doneLine" : "doneOne", { lines });
  }, read);
}

/** Do something with what is shown; Markdown may have to be made first. */
async function withWritten(what) {
  if (viewer.form !== "markdown" || opened.madeMarkdown !== null) {
    problem.clear();
    showRest();
    await what(null).catch((error) => explain(error, null));
  } else {
    await underWay((signal) => {
      showStep("makingMarkdown");
      return what(sending(signal));
    }, null);
  }
}

function copy() {
  return withWritten(async (settings) => {
    await viewer.copy(settings);
    announce("copied");
    find("copy").textContent = say("copied");
    setTimeout(() => viewer.update(), 1500);
  });
}

function makePdf() {
  const current = opened;
  return underWay(async (signal) => {
    showStep("makingPdf");
    await current.savePdf(sending(signal), service.jobs, (done, total) =>
      showStep("makingPdfPage", { done, total }, done / total),
    );
    announce("donePdf");
  }, makePdf);
}

function begin() {
  stopper?.abort();
  opened = null;
  problem.clear();
  showStep(null);
  showRest();
  document.body.dataset.view = "start";
  find("start").hidden = false;
  for (const id of ["bar", "work", "again"]) find(id).hidden = true;
  find("choose").focus();
}

function take(files) {
  const [file] = files;
  if (!file) return;
  open(file);
  const isOneOfSeveral = files.length > 1;
  find("one-file").hidden = !isOneOfSeveral;
  if (isOneOfSeveral) announce("oneOfSeveral", { name: file.name });
  showOneFile();
}

function showOneFile() {
  find("one-file").textContent = say("oneOfSeveral", { name: opened?.file.name });
}

function listenForFiles() {
  for (const [button, input] of [["choose", "file"], ["photograph", "camera"], ["another", null]]) {
    find(button).addEventListener("click", () => (input ? find(input).click() : begin()));
  }
  for (const id of ["file", "camera"]) {
    find(id).addEventListener("change", ({ target }) => {
      take([...target.files]);
      target.value = ""; // so that the same file can be chosen again
    });
  }
  addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files];
    if (!files.length) return;
    event.preventDefault();
    take(files);
  });
  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    find("veil").hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) find("veil").hidden = true;
  });
  addEventListener("drop", (event) => {
    find("veil").hidden = true;
    const isFiles = holdsFiles(event);
    if (!isFiles && event.target.closest?.("input")) return; // a field takes text
    event.preventDefault(); // browsers may follow a link that is dropped
    if (isFiles) take([...event.dataTransfer.files]);
  });
}

function listen() {
  const stopIfDisabled = (event) => {
    if (event.target.closest("[aria-disabled=true]")) event.stopPropagation();
  };
  addEventListener("click", stopIfDisabled, { capture: true });
  listenForFiles();
  addEventListener("pagehide", () => stopper?.abort()); // so that a job does not go on for nobody
  find("stop").addEventListener("click", () => stopper?.abort());
  find("read-rest").addEventListener("click", read);
  find("copy").addEventListener("click", copy);
  find("save").addEventListener("click", () => withWritten((settings) => viewer.save(settings)));
  find("pdf").addEventListener("click", makePdf);
  find("secret").addEventListener("submit", (event) => {
    event.preventDefault();
    options.key();
    if (opened) open(opened.file);
    else find("choose").focus();
  });
  find("chosen").addEventListener("submit", (event) => {
    event.preventDefault();
    if (opened) open(opened.file);
  });
  find("chosen").addEventListener("input", () => {
    find("again").hidden = !opened;
  });
  viewer.listen((work) => underWay(async (signal) => {
    showStep("makingMarkdown");
    await work(sending(signal));
  }, null));
  find("language").addEventListener("click", () => {
    remember(language() === "en" ? "zh" : "en");
    change(language() === "en" ? "zh" : "en");
  });
}

function change(wanted) {
  speak(wanted);
  find("language").textContent = say("language");
  find("language").lang = wanted === "en" ? "zh-CN" : "en";
  options.label();
  problem.again();
  showRest();
  showOneFile();
  if (step) showStep(step.key, step.values, step.share);
  if (opened) viewer.update({ anew: true });
}

listen();
change(preferred());
try {
  service = await facts();
  find("kinds").dataset.megabytes = service.max_body_mb;
} catch (error) {
  explain(error, () => location.reload());
}
options.prepare(service);
change(language());
document.body.dataset.ready = "true";

// The form of options, and the API key.

import { say } from "./words.js";

const SELECTS = ["orientation", "layout", "text_layer"];
const KEY = "key";

const find = (id) => document.getElementById(id);

/** Which choice of a select the service takes if it is told none. */
const standard = { text_layer: "auto" };

/** Show the defaults of a service. */
export function prepare(facts) {
  Object.assign(standard, { orientation: facts.orientation, layout: facts.layout });
  for (const name of SELECTS) find(name).value = standard[name];
  label();
  find("secret").hidden = !facts.keys;
  find("key").value = stored();
}

/** Mark the defaults, in the current language. */
export function label() {
  for (const name of SELECTS) {
    for (const option of find(name).options) {
      const text = say(option.dataset.text);
      const isStandard = option.value === standard[name];
      option.textContent = isStandard ? say("standard", { name: text }) : text;
    }
  }
}

/** The options that differ from the defaults: field -> value. */
export function chosen() {
  const fields = Object.fromEntries(new FormData(find("chosen")));
  for (const name of SELECTS) if (fields[name] === standard[name]) delete fields[name];
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ""));
}

/** The option that a sentence of the service begins with; undefined: none of the form's. */
export function named(sentence) {
  const name = /^\w+/.exec(sentence)?.[0];
  return [...find("chosen").elements].some((field) => field.name === name) ? name : undefined;
}

/** Open the options at one of them. */
export function openAt(name) {
  find("options").open = true;
  find(name).focus();
}

/** Ask for the key, if it is not being asked for. */
export function askForKey() {
  find("secret").hidden = false;
  find("key").focus();
}

/** The key that was entered, which is kept until the tab is closed. */
export function key() {
  const entered = find("key").value.trim();
  try {
    if (entered) sessionStorage.setItem(KEY, entered);
    else sessionStorage.removeItem(KEY);
  } catch {
    // the browser keeps nothing: then it is entered anew after a reload
  }
  return entered;
}

function stored() {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

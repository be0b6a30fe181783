// The box that says what went wrong and what to do about it.

import { ADVICE, known } from "./advice.js";
import { element, quoted } from "./lines.js";
import { language, say } from "./words.js";

/** Shows one problem at a time in an element that screen readers announce. */
export class Problem {
  #root;
  #shown = null;

  constructor(root) {
    this.#root = root;
  }

  /**
   * @param refusal why there is no answer
   * @param values for the {names} of the advice
   * @param action.label key of what its button says
   * @param action.run what the button does
   */
  show(refusal, values, action = null) {
    this.#shown = [refusal, values, action];
    const [what, advice] = ADVICE[language()][known(refusal.code, refusal.status)];
    const box = element("div", "problem");
    const filled = what.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
    box.append(element("p", "what", filled), element("p", "", advice));
    if (refusal.sentence) box.append(quoted(refusal.sentence));
    if (refusal.status >= 500 && refusal.requestId) {
      box.append(element("p", "note", say("requestId", { id: refusal.requestId })));
    }
    if (action) {
      const button = element("button", "main", say(action.label));
      button.type = "button";
      button.addEventListener("click", action.run);
      box.append(button);
    }
    this.#root.replaceChildren(box);
  }

  clear() {
    this.#shown = null;
    this.#root.replaceChildren();
  }

  /** Say the same in the current language. */
  again() {
    if (this.#shown) this.show(...this.#shown);
  }
}

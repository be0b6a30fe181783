// Requests to the service: a file and options -> an answer, or a `Refusal`.

const TRIES_WHEN_BUSY = 6;
const LONGEST_WAIT_SECONDS = 60;
const POLL_MILLISECONDS = 1000;
const MOST_FAILED_POLLS = 10; // in a row: a connection that comes back does not lose a job

/** Why there is no answer, in the service's own words. */
export class Refusal extends Error {
  /**
   * @param code of the service, or "network", "cut_off", "cut_short", "wrong_key", "clipboard", "job_failed"
   * @param more status (0: no answer came), sentence, requestId, retryAfter in seconds
   */
  constructor(code, { status = 0, sentence = "", requestId = "", retryAfter = null } = {}) {
    super(code);
    Object.assign(this, { code, status, sentence, requestId, retryAfter });
  }
}

/** What the page has to know of the service. */
export async function facts() {
  return (await checked(await fetched("./web/service.json"))).json();
}

/** Speaks with the service for one file. */
export class Service {
  /**
   * @param file a File or Blob
   * @param options field -> value; those of the service's API
   * @param settings.key of the API, or ""
   * @param settings.signal ends the request
   * @param settings.onWait is told the seconds left before another try
   */
  constructor(file, options, { key, signal, onWait = () => {} }) {
    Object.assign(this, { file, options, key, signal, onWait });
  }

  /** Post the file to an output; resolves with its Response once that has begun. */
  async post(path, options = {}) {
    const form = new FormData();
    for (const [name, value] of Object.entries({ ...this.options, ...options })) {
      if (value !== "") form.set(name, value);
    }
    form.set("file", this.file, "file"); // its name is nobody's business
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#send(path, { method: "POST", body: form });
      } catch (error) {
        const waits = error instanceof Refusal && [429, 503].includes(error.status);
        if (!waits || error.retryAfter === null || tries > TRIES_WHEN_BUSY) throw error;
        // A second longer each time, so that many such pages leave one another room.
        await this.#wait(Math.min(error.retryAfter + tries - 1, LONGEST_WAIT_SECONDS));
      }
    }
  }

  async text(path, options) {
    return body(await this.post(path, options), "text");
  }

  async blob(path, options) {
    return body(await this.post(path, options), "blob");
  }

  /** The answer of an output that takes longer than a request may, made as a job. */
  async later(output, options, onProgress) {
    const made = await body(await this.post(`./jobs?output=${output}`, options), "json");
    const path = `./jobs/${encodeURIComponent(made.id)}`;
    try {
      for (let job = made; ; ) {
        onProgress(job.pages_done, job.pages);
        if (job.state === "done") return await this.#poll(`${path}/result`, "blob");
        if (job.state === "failed" || job.state === "cancelled") {
          throw new Refusal("job_failed", { sentence: job.errors.at(-1)?.error });
        }
        await pause(POLL_MILLISECONDS, this.signal);
        job = await this.#poll(path, "json");
      }
    } finally {
      // Whether it is done or not, nobody else wants it: ended, then forgotten.
      const gone = { method: "DELETE", headers: this.#headers(), keepalive: true };
      fetch(path, gone).then((first) => first.status === 200 && fetch(path, gone), () => {});
    }
  }

  /** Ask for a body; again, if no answer comes or the server has a fault. */
  async #poll(path, kind) {
    for (let failed = 1; ; failed += 1) {
      try {
        return await body(await this.#send(path), kind);
      } catch (error) {
        const mayPass = error instanceof Refusal && (error.status === 0 || error.status >= 500);
        if (!mayPass || failed > MOST_FAILED_POLLS) throw error;
      }
      await pause(POLL_MILLISECONDS, this.signal);
    }
  }

  async #send(path, request = {}) {
    const answer = await fetched(path, { ...request, headers: this.#headers(), signal: this.signal });
    try {
      return await checked(answer);
    } catch (error) {
      if (error.code === "unauthorized" && this.key) error.code = "wrong_key";
      throw error;
    }
  }

  #headers() {
    // What is not ASCII cannot be sent in a header, and is no key.
    return this.key ? { "X-API-Key": this.key.replace(/[^\x20-\x7e]/g, "?") } : {};
  }

  async #wait(seconds) {
    for (let left = Math.ceil(seconds); left > 0; left -= 1) {
      this.onWait(left);
      await pause(1000, this.signal);
    }
    this.onWait(0);
  }
}

/** Whether an error only says that the person stopped it. */
export const isStop = (error) => error?.name === "AbortError";

async function fetched(path, request = {}) {
  try {
    return await fetch(path, { ...request, credentials: "same-origin", redirect: "error" });
  } catch (error) {
    throw isStop(error) ? error : new Refusal("network");
  }
}

async function body(answer, kind) {
  try {
    return await answer[kind]();
  } catch (error) {
    throw isStop(error) ? error : new Refusal("cut_short");
  }
}

async function checked(answer) {
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({}));
  const seconds = Number.parseInt(answer.headers.get("Retry-After") ?? "", 10);
  throw new Refusal(typeof said.code === "string" ? said.code : "", {
    status: answer.status,
    sentence: typeof said.error === "string" ? said.error : "",
    requestId: answer.headers.get("X-Request-ID") ?? "",
    retryAfter: Number.isNaN(seconds) ? null : seconds,
  });
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const ended = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", ended);
      resolve();
    }, milliseconds);
    signal.addEventListener("abort", ended, { once: true });
  });
}

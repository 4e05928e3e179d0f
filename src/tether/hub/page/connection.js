/* The link to the server: opening it, noticing that it is dead, opening it again.
   It must not know devices or the document; a request that could not be answered is never sent
   a second time, whoever wants that has to ask again. */

/**
 * @typedef {"connecting" | "connected" | "checking" | "waiting" | "reconnecting" | "offline"} LinkState
 * @typedef {{id: number, type: string, ok: boolean, status?: string, state?: object,
 *            history?: object, time?: number, error?: {code: string, message: string}}} Result
 */

const SUBPROTOCOL = "tether.v1";
const PING_EVERY = 10_000;
const PING_DEADLINE = 5_000;
/** After a hint that the network is gone one does not wait so long. */
const PROBE_DEADLINE = 2_000;
const OPEN_DEADLINE = 8_000;
const FIRST_DELAY = 500;
const LONGEST_DELAY = 15_000;
/** The server closes with this code when a client was too slow: give it some air. */
const TRY_AGAIN_LATER = 1013;
const LATER_DELAY = 5_000;

/** A request that did not reach the server, or whose answer did not come back. */
export class NotAnswered extends Error {
  /**
   * @param {string} message for people
   * @param {boolean} sent whether it may have reached the server
   */
  constructor(message, sent) {
    super(message);
    this.sent = sent;
  }
}

/**
 * Events: `state` when `state` or `retryAt` changed, `message` (detail: the parsed message) for
 * everything that answers no request.
 */
export class Connection extends EventTarget {
  /** @type {LinkState} */
  state = "connecting";
  /** When the next try is due, in milliseconds since 1970; 0 when none is waiting. */
  retryAt = 0;

  #url;
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {Map<number, {resolve: (result: Result) => void, reject: (error: Error) => void,
   *   timer: number, update?: (status: string) => void}>} */
  #waiting = new Map();
  #lastId = 0;
  #failures = 0;
  #heardAt = 0;
  /** @type {number | undefined} */
  #pingTimer;
  /** @type {number | undefined} */
  #deadline;
  /** @type {number | undefined} */
  #retryTimer;
  #probing = false;

  /** @param {string | URL} url a ws: or wss: address */
  constructor(url) {
    super();
    this.#url = url;
  }

  /** Open the link, and keep it open from now on. */
  start() {
    addEventListener("online", () => this.#networkChanged(true));
    addEventListener("offline", () => this.#networkChanged(false));
    addEventListener("pagehide", () => this.#drop(1000));
    addEventListener("pageshow", (event) => event.persisted && this.retryNow());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState !== "visible") return;
      if (!this.#socket) this.retryNow();
      // Timers stand still while a machine sleeps: silence this long means nobody asked.
      else if (Date.now() - this.#heardAt > PING_EVERY + 1_000) this.#probe();
    });
    this.#open();
  }

  /** Whether a request would be sent now. */
  get ready() {
    return this.state === "connected";
  }

  /** Try to connect at once instead of when the wait is over. */
  retryNow() {
    if (this.#socket) return;
    this.#failures = 0;
    this.#open();
  }

  /**
   * Send a request once and wait for its final answer.
   * @param {object} message without id
   * @param {{timeout?: number, update?: (status: string) => void}} [options] milliseconds
   * @returns {Promise<Result>} also where the server says no (`ok` is false then)
   * @throws {NotAnswered}
   */
  request(message, { timeout = 10_000, update } = {}) {
    if (!this.ready || !this.#socket) {
      return Promise.reject(new NotAnswered("no connection", false));
    }
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId;
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new NotAnswered("the server did not answer in time", true));
      }, timeout);
      this.#waiting.set(id, { resolve, reject, timer, update });
      socket.send(JSON.stringify({ ...message, id }));
    });
  }

  #open() {
    clearTimeout(this.#retryTimer);
    this.retryAt = 0;
    const socket = new WebSocket(this.#url, SUBPROTOCOL);
    this.#socket = socket;
    if (this.state !== "connecting" && this.state !== "offline") this.#become("reconnecting");
    // A network that swallows packets never says that it failed.
    this.#deadline = setTimeout(() => this.#lost(), OPEN_DEADLINE);
    socket.onmessage = (event) => this.#heard(event.data);
    socket.onclose = (event) => this.#lost(event.code);
  }

  /** @param {string} text */
  #heard(text) {
    this.#heardAt = Date.now();
    const message = JSON.parse(text);
    if (this.state !== "connected" && message.type === "snapshot") this.#connected();
    const waiting = this.#waiting.get(message.id);
    if (!waiting) {
      this.dispatchEvent(new CustomEvent("message", { detail: message }));
    } else if (message.type === "command") {
      waiting.update?.(message.status);
    } else {
      this.#waiting.delete(message.id);
      clearTimeout(waiting.timer);
      waiting.resolve(message);
    }
  }

  #connected() {
    clearTimeout(this.#deadline);
    clearInterval(this.#pingTimer);
    this.#failures = 0;
    this.#pingTimer = setInterval(() => this.#ping(PING_DEADLINE), PING_EVERY);
    this.#become("connected");
  }

  /** Ask whether the other end is still there. @param {number} deadline milliseconds */
  #ping(deadline) {
    if (!this.#socket || this.#probing) return;
    const socket = this.#socket;
    const id = ++this.#lastId;
    this.#probing = true;
    const timer = setTimeout(() => {
      this.#waiting.delete(id);
      if (this.#socket === socket) this.#lost();
    }, deadline);
    const resolve = (/** @type {Result} */ result) => {
      this.#probing = false;
      this.dispatchEvent(new CustomEvent("message", { detail: result }));
      if (this.state === "checking") this.#become("connected");
    };
    this.#waiting.set(id, { resolve, reject: () => {}, timer });
    socket.send(JSON.stringify({ type: "ping", id }));
  }

  /** The link may be dead: nothing is sent until the server answered. */
  #probe() {
    if (this.state !== "connected") return;
    this.#become("checking");
    // A ping that is on its way already has the longer deadline; ask again with the short one.
    this.#probing = false;
    this.#ping(PROBE_DEADLINE);
  }

  /** @param {boolean} online what the browser believes; it may be wrong about this server */
  #networkChanged(online) {
    if (this.state === "connected") this.#probe();
    else if (online) {
      // An attempt made on the old network would only run into its deadline.
      this.#drop(1000);
      this.retryNow();
    } else if (this.state !== "checking") this.#become("offline");
  }

  /** Forget the socket; what waits for an answer is told. @param {number} [code] */
  #drop(code) {
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = null;
    this.#probing = false;
    clearTimeout(this.#deadline);
    clearInterval(this.#pingTimer);
    // Closing a half-open socket takes minutes to be reported; nobody listens any more.
    socket.onmessage = socket.onclose = null;
    socket.close(code);
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject, timer } of waiting) {
      clearTimeout(timer);
      reject(new NotAnswered("the connection was lost before an answer came", true));
    }
  }

  /** @param {number} [code] the close code, where there was one */
  #lost(code) {
    this.#drop();
    clearTimeout(this.#retryTimer);
    const longest = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.#failures++);
    // Half of it is chance, so that a restarted server is not met by everybody at once.
    const delay = longest * (0.5 + Math.random() / 2) + (code === TRY_AGAIN_LATER ? LATER_DELAY : 0);
    this.retryAt = Date.now() + delay;
    this.#retryTimer = setTimeout(() => this.#open(), delay);
    this.#become(navigator.onLine ? "waiting" : "offline");
  }

  /** @param {LinkState} state */
  #become(state) {
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}

/* What is known of the devices: their state as the server told it, their last hour, and the
   command that is on its way. It must not know the document.
   A command never changes a state; only what the server says does. */

import { NotAnswered } from "./connection.js";

/**
 * @typedef {{device: string, value: number | boolean | null,
 *            status: "ok" | "unknown" | "unavailable", time: number, reason: string}} State
 * @typedef {{id: string, name: string, kind: "sensor" | "switch" | "light", unit: string,
 *            device_class: string, simulated: boolean, writable: boolean,
 *            minimum: number | null, maximum: number | null, interval: number,
 *            expire_after: number | null, state: State}} Device
 * @typedef {{phase: "pending" | "failed", value: number | boolean, message: string}} Command
 * @typedef {[number, number | null]} Point time in Unix seconds and value, null for "none"
 * @typedef {{device: Device, state: State, points: Point[], complete: boolean,
 *            command: Command | null}} Entry
 */

/** Seconds that the chart shows at most. */
export const HISTORY = 3600;
const FAILURE_SHOWN = 8_000;
/** Seconds after which the server must not carry out a command any more. */
const COMMAND_VALID = 5;
/** Clocks further apart than this were set, not delayed. Seconds. */
const CLOCK_JUMP = 5;

/** Events: `devices` (the set changed) and `change` (detail: a device id). */
export class Store extends EventTarget {
  /** @type {Map<string, Entry>} */
  entries = new Map();
  /** @type {{name: string, version: string, started: number} | null} */
  server = null;

  #connection;
  #clockOffset = 0;
  #snapshots = 0;

  /** @param {import("./connection.js").Connection} connection */
  constructor(connection) {
    super();
    this.#connection = connection;
    connection.addEventListener("message", (event) => {
      const message = /** @type {CustomEvent} */ (event).detail;
      if (typeof message.time === "number") this.#setClock(message.time, message.type);
      if (message.type === "snapshot") this.#takeSnapshot(message);
      else if (message.type === "states") for (const state of message.states) this.#take(state);
    });
  }

  /** The server's clock, in Unix seconds. */
  now() {
    return Date.now() / 1000 + this.#clockOffset;
  }

  /**
   * What to show for a device now: a value that went stale on the way is not a value.
   * @param {Entry} entry
   * @returns {State}
   */
  stateOf({ device, state }) {
    const age = this.now() - state.time;
    if (state.status !== "ok" || !device.expire_after || age <= device.expire_after) return state;
    const reason = `no reading for ${device.expire_after} s`;
    return { ...state, value: null, status: "unavailable", reason };
  }

  /**
   * Ask for a value, once. The outcome is in the entry's `command`.
   * @param {string} id
   * @param {number | boolean} value
   */
  async set(id, value) {
    const entry = this.entries.get(id);
    if (!entry || entry.command?.phase === "pending") return;
    if (!this.#connection.ready) {
      const checking = this.#connection.state === "checking";
      this.#fail(entry, value, checking
        ? "Not sent: the server does not answer at the moment."
        : "Not sent: there is no connection.");
      return;
    }
    const command = { phase: /** @type {const} */ ("pending"), value, message: "" };
    entry.command = command;
    this.#changed(id);
    let failure = "";
    try {
      const result = await this.#connection.request(
        { type: "set", device: id, value, not_after: this.now() + COMMAND_VALID },
      );
      if (result.ok) this.#take(/** @type {State} */ (result.state));
      else failure = sentence(`Failed: ${result.error?.message ?? "the server does not say why"}`);
    } catch (error) {
      if (!(error instanceof NotAnswered)) throw error;
      failure = error.sent
        ? `Not confirmed: ${error.message}. It is not sent again.`
        : `Not sent: ${error.message}.`;
    }
    const current = this.entries.get(id);
    if (!current || (current.command && current.command !== command)) return;
    current.command = null;
    if (failure) this.#fail(current, value, failure);
    else this.#changed(id);
  }

  /** @param {Entry} entry @param {number | boolean} value @param {string} message */
  #fail(entry, value, message) {
    const command = { phase: /** @type {const} */ ("failed"), value, message };
    entry.command = command;
    this.#changed(entry.device.id);
    setTimeout(() => {
      if (entry.command !== command) return;
      entry.command = null;
      this.#changed(entry.device.id);
    }, FAILURE_SHOWN);
  }

  /** @param {{server: any, devices: Device[]}} snapshot */
  #takeSnapshot(snapshot) {
    this.server = snapshot.server;
    const old = this.entries;
    this.entries = new Map();
    for (const device of snapshot.devices) {
      const { points = [], complete = false, command = null } = old.get(device.id) ?? {};
      this.entries.set(device.id, { device, state: device.state, points, complete, command });
    }
    this.dispatchEvent(new Event("devices"));
    this.#fetchHistory(++this.#snapshots);
  }

  /**
   * After every snapshot: what happened while nobody listened is not known otherwise.
   * @param {number} snapshot
   */
  async #fetchHistory(snapshot) {
    for (const [id, { device }] of this.entries) {
      if (device.kind !== "sensor") continue;
      try {
        const { history } = await this.#connection.request(
          { type: "history", device: id, seconds: HISTORY },
        );
        const entry = this.entries.get(id);
        if (snapshot !== this.#snapshots || !entry) return;
        if (!history) continue;
        const { points, complete } = /** @type {{points: Point[], complete: boolean}} */ (history);
        const end = points.at(-1)?.[0] ?? 0;
        entry.points = [...points, ...entry.points.filter(([time]) => time > end)];
        entry.complete = complete;
        this.#changed(id);
      } catch (error) {
        if (error instanceof NotAnswered) return;
        throw error;
      }
    }
  }

  /** @param {State} state */
  #take(state) {
    const entry = this.entries.get(state.device);
    if (!entry) return;
    entry.state = state;
    if (entry.device.kind === "sensor") this.#remember(entry, state);
    this.#changed(state.device);
  }

  /** @param {Entry} entry @param {State} state */
  #remember({ points }, { status, value, time }) {
    const last = points.at(-1);
    if (status === "ok" && typeof value === "number") {
      if (!last || time > last[0]) points.push([time, value]);
    } else if (last && last[1] !== null) {
      points.push([this.now(), null]);
    }
    const oldest = this.now() - HISTORY;
    // Cut in large pieces: shifting the whole array for every point would be wasteful.
    const keep = points.findIndex(([when]) => when >= oldest);
    if (keep > 100) points.splice(0, keep);
  }

  /** @param {number} time @param {string} type */
  #setClock(time, type) {
    const offset = time - Date.now() / 1000;
    // The message that was delayed least knows best, unless somebody set a clock.
    const jumped = Math.abs(offset - this.#clockOffset) > CLOCK_JUMP;
    if (type === "snapshot" || jumped || offset > this.#clockOffset) this.#clockOffset = offset;
  }

  /** @param {string} id */
  #changed(id) {
    this.dispatchEvent(new CustomEvent("change", { detail: id }));
  }
}

/** @param {string} text */
function sentence(text) {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

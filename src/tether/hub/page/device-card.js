/* One device on the page: `<sensor-card>` with value, age and chart, and `<control-card>` with a
   switch and, for a light, a slider. It must not know the connection; it shows the store's entry
   and asks the store. */

import { drawChart } from "./chart.js";
import * as format from "./format.js";

/**
 * @typedef {import("./store.js").Store} Store
 * @typedef {import("./store.js").Entry} Entry
 * @typedef {import("./store.js").State} State
 */

/** While a slider is dragged a new value is sent at most this often. Milliseconds. */
const DRAG_EVERY = 200;
const COLOURS = ["red", "green", "blue", "amber", "yellow", "orange", "white"];

/** What both cards share. */
class Card extends HTMLElement {
  /** @param {Store} store @param {string} id @param {string} template */
  constructor(store, id, template) {
    super();
    this.store = store;
    this.device = id;
    this.template = template;
    /** @type {Record<string, string>} what was written last, to leave the document alone */
    this.written = {};
  }

  connectedCallback() {
    if (this.firstChild) return;
    const template = /** @type {HTMLTemplateElement} */ (document.getElementById(this.template));
    this.append(template.content.cloneNode(true));
    this.dataset.device = this.device;
    this.setAttribute("role", "group");
    const heading = this.find("h3");
    heading.id = `name-${this.device}`;
    this.setAttribute("aria-labelledby", heading.id);
    this.built();
    this.update();
  }

  /** Called once when the elements are there. */
  built() {}

  /** @returns {Entry | undefined} */
  get entry() {
    return this.store.entries.get(this.device);
  }

  /** @param {string} selector @returns {any} an element of the template */
  find(selector) {
    return this.querySelector(selector);
  }

  /** @param {string} selector @param {string} text */
  write(selector, text) {
    if (this.written[selector] === text) return;
    this.written[selector] = text;
    this.find(selector).textContent = text;
  }

  /** @param {string} selector @param {string} text nothing hides it */
  writeOrHide(selector, text) {
    this.write(selector, text);
    this.find(selector).hidden = !text;
  }

  /** Show the entry as it is. */
  update() {
    const { entry } = this;
    if (!entry || !this.firstChild) return;
    const state = this.store.stateOf(entry);
    this.dataset.status = state.status;
    this.write(".name", entry.device.name);
    this.find(".badge").hidden = !entry.device.simulated;
    this.writeOrHide(".reason", state.status === "unavailable" ? state.reason : "");
    this.show(entry, state);
    this.tick();
  }

  /** @param {Entry} entry @param {State} state */
  show(entry, state) {}

  /** Called every second, since ages grow without any message. */
  tick() {
    const { entry } = this;
    if (!entry || !this.firstChild) return;
    const state = this.store.stateOf(entry);
    if (state.status !== this.dataset.status) {
      this.update();
      return;
    }
    const age = state.time ? format.age(this.store.now() - state.time) : "";
    this.write(".age", state.status === "unavailable" && age ? `last seen ${age}` : age);
  }
}

/** A reading: value, unit, age, and the last hour. */
export class SensorCard extends Card {
  /** @param {Store} store @param {string} id */
  constructor(store, id) {
    super(store, id, "sensor-card");
    this.drawing = 0;
    this.resizes = new ResizeObserver(() => this.draw());
  }

  built() {
    // How long something runs is a straight line.
    if (this.entry?.device.device_class === "duration") this.find(".chart").remove();
    else this.resizes.observe(this.find(".chart"));
  }

  disconnectedCallback() {
    this.resizes.disconnect();
    cancelAnimationFrame(this.drawing);
    this.drawing = 0;
  }

  /** @param {Entry} entry @param {State} state */
  show({ device }, { status, value }) {
    const [text, unit] = status === "ok" && typeof value === "number"
      ? format.reading(value, device)
      : [status === "unknown" ? "Not read yet" : "Unavailable", ""];
    this.write(".value", text);
    this.write(".unit", unit);
    this.draw();
  }

  /** Draw the chart before the next frame; a hidden page draws none. */
  draw() {
    if (!this.find(".chart")) return;
    this.drawing ||= requestAnimationFrame(() => {
      this.drawing = 0;
      const { entry } = this;
      if (!entry) return;
      const { device, points } = entry;
      const chart = this.find(".chart");
      const drawn = drawChart(chart, {
        points,
        now: this.store.now(),
        interval: device.interval,
        fresh: this.dataset.status === "ok",
        name: device.name,
        minimum: device.minimum,
        maximum: device.maximum,
        label: (value) => format.tick(value, device),
      });
      chart.toggleAttribute("hidden", !drawn);
    });
  }
}

/** Something to switch, and to dim where it is a light. Shows what the server says it does. */
export class ControlCard extends Card {
  /** @param {Store} store @param {string} id */
  constructor(store, id) {
    super(store, id, "control-card");
    this.dragging = false;
    this.lastLevel = 100;
    this.sentAt = 0;
    /** @type {number | undefined} a level to ask for when the answer to the last one is there */
    this.wanted = undefined;
    /** @type {number | undefined} */
    this.dragTimer = undefined;
  }

  built() {
    const toggle = this.find(".switch");
    const slider = this.find(".slider");
    const detail = this.find(".detail");
    detail.id = `detail-${this.device}`;
    for (const control of [toggle, slider]) {
      control.setAttribute("aria-labelledby", `name-${this.device}`);
      control.setAttribute("aria-describedby", detail.id);
    }
    toggle.addEventListener("click", () => this.toggle());
    slider.addEventListener("input", () => this.dragged());
    slider.addEventListener("change", () => this.released());
    const word = this.device.split(/[-_]/).find((part) => COLOURS.includes(part));
    if (word) this.find(".bulb").dataset.colour = word;
  }

  toggle() {
    const { entry } = this;
    if (!entry) return;
    const { value } = entry.state;
    const on = entry.device.kind === "light" ? this.lastLevel : true;
    this.store.set(this.device, value ? (entry.device.kind === "light" ? 0 : false) : on);
  }

  dragged() {
    this.dragging = true;
    this.showLevel(Number(this.find(".slider").value));
    const wait = this.sentAt + DRAG_EVERY - Date.now();
    this.dragTimer ??= setTimeout(() => {
      this.dragTimer = undefined;
      this.sendLevel();
    }, Math.max(0, wait));
  }

  released() {
    clearTimeout(this.dragTimer);
    this.dragTimer = undefined;
    this.sendLevel();
    this.dragging = false;
    this.update();
  }

  sendLevel() {
    const { entry } = this;
    const level = Number(this.find(".slider").value);
    if (!entry || entry.state.value === level) return;
    if (entry.command?.phase === "pending") {
      // One at a time; what the finger says then goes out when the answer is there.
      this.wanted = level;
      return;
    }
    this.wanted = undefined;
    this.sentAt = Date.now();
    this.store.set(this.device, level);
  }

  /** @param {Entry} entry @param {State} state */
  show({ device, command }, { status, value }) {
    const isLight = device.kind === "light";
    const pending = command?.phase === "pending";
    const toggle = this.find(".switch");
    toggle.setAttribute("aria-checked", String(Boolean(value)));
    toggle.setAttribute("aria-busy", String(pending));
    this.dataset.command = command?.phase ?? "";
    this.find(".slider").hidden = !isLight;
    if (isLight && typeof value === "number") {
      if (value > 0) this.lastLevel = value;
      if (!this.dragging && !pending) this.showLevel(value);
    }
    const level = isLight ? Number(value) / 100 : Number(Boolean(value));
    this.find(".bulb").style.setProperty("--level", String(level));
    this.find(".bulb").classList.toggle("lit", level > 0);
    this.write(".value", pending ? "Switching…"
      : status === "unknown" ? "Not read yet"
      : status === "unavailable" ? "Unavailable"
      : isLight && value ? `On, ${value} %`
      : value ? "On" : "Off");
    this.writeOrHide(".failure", command?.phase === "failed" ? command.message : "");
    if (command?.phase === "failed") this.wanted = undefined;
    if (!pending && this.wanted !== undefined) {
      const { wanted } = this;
      this.wanted = undefined;
      if (wanted !== value) this.store.set(this.device, wanted);
    }
  }

  /** @param {number} level percent */
  showLevel(level) {
    const slider = this.find(".slider");
    slider.value = String(level);
    slider.style.setProperty("--level", `${level}%`);
    slider.setAttribute("aria-valuetext", `${level} %`);
  }
}

customElements.define("sensor-card", SensorCard);
customElements.define("control-card", ControlCard);

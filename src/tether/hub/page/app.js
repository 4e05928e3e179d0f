/* The page as a whole: which cards there are, the state of the link, and what is spoken.
   It must not know how cards look or how the link is kept. */

import { Connection } from "./connection.js";
import { ControlCard, SensorCard } from "./device-card.js";
import * as format from "./format.js";
import { Store } from "./store.js";

const address = new URL("ws", document.baseURI);
address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
const connection = new Connection(address);
const store = new Store(connection);

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** @type {Map<string, SensorCard | ControlCard>} */
const cards = new Map();

/** Make the cards match the devices, keeping those that stay (and the focus in them). */
function arrange() {
  for (const [id, card] of cards) {
    const entry = store.entries.get(id);
    if (entry && entry.device.writable === card instanceof ControlCard) continue;
    card.remove();
    cards.delete(id);
  }
  const places = { controls: byId("controls"), readings: byId("readings") };
  // Those without a chart come last, where their cards leave no hole.
  const entries = [...store.entries];
  const plain = (/** @type {import("./store.js").Entry} */ { device }) =>
    Number(device.device_class === "duration");
  entries.sort(([, one], [, other]) => plain(one) - plain(other));
  for (const [id, { device }] of entries) {
    const place = device.writable ? places.controls : places.readings;
    let card = cards.get(id);
    if (!card) {
      card = device.writable ? new ControlCard(store, id) : new SensorCard(store, id);
      cards.set(id, card);
      place.querySelector(".cards")?.append(card);
    }
    card.update();
  }
  for (const place of Object.values(places)) {
    place.hidden = !place.querySelector(".cards")?.childElementCount;
  }
  byId("empty").hidden = store.entries.size > 0;
  const { server } = store;
  if (!server) return;
  const simulated = [...store.entries.values()].some(({ device }) => device.simulated);
  // A server that was given a name is called by it.
  const title = server.name === "tether" ? "Devices" : server.name;
  document.title = title;
  byId("title").textContent = title;
  byId("place").textContent = location.host;
  byId("server").textContent = `tether ${server.version}, running since ` +
    format.clock(server.started) + (simulated ? ". Simulated devices are marked." : ".");
}

store.addEventListener("devices", arrange);
store.addEventListener("change", (event) => {
  const id = /** @type {CustomEvent<string>} */ (event).detail;
  cards.get(id)?.update();
  const entry = store.entries.get(id);
  // Readings change all the time and are not spoken; a failed command is.
  if (entry?.command?.phase === "failed") {
    byId("announcer").textContent = `${entry.device.name}. ${entry.command.message}`;
  }
});

/** @type {Record<import("./connection.js").LinkState, [string, string]>} */
const WORDS = {
  connecting: ["Connecting", ""],
  connected: ["Live", ""],
  checking: ["Checking", ""],
  waiting: ["Reconnecting", "The connection was lost. Values below are the last known."],
  reconnecting: ["Reconnecting", "The connection was lost. Values below are the last known."],
  offline: ["Offline", "You are offline. Values below are the last known."],
};

function showLink() {
  const [word, text] = WORDS[connection.state];
  byId("link").dataset.state = connection.state;
  byId("link-text").textContent = word;
  document.body.dataset.link = connection.state;
  // The same sentence is not spoken again at every attempt.
  if (byId("banner-text").textContent !== text) byId("banner-text").textContent = text;
  byId("banner").classList.toggle("shown", text !== "");
  byId("banner-retry").hidden = !["waiting", "offline"].includes(connection.state);
  showCountdown();
}

function showCountdown() {
  const seconds = Math.max(1, Math.ceil((connection.retryAt - Date.now()) / 1000));
  byId("banner-countdown").textContent =
    connection.state === "waiting" ? `Trying again in ${seconds} s.`
    : connection.state === "reconnecting" ? "Trying again now." : "";
}

connection.addEventListener("state", showLink);
byId("banner-retry").addEventListener("click", () => connection.retryNow());
setInterval(() => {
  showCountdown();
  for (const card of cards.values()) card.tick();
}, 1000);
connection.start();

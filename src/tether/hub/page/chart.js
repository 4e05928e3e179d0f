/* A line chart in SVG: axes with a few round numbers, gaps where there is no data, the value now.
   It must not know devices or the connection: points and a clock go in, shapes come out. */

/** @typedef {import("./store.js").Point} Point */

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 118;
const TOP = 10;
/** Room for the numbers on the right: so much, and so much more for each character. */
const MARGIN = 12;
const CHARACTER = 6.4;
const BOTTOM = 20;
const LEFT = 2;
/** The shortest of these that holds all points is shown, in minutes. */
const WINDOWS = [2, 5, 15, 30, 60];

/** @param {string} name @param {Record<string, string | number>} attributes @param {string} [text] */
function shape(name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  if (text !== undefined) node.textContent = text;
  return node;
}

/** Round steps of 1, 2 or 5 that give about three lines. @param {number} span */
function roundStep(span) {
  const rough = span / 3;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5, 10].find((step) => step * power >= rough) ?? 10);
}

/**
 * Lowest and highest line and the step between lines.
 * @param {number[]} values @param {number | null} minimum @param {number | null} maximum
 */
function scale(values, minimum, maximum) {
  let low = Math.min(...values);
  let high = Math.max(...values);
  // A flat line stays flat: noise in the last digit is not blown up to the whole height.
  const least = Math.max(1, Math.abs(high) * 0.05);
  if (high - low < least) [low, high] = [(low + high - least) / 2, (low + high + least) / 2];
  const step = roundStep(high - low);
  low = Math.floor(low / step) * step;
  high = Math.ceil(high / step) * step;
  if (minimum !== null) low = Math.max(low, minimum);
  if (maximum !== null) high = Math.min(high, maximum);
  return { low, high: high > low ? high : low + step, step };
}

/**
 * Points of the window, cut where data is missing, at most two (lowest, highest) for each pixel.
 * @param {Point[]} points @param {number} start @param {number} gap seconds @param {number} pixel
 * @returns {[number, number][][]}
 */
function pieces(points, start, gap, pixel) {
  /** @type {[number, number][][]} */
  const found = [];
  /** @type {[number, number][] | null} */
  let piece = null;
  let last = 0;
  for (const [time, value] of points) {
    if (time < start) continue;
    if (value === null) {
      piece = null;
      continue;
    }
    if (!piece || time - last > gap) found.push(piece = []);
    last = time;
    const [before, previous] = [piece.at(-2), piece.at(-1)];
    if (before && previous && time - before[0] < pixel) {
      const order = /** @type {[number, number][]} */ ([before, previous, [time, value]]);
      order.sort((one, other) => one[1] - other[1]);
      piece.splice(-2, 2, ...[order[0], order[2]].sort((one, other) => one[0] - other[0]));
    } else piece.push([time, value]);
  }
  // The newest value is shown, whatever else shares its pixel.
  const newest = points[points.length - 1];
  if (piece && newest[1] !== null && piece[piece.length - 1][0] < newest[0]) {
    piece.push([newest[0], newest[1]]);
  }
  return found;
}

/**
 * Draw into an svg element that CSS gave its width.
 * @param {SVGSVGElement} svg
 * @param {{points: Point[], now: number, interval: number, fresh: boolean, name: string,
 *          minimum: number | null, maximum: number | null,
 *          label: (value: number) => string}} options `now` in Unix seconds
 * @returns {boolean} whether there was anything to draw
 */
export function drawChart(svg, { points, now, interval, fresh, name, minimum, maximum, label }) {
  const width = Math.max(160, svg.clientWidth);
  const first = points.find(([, value]) => value !== null)?.[0] ?? now;
  const minutes = WINDOWS.find((size) => now - first <= size * 60) ?? WINDOWS.at(-1) ?? 60;
  const start = now - minutes * 60;
  const window = minutes * 60;
  const values = points.filter(([time, value]) => time >= start && value !== null)
    .map(([, value]) => Number(value));
  if (!values.length) {
    svg.replaceChildren();
    return false;
  }
  const { low, high, step } = scale(values, minimum, maximum);
  const ticks = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step / 1e6; value += step) {
    ticks.push(/** @type {const} */ ([value, label(value)]));
  }
  const longest = Math.max(...ticks.map(([, text]) => text.length));
  const inner = width - LEFT - MARGIN - longest * CHARACTER;
  const floor = HEIGHT - BOTTOM;
  const x = (/** @type {number} */ time) =>
    (LEFT + ((time - start) / window) * inner).toFixed(1);
  const y = (/** @type {number} */ value) =>
    (floor - ((value - low) / (high - low)) * (floor - TOP)).toFixed(1);
  // Readings are never to the second; three missed in a row are a gap.
  const lines = pieces(points, start, Math.max(3 * interval, 5), window / inner);
  const children = [
    shape("text", { class: "tick", x: LEFT, y: HEIGHT - 4 }, `${minutes} min ago`),
    shape("text", { class: "tick", x: LEFT + inner, y: HEIGHT - 4, "text-anchor": "end" }, "now"),
  ];
  for (const [value, text] of ticks) {
    children.push(
      shape("path", { class: "grid", d: `M${LEFT} ${y(value)}H${LEFT + inner}` }),
      shape("text", { class: "tick", x: LEFT + inner + 8, y: y(value), dy: "0.33em" }, text),
    );
  }
  const traced = lines.map((line) => line.map(([time, value]) => `${x(time)} ${y(value)}`));
  const area = lines.map((line, index) => line.length < 2 ? "" :
    `M${x(line[0][0])} ${floor}L${traced[index].join("L")}L${x(line[line.length - 1][0])} ${floor}Z`);
  // A lone point becomes a line without length, which round ends turn into a dot.
  const path = traced.map((line) => `M${line.join("L")}${line.length === 1 ? "h0" : ""}`);
  children.push(
    shape("path", { class: "area", d: area.join("") }),
    shape("path", { class: "line", d: path.join("") }),
  );
  const [time, value] = lines[lines.length - 1].slice(-1)[0];
  if (fresh) {
    const [cx, cy] = [x(time), y(value)];
    children.push(
      shape("circle", { class: "halo", cx, cy, r: 7 }),
      shape("circle", { class: "current", cx, cy, r: 3.5 }),
    );
  }
  svg.setAttribute("aria-label", `${name}, last ${minutes} minutes: between ` +
    `${label(Math.min(...values))} and ${label(Math.max(...values))}`);
  svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  svg.replaceChildren(...children);
  return true;
}

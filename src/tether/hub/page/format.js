/* How numbers and times are written for people. It must not know devices' states or the document. */

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;

/** @type {Map<number, Intl.NumberFormat>} */
const formats = new Map();

/** @param {number} value @param {number} digits after the point, always as many */
export function number(value, digits) {
  let format = formats.get(digits);
  if (!format) {
    format = new Intl.NumberFormat(undefined, {
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
    });
    formats.set(digits, format);
  }
  // Without this a value a hair under zero is written "-0".
  return format.format(Number(value.toFixed(digits)) + 0);
}

/**
 * A reading as text and unit.
 * @param {number} value
 * @param {{unit: string, device_class: string}} device
 * @returns {[string, string]}
 */
export function reading(value, { unit, device_class: deviceClass }) {
  if (deviceClass === "duration" && unit === "s") return [duration(value), ""];
  if (unit === "B" || unit === "B/s") return bytes(value, unit);
  const size = Math.abs(value);
  if (Number.isInteger(value) && size >= 1000) return [number(value, 0), unit];
  return [number(value, size >= 1000 ? 0 : size >= 10 ? 1 : 2).replace(/^(.*[.,]\d)0$/, "$1"), unit];
}

/** @param {number} value @param {string} unit @returns {[string, string]} */
function bytes(value, unit) {
  const prefixes = ["", "k", "M", "G", "T"];
  let index = 0;
  while (Math.abs(value) >= 1000 && index < prefixes.length - 1) {
    value /= 1000;
    index++;
  }
  return [number(value, index && value < 100 ? 1 : 0), prefixes[index] + unit];
}

/**
 * A length of time in its two largest units.
 * @param {number} seconds
 */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} min ${whole % MINUTE} s`;
  if (whole < DAY) return `${Math.floor(whole / HOUR)} h ${Math.floor((whole % HOUR) / MINUTE)} min`;
  return `${Math.floor(whole / DAY)} d ${Math.floor((whole % DAY) / HOUR)} h`;
}

/**
 * How long ago something was, short enough for a corner of a card.
 * @param {number} seconds
 */
export function age(seconds) {
  if (seconds < 1.5) return "just now";
  if (seconds < MINUTE) return `${Math.round(seconds)} s ago`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min ago`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h ago`;
  return `${Math.floor(seconds / DAY)} d ago`;
}

/** A time of day. @param {number} time Unix seconds */
export function clock(time) {
  return new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" })
    .format(time * 1000);
}

/**
 * A value beside a line of a chart.
 * @param {number} value
 * @param {{unit: string, device_class: string}} device
 */
export function tick(value, { unit, device_class: deviceClass }) {
  if (deviceClass === "duration" && unit === "s") return duration(value);
  if (unit === "B" || unit === "B/s") return bytes(value, unit).join(" ");
  const text = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 4 }).format(value);
  return unit === "%" || unit.startsWith("°") ? `${text} ${unit}` : text;
}

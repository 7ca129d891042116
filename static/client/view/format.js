/** Formats numbers and times, and creates elements from text, never from markup. */

/** `843 ms`, `2.41 s`, `3 min 5 s`, `54 min`, `3 h 12 min`. */
export function formatDuration(ms) {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(2)} s`;
  const seconds = Math.round(ms / 1_000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return `${minutes} min ${seconds % 60} s`;
  return minutes < 100 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** The same for a narrow cell: `843 ms`, `2.41 s`, `3m 5s`, `54m`, `3h 12m`, `4d 5h`, `199d`. */
export function formatShortDuration(ms) {
  if (ms < 60_000) return formatDuration(ms);
  const seconds = Math.round(ms / 1_000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 100) return minutes < 10 ? `${minutes}m ${seconds % 60}s` : `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 100) return `${hours}h ${minutes % 60}m`;
  const days = Math.floor(hours / 24);
  return days < 100 ? `${days}d ${hours % 24}h` : `${formatCount(days)}d`;
}

/** `1,942`. */
export function formatCount(number) {
  return number.toLocaleString("en-US");
}

/** `1 order`, `1,942 orders`. */
export function formatCounted(number, noun) {
  return `${formatCount(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** `+8.3`, `−4.0`, `0.0`. */
export function formatSigned(number) {
  const sign = number > 0 ? "+" : number < 0 ? "−" : "";
  return sign + Math.abs(number).toFixed(1);
}

/** A fraction as a percentage: `0.003` is `0.3 %`. */
export function formatPercent(fraction) {
  const value = Number(fraction) * 100;
  return value !== 0 && value < 0.01 ? "< 0.01 %" : `${Number(value.toPrecision(3))} %`;
}

/** The local time of day, to the millisecond. */
export function formatTime(ms) {
  const date = new Date(ms);
  return `${date.toLocaleTimeString("en-GB")}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** Create an element with attributes and children; strings become text nodes. */
export function createElement(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** Set a node's text if it differs: assigning the same text costs a layout all the same. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

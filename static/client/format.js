/** Numbers and times as people read them, and elements made of text: never of markup. */

/** `843 ms`, `2.41 s`, `3 min 5 s`. */
export function span(ms) {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(2)} s`;
  const seconds = Math.round(ms / 1_000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** `1,942`. */
export function count(number) {
  return number.toLocaleString("en-US");
}

/** `1 order`, `1,942 orders`. */
export function counted(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** `+8.3`, `−4.0`, `0.0`. */
export function signed(number) {
  const sign = number > 0 ? "+" : number < 0 ? "−" : "";
  return sign + Math.abs(number).toFixed(1);
}

/** A fraction as a percentage: `0.003` is `0.3 %`. */
export function percent(fraction) {
  const value = Number(fraction) * 100;
  return value !== 0 && value < 0.01 ? "< 0.01 %" : `${Number(value.toPrecision(3))} %`;
}

/** The time of day, to the millisecond. */
export function clock(ms) {
  const at = new Date(ms);
  return `${at.toLocaleTimeString("en-GB")}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

/** An element with attributes and children; texts become text. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Put a text where it is not there already: setting it costs a layout even if it is the same. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Browser storage that works without permission: then nothing is stored, and nothing fails. */

/** The stored text, or null. `area`: `localStorage` or `sessionStorage`. */
export function readStored(area, key) {
  try {
    return window[area].getItem(key);
  } catch {
    return null;
  }
}

/** Store a text; returns whether that was possible. */
export function writeStored(area, key, text) {
  try {
    window[area].setItem(key, text);
    return true;
  } catch {
    return false;
  }
}

/** What the browser keeps for the page; one that may keep nothing is no error. */

/** A text that was kept, or null. `area`: `localStorage` or `sessionStorage`. */
export function recall(area, key) {
  try {
    return window[area].getItem(key);
  } catch {
    return null;
  }
}

/** Keep a text; whether that is possible. */
export function remember(area, key, text) {
  try {
    window[area].setItem(key, text);
    return true;
  } catch {
    return false;
  }
}

/** Saves the fills of a time as a CSV file: what the server writes, without a change. */

import { ProblemError, UnreachableError } from "../../connection/api.js";
import { createElement, setText } from "../format.js";

const REVOKE_DELAY_MS = 10_000;
const DAY_MS = 86_400_000;
const COUNTED_BYTES_MAX = 20e6;

export class FillExport {
  /** `root` has a select of times, a button and a place for words. */
  constructor(root, client) {
    const [select, button, outcome] = ["select", "button", "[role=status]"].map((name) => root.querySelector(name));
    button.addEventListener("click", async () => {
      button.disabled = true;
      setText(outcome, "writing…");
      try {
        const from = findStart(select.value, new Date());
        const file = await client.getFillsFile(from === null ? {} : { from: from.toISOString() });
        const name = nameFile(select.value, new Date());
        save(file, name);
        setText(outcome, `${name}: ${await describeSize(file)}`);
      } catch (error) {
        if (!(error instanceof ProblemError || error instanceof UnreachableError)) throw error;
        setText(outcome, `Not written: ${error.message}`);
      } finally {
        button.disabled = false;
      }
    });
  }
}

/** The local midnight for a day, else so many days before; null for all. */
function findStart(choice, now) {
  if (choice === "all") return null;
  if (choice === "day") return new Date(now.getFullYear(), now.getMonth(), now.getDate());
  return new Date(now.getTime() - Number(choice) * DAY_MS);
}

function nameFile(choice, now) {
  const day = now.toLocaleDateString("en-CA");
  return choice === "day" ? `fills-${day}.csv` : `fills-until-${day}.csv`;
}

/** How many fills a file has; its size where it would take long to count them. */
async function describeSize(file) {
  if (file.size > COUNTED_BYTES_MAX) return `${Math.round(file.size / 1e6).toLocaleString("en-US")} MB`;
  const lines = (await file.text()).split("\r\n").length - 2; // names above, nothing behind the last
  return lines === 0 ? "no fills" : lines === 1 ? "1 fill" : `${lines.toLocaleString("en-US")} fills`;
}

function save(file, name) {
  const url = URL.createObjectURL(file);
  createElement("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), REVOKE_DELAY_MS);
}

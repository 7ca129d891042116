/** The choice of presets above the order form: built-in and saved ones, to save and to forget. */

import { Presets } from "../model/presets.js";
import { createElement } from "./format.js";

export class PresetPicker {
  #form;
  #presets = new Presets();
  #readForm;
  #fillForm;

  /** `readForm` returns the form's values, `fillForm` sets them, `tell` shows a sentence. */
  constructor(form, { readForm, fillForm, tell }) {
    this.#form = form;
    this.#readForm = readForm;
    this.#fillForm = fillForm;
    const { select } = this;
    select.addEventListener("change", () => this.choose(select.value));
    this.#find("preset-save").addEventListener("click", () => tell(this.#save()));
    this.#find("preset-forget").addEventListener("click", () => this.#forget());
    this.#list();
  }

  get select() {
    return this.#form.elements.preset;
  }

  /** Fill the form from a preset. */
  choose(name) {
    this.select.value = name;
    this.#find("preset-forget").hidden = !this.#presets.savedNames.includes(name);
    this.#fillForm(this.#presets.get(name));
  }

  #find(name) {
    return this.#form.querySelector(`#${name}`);
  }

  #list() {
    const options = (names) => names.map((name) => createElement("option", {}, name));
    const { builtInNames, savedNames } = this.#presets;
    const saved = createElement("optgroup", { label: "Saved" }, ...options(savedNames));
    this.select.replaceChildren(
      ...options(builtInNames),
      ...(savedNames.length > 0 ? [saved] : []),
    );
  }

  /** Save the form; returns what to tell of it. */
  #save() {
    const { name, isStored } = this.#presets.save(this.#readForm());
    this.#list();
    this.choose(name);
    const until = isStored ? "" : " until this page is closed: this browser keeps nothing";
    return `Saved as “${name}”${until}.`;
  }

  #forget() {
    this.#presets.remove(this.select.value);
    this.#list();
    this.#find("preset-forget").hidden = true;
    this.select.focus();
  }
}

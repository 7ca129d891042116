/** Moves and zooms a chart: keys, the wheel, dragging, and two fingers. */

const KEY_ZOOM = 1.5;
const WHEEL_ZOOM = 1.0015;
const KEY_PAN = 0.2;
/** A press that moves less is a click. */
const CLICK_PX = 4;

export class ChartInput extends EventTarget {
  #canvas;
  #window;
  #now;
  #pointers = new Map();
  #movedPx = 0;

  /** `window` is the time that is shown; `now` tells the present in seconds since 1970. */
  constructor(canvas, window, now) {
    super();
    this.#canvas = canvas;
    this.#window = window;
    this.#now = now;
    canvas.addEventListener("wheel", (event) => this.#handleWheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => this.#end(event));
    }
    canvas.addEventListener("pointerleave", () => this.#tell("hover", { y: null }));
  }

  /** Zoom by a factor around the middle; below 1 it is in. */
  zoom(factor) {
    this.#window.zoom(factor, 0.5, this.#now());
    this.#tell("change");
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /** Act on a key; returns whether it is one of the chart. */
  press(key) {
    const now = this.#now();
    const act = {
      "+": () => this.#window.zoom(1 / KEY_ZOOM, 0.5, now),
      "=": () => this.#window.zoom(1 / KEY_ZOOM, 0.5, now),
      "-": () => this.#window.zoom(KEY_ZOOM, 0.5, now),
      ArrowLeft: () => this.#window.pan(-KEY_PAN, now),
      ArrowRight: () => this.#window.pan(KEY_PAN, now),
      0: () => this.#window.follow(),
    }[key];
    if (act === undefined) return false;
    act();
    this.#tell("change");
    return true;
  }

  #handleWheel(event) {
    // A page that scrolls goes on doing so where the wheel is turned beside the chart.
    event.preventDefault();
    const isSideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (isSideways) this.#window.pan(event.deltaX / this.#canvas.clientWidth, this.#now());
    else this.#window.zoom(WHEEL_ZOOM ** event.deltaY, this.#part(event.offsetX), this.#now());
    this.#tell("change");
  }

  #part(x) {
    return Math.min(Math.max(x / this.#canvas.clientWidth, 0), 1);
  }

  #begin(event) {
    this.#pointers.set(event.pointerId, event.offsetX);
    this.#movedPx = 0;
    this.#canvas.setPointerCapture(event.pointerId);
  }

  #move(event) {
    const before = this.#pointers.get(event.pointerId);
    if (before === undefined) {
      this.#tell("hover", { y: event.offsetY });
      return;
    }
    const others = [...this.#pointers].filter(([id]) => id !== event.pointerId);
    this.#pointers.set(event.pointerId, event.offsetX);
    this.#movedPx += Math.abs(event.offsetX - before);
    if (others.length === 0) {
      this.#window.pan((before - event.offsetX) / this.#canvas.clientWidth, this.#now());
    } else {
      const [[, other]] = others;
      const [was, is] = [Math.abs(before - other), Math.abs(event.offsetX - other)];
      this.#window.zoom(was / Math.max(is, 1), this.#part((event.offsetX + other) / 2), this.#now());
    }
    this.#tell("change");
  }

  #end(event) {
    const wasDown = this.#pointers.delete(event.pointerId);
    const isClick = wasDown && this.#pointers.size === 0 && this.#movedPx < CLICK_PX;
    if (isClick && event.type === "pointerup") this.#tell("choose", { y: event.offsetY });
  }
}

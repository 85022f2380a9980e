// The events of the chosen session, both ways: filtered, opened, and the oldest given up.

import { count, element, milliseconds, put, roving, several } from "./words.js";

const KEPT = 2000;
// What comes by the hundred: shown where somebody wants it.
const MANY = /\.delta$|^(session\.)?input_audio_buffer\.append$/;

export class Events {
  constructor({ list, scroll, shown, dropped, down, filter, who, deltas }) {
    Object.assign(this, { list, scroll, shown, dropped, down, filter, who, deltas });
    this.clear();
    roving(list);
    for (const input of [filter, who, deltas]) {
      input.addEventListener("input", () => this.sift());
    }
    filter.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        filter.value = "";
        this.sift();
      }
      if (event.key === "ArrowDown") {
        event.preventDefault();
        list.querySelector(".event:not([hidden]) button")?.focus();
      }
    });
    list.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) this.open(button.parentElement);
    });
    scroll.addEventListener("scroll", () => {
      this.follows = this.atEnd();
      down.hidden = this.follows;
    });
    down.addEventListener("click", () => this.toEnd());
  }

  clear() {
    this.events = []; // { n, at, gap, who, type, said, body, row }
    this.total = 0;
    this.visible = 0;
    this.missed = 0; // the server had given them up before we were told
    this.follows = true;
    this.list.replaceChildren();
    this.down.hidden = true;
    this.show();
  }

  take(events, total) {
    if (!events.length && total === this.total) return;
    this.total = total;
    const rows = document.createDocumentFragment();
    let seen = false; // whether something new is to be seen
    for (const [n, at, gap, who, type, said, body] of events) {
      const before = this.events.at(-1)?.n ?? n - 1;
      const event = { n, at, gap, who, type, said, body };
      event.row = this.made(event);
      if (n > before + 1) {
        // it goes with the row that it stands before
        event.missing = element("div", "missing", `${several(n - before - 1, "event")} came too fast to be shown`);
        rows.append(event.missing);
      }
      event.row.hidden = !this.fits(event);
      this.visible += !event.row.hidden;
      seen ||= !event.row.hidden;
      this.events.push(event);
      rows.append(event.row);
    }
    this.list.append(rows);
    this.giveUp();
    this.show();
    if (seen && this.follows) this.toEnd();
  }

  giveUp() {
    for (const event of this.events.splice(0, Math.max(0, this.events.length - KEPT))) {
      this.visible -= !event.row.hidden;
      event.missing?.remove();
      event.row.remove();
    }
  }

  made(event) {
    // no li: with each that goes a browser would count all others anew
    const row = element("div", `event ${event.who}`);
    row.setAttribute("role", "listitem");
    if (event.type === "error" || event.type === "?") row.classList.add("wrong");
    const button = element("button");
    button.type = "button";
    button.tabIndex = this.events.length ? -1 : 0;
    button.setAttribute("aria-expanded", "false");
    button.append(
      element("span", "n", count(event.n)),
      element("span", "when", `${count(Math.round(event.at))} ms`),
      element("span", "gap", `+${milliseconds(event.gap)}`),
      element("span", "who", event.who),
      element("span", "type", event.type),
      element("span", "said", event.said),
    );
    row.append(button);
    row.event = event;
    return row;
  }

  open(row) {
    const button = row.firstElementChild;
    const opened = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", opened);
    if (opened) {
      const body = element("pre", "", JSON.stringify(row.event.body, null, 2));
      body.tabIndex = 0;
      row.append(body);
      // all of it, if there is room, but never at the cost of its own row
      const [list, place] = [this.scroll.getBoundingClientRect(), row.getBoundingClientRect()];
      this.scroll.scrollTop += Math.max(0, Math.min(place.bottom - list.bottom, place.top - list.top));
    } else {
      row.querySelector("pre").remove();
    }
  }

  fits(event) {
    if (this.who.value && event.who !== this.who.value) return false;
    if (!this.deltas.checked && MANY.test(event.type)) return false;
    const words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return true;
    const text = `${event.type} ${event.said} ${JSON.stringify(event.body)}`.toLowerCase();
    return words.every((word) => text.includes(word));
  }

  sift() {
    this.visible = 0;
    for (const event of this.events) {
      event.row.hidden = !this.fits(event);
      this.visible += !event.row.hidden;
    }
    this.show();
    if (this.follows) this.toEnd();
  }

  show() {
    const kept = this.events.length;
    const hidden = kept - this.visible;
    put(this.shown, `${count(this.visible)} of ${count(kept)}${hidden ? ` shown, ${count(hidden)} hidden` : " shown"}`);
    const gone = (this.events[0]?.n ?? 1) - 1;
    this.dropped.hidden = !gone;
    put(this.dropped, `The oldest ${several(gone, "event")} of ${count(this.total)} are gone: the newest ${count(KEPT)} are kept.`);
  }

  atEnd() {
    return this.scroll.scrollHeight - this.scroll.scrollTop - this.scroll.clientHeight < 40;
  }

  toEnd() {
    this.scroll.scrollTop = this.scroll.scrollHeight;
    this.follows = true;
    this.down.hidden = true;
  }
}

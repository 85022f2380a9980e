// How long each turn took, the newest on top, with the medians of all.

import { count, element, milliseconds, put, seconds, several, status, tone } from "./words.js";

const TIMES = ["first_token", "first_audio", "response_ms", "tool_ms", "total_ms"];
const KEPT = 200;

export class Turns {
  constructor({ section, body, medians, total }) {
    this.section = section;
    this.body = body;
    this.medians = medians;
    this.total = total;
    this.clear();
  }

  clear() {
    this.turns = new Map();
    this.rows = new Map();
    this.body.replaceChildren();
    this.show();
  }

  take(turns) {
    for (const turn of turns) {
      this.turns.set(turn.n, turn);
      this.fill(turn);
    }
    for (const number of this.turns.keys()) {
      if (this.turns.size <= KEPT) break;
      this.turns.delete(number);
      this.rows.get(number).remove();
      this.rows.delete(number);
    }
    if (turns.length) this.show();
  }

  fill(turn) {
    let row = this.rows.get(turn.n);
    if (!row) {
      row = element("tr");
      row.append(...Array.from({ length: 9 }, () => element("td")));
      this.body.prepend(row);
      this.rows.set(turn.n, row);
    }
    const responses = milliseconds(turn.response_ms);
    const shown = [
      count(turn.n),
      seconds(turn.at),
      milliseconds(turn.first_token),
      milliseconds(turn.first_audio),
      turn.responses > 1 ? `${turn.responses} × Σ ${responses}` : responses,
      turn.tool_ms || turn.waiting ? milliseconds(turn.tool_ms) : "–",
      milliseconds(turn.total_ms),
      turn.tokens ? count(turn.tokens) : "–",
      turn.waiting ? `waits for ${several(turn.waiting, "tool")}` : status(turn.status),
    ];
    shown.forEach((text, at) => put(row.children[at], text));
    row.lastChild.dataset.tone = turn.waiting ? "user" : tone(turn.status);
  }

  show() {
    const ended = [...this.turns.values()].filter((one) => one.status !== "in_progress");
    this.section.hidden = !this.turns.size;
    this.medians.hidden = ended.length < 2;
    put(this.total, this.turns.size ? several(this.turns.size, "turn") : "");
    if (this.medians.hidden) return;
    const row = element("tr");
    const head = element("th", "", "median");
    head.colSpan = 2;
    row.append(head);
    for (const name of TIMES) {
      const values = ended.map((one) => one[name]).filter((ms) => ms);
      row.append(element("td", "", milliseconds(values.length ? median(values) : null)));
    }
    row.append(element("td"), element("td"));
    this.medians.replaceChildren(row);
  }
}

function median(values) {
  const sorted = values.sort((a, b) => a - b);
  const half = sorted.length / 2;
  return half % 1 ? sorted[Math.floor(half)] : (sorted[half - 1] + sorted[half]) / 2;
}

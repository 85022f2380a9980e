// The list of sessions: every one that the server knows, the newest on top.

import { clock, count, element, lasting, put, responding, roving } from "./words.js";

export class Sessions {
  constructor({ list, total, choose }) {
    this.list = list;
    this.total = total;
    this.choose = choose;
    this.known = new Map(); // number -> what the server says of it
    this.rows = new Map(); // number -> the parts of its row
    this.chosen = null;
    roving(list);
  }

  get newest() {
    return Math.max(0, ...this.known.keys()) || null;
  }

  // The numbers of those that are not among these.
  without(sessions) {
    const there = new Set(sessions.map((one) => one.n));
    return [...this.known.keys()].filter((number) => !there.has(number));
  }

  take(sessions, gone) {
    for (const number of gone) {
      this.rows.get(number)?.item.remove();
      this.rows.delete(number);
      this.known.delete(number);
    }
    for (const session of sessions) {
      this.known.set(session.n, session);
      this.fill(session);
    }
    if (sessions.length || gone.length) this.show();
  }

  mark(number) {
    this.chosen = number;
    for (const [n, row] of this.rows) row.button.setAttribute("aria-current", n === number);
    const row = this.rows.get(number);
    if (row && !this.list.contains(document.activeElement)) {
      for (const other of this.rows.values()) other.button.tabIndex = -1;
      row.button.tabIndex = 0;
      row.item.scrollIntoView({ block: "nearest" });
    }
  }

  show() {
    const open = [...this.known.values()].filter((one) => one.open).length;
    put(this.total, this.known.size ? `${count(open)} open, ${count(this.known.size - open)} ended` : "");
  }

  fill(session) {
    const row = this.rows.get(session.n) ?? this.made(session);
    const [state, mood] = responding(session);
    row.item.className = `${session.open ? "open" : ""} ${mood}`;
    put(row.name, session.label || `session ${session.n}`);
    const dialect = session.dialect === "ga" ? "" : ` · ${session.dialect}`;
    const kind = session.kind === "realtime" ? "" : ` · ${session.kind}`;
    put(row.model, `${session.model || "no model"}${kind}${dialect}`);
    put(row.when, clock(session.date));
    put(row.more, session.open ? state : `ended after ${lasting(session.lasted)}`);
    put(row.traffic, `${count(session.client)} ↑ ${count(session.server)} ↓`);
    row.traffic.title = "events sent by the client, and by the server";
    row.button.title = row.name.textContent;
  }

  made(session) {
    const item = element("li");
    const button = element("button");
    button.type = "button";
    button.tabIndex = this.rows.size ? -1 : 0;
    button.setAttribute("aria-current", session.n === this.chosen);
    button.addEventListener("click", () => this.choose(session.n));
    const row = { item, button };
    button.append(element("span", "dot"));
    for (const name of ["name", "when", "model", "more", "traffic"]) {
      row[name] = element("span", name);
      button.append(row[name]);
    }
    item.append(button);
    this.list.prepend(item);
    this.rows.set(session.n, row);
    return row;
  }
}

"use strict";
// Answers come from models: they are written with textContent alone, never as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const section = at("answers"), picker = at("picker"), reading = at("reading");
  if (!picker || !data.languages.length) return;
  const language = at("pick-language"), prompt = at("pick-prompt");

  function element(tag, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }
  // A model's or user's text, in whatever direction it runs.
  function foreign(tag, className, text, code) {
    const made = element(tag, className, text);
    made.dir = "auto";
    if (code) made.lang = code;
    return made;
  }
  const shortened = (text) => {
    const line = Array.from(text.replace(/\s+/gu, " ").trim());
    return line.length > 80 ? line.slice(0, 79).join("") + "…" : line.join("");
  };
  const rounded = (number) => Math.round(number * 100) / 100;
  const current = () => data.languages[language.selectedIndex];

  function badges(answer) {
    const list = element("ul", "badges");
    const add = (text, kind) => list.append(element("li", kind, text));
    add(answer.g ? "✓ gate" : "✗ gate", answer.g ? "pass" : "fail");
    add(answer.d ? data.names[answer.d] || answer.d : "no language detected");
    if (data.rated) {
      add(answer.r === null ? (answer.u === "failed" ? "judging failed" : "not rated") : "rating " + rounded(answer.r));
      if (answer.c !== null) add("score " + rounded(answer.c));
    }
    return list;
  }

  function card(answer, of) {
    const system = of.systems[answer.s], code = of.code;
    const made = element("article", "card");
    made.style.setProperty("--c", system.colour);
    made.append(element("h4", "", system.rows.join(", ")));
    made.append(element("p", "id", system.id));
    made.append(badges(answer));
    const empty = !answer.t.trim();
    made.append(foreign("div", empty ? "text empty" : "text", empty ? "(empty answer)" : answer.t, empty ? "en" : answer.d || code));
    if (answer.x) made.append(foreign("p", "why", answer.x));
    return made;
  }

  function show() {
    const of = current(), item = of.prompts[prompt.selectedIndex];
    const parts = [foreign("blockquote", "prompt", item.t, of.code)];
    if (item.ref) {
      const reference = element("details", "reference");
      reference.append(element("summary", "", "Reference answer"), foreign("p", "", item.ref, of.code));
      parts.push(reference);
    }
    const groups = new Map();
    for (const answer of item.answers) {
      const title = of.systems[answer.s].group;
      if (!groups.has(title)) groups.set(title, []);
      groups.get(title).push(answer);
    }
    for (const [title, answers] of groups) {
      const cards = element("div", "cards");
      cards.append(...answers.map((answer) => card(answer, of)));
      parts.push(element("h3", "cards-title", title), cards);
    }
    reading.replaceChildren(...parts);
    at("position").textContent = prompt.selectedIndex + 1 + " of " + of.prompts.length;
    at("previous").disabled = prompt.selectedIndex === 0;
    at("next").disabled = prompt.selectedIndex === of.prompts.length - 1;
    at("shown").textContent =
      (of.prompts.length < of.total
        ? "This page holds " + of.prompts.length + " of the " + of.total + " " + of.name + " prompts; the rest are in the study’s folder. "
        : "All " + of.total + " " + of.name + " prompts are here. ") +
      "The arrow keys ← and → step through them.";
  }

  function fillPrompts() {
    // The same prompt in another language, where there is one.
    const old = prompt.value;
    prompt.replaceChildren(
      ...current().prompts.map((item, number) => {
        const option = foreign("option", "", number + 1 + ". " + shortened(item.t), current().code);
        option.value = item.id;
        return option;
      }),
    );
    const same = current().prompts.findIndex((item) => item.id === old);
    prompt.selectedIndex = Math.max(0, same);
  }

  function step(by) {
    const wanted = prompt.selectedIndex + by;
    if (wanted < 0 || wanted >= current().prompts.length) return;
    prompt.selectedIndex = wanted;
    show();
  }

  for (const item of data.languages) {
    const option = element("option", "", item.name + (item.unseen ? " (unseen)" : ""));
    option.value = item.code;
    language.append(option);
  }
  language.addEventListener("change", () => { fillPrompts(); show(); });
  prompt.addEventListener("change", show);
  at("previous").addEventListener("click", () => step(-1));
  at("next").addEventListener("click", () => step(1));
  picker.addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    // Not while another thing uses the arrows, and only with the answers in view.
    if (event.target.closest("select, input, textarea, .scroll")) return;
    const place = section.getBoundingClientRect();
    if (place.bottom < 0 || place.top > innerHeight) return;
    step(event.key === "ArrowRight" ? 1 : -1);
    event.preventDefault();
  });
  picker.hidden = false;
  fillPrompts();
  show();
})();

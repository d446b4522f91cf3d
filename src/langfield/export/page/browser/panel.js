// The controls beside the picture. Texts of the run are only ever set as text.

const LAYERS = ["Picture", "Composited", "Relevancy"];
const HIDDEN = ["Nothing", "Scene", "Found"];
const MOST_ON = 8;

const byId = (id) => document.getElementById(id);

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

class Panel {
  // actions: {changed(), flyTo(number, rank), standAt(photo)}. `changed` is called after each change of `state`.
  constructor(contents, state, actions) {
    this.contents = contents;
    this.state = state;
    this.actions = actions;
    this.chips = [];
    this.describe();
    this.makeChips();
    this.makeChoice("layer", LAYERS);
    this.makeChoice("hide", HIDDEN);
    this.makeSliders();
    this.makePhotos();
    this.show();
  }

  describe() {
    const { name, kind, count, total, degree, runDegree, madeBy } = this.contents;
    byId("name").textContent = name;
    byId("facts").textContent = `${count.toLocaleString("en")} ${kind}${count < total ? ` of ${total.toLocaleString("en")}` : ""}`;
    const notes = [`${madeBy}. One file: it loads nothing from elsewhere.`];
    if (kind === "points") notes.push("Points of the surface; after langfield bake, Gaussians.");
    if (degree < runDegree) notes.push("Colours that change with the direction are left out, at least in part.");
    byId("made").textContent = notes.join(" ");
    const asked = this.contents.answers.length > 0;
    for (const id of ["answers", "look", "filter"]) byId(id).hidden = !asked;
    if (!asked) this.note("This page has no phrases: it shows the scene. langfield export … --format html --phrase … adds answers.");
  }

  // -- phrases -------------------------------------------------------------------------------------------------------

  makeChips() {
    this.chips = this.contents.answers.map((answer, number) => {
      const chip = make("button", { type: "button", className: "chip" }, make("span", { className: "dot" }), answer.phrase);
      chip.classList.toggle("absent", !answer.present);
      chip.title = `${answer.present ? "found" : "not found"} · presence ${answer.presence.toFixed(2)}`;
      chip.addEventListener("click", () => this.toggle(number));
      return chip;
    });
    byId("chips").append(...this.chips);
    const filter = byId("filter");
    filter.addEventListener("input", () => this.filter(filter.value));
    filter.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.choose(filter.value);
      if (event.key === "Escape") filter.value = "";
      if (event.key === "Escape") this.filter("");
    });
  }

  fitting(text) {
    const wanted = text.trim().toLowerCase();
    const answers = this.contents.answers.map((answer, number) => [answer.phrase.toLowerCase(), number]);
    const exact = answers.filter(([phrase]) => phrase === wanted);
    return (exact.length ? exact : answers.filter(([phrase]) => phrase.includes(wanted))).map(([, number]) => number);
  }

  filter(text) {
    const wanted = text.trim().toLowerCase();
    let some = false;
    this.chips.forEach((chip, number) => {
      chip.hidden = !this.contents.answers[number].phrase.toLowerCase().includes(wanted);
      some ||= !chip.hidden;
    });
    this.note(some ? "" : `“${text.trim()}” is not in this page. Any phrase can be asked with langfield view and the run.`);
  }

  choose(text) {
    const fitting = text.trim() ? this.fitting(text) : [];
    if (fitting.length !== 1) return;
    if (!this.state.on.some(({ number }) => number === fitting[0])) this.toggle(fitting[0]);
    byId("filter").value = "";
    this.filter("");
  }

  note(text) {
    byId("filter-note").textContent = text;
    byId("filter-note").hidden = !text;
  }

  // A phrase on or off. The first one that is on shows what was found; a ninth takes the place of the first.
  toggle(number) {
    const { state } = this;
    const before = state.on.length;
    if (state.on.some((phrase) => phrase.number === number)) {
      state.on = state.on.filter((phrase) => phrase.number !== number);
      if (state.selected?.number === number) state.selected = null;
    } else {
      const kept = state.on.slice(-(MOST_ON - 1));
      const { phrases } = this.contents.colours;
      const slot = phrases.findIndex((_, index) => !kept.some((phrase) => phrase.slot === index));
      state.on = [...kept, { number, slot, colour: phrases[slot] }];
      state.shown = number;
    }
    if (!before && state.layer === "Picture") state.layer = "Composited";
    if (!state.on.some((phrase) => phrase.number === state.shown)) state.shown = state.on.at(-1)?.number ?? null;
    if (!state.on.length) state.hide = "Nothing";
    this.change();
  }

  change() {
    this.show();
    this.actions.changed();
  }

  showAnswers() {
    const { state, contents } = this;
    const cards = state.on.map(({ number, colour }) => {
      const answer = contents.answers[number];
      const verdict = `${answer.present ? "found" : "not found"} · presence ${answer.presence.toFixed(2)}`;
      const title = make("div", { className: "title" }, make("strong", {}, answer.phrase), make("span", { className: "soft" }, verdict));
      const card = make("article", { className: "answer" }, title);
      card.style.setProperty("--phrase", `rgb(${colour})`);
      answer.hits.forEach((hit, rank) => card.append(this.hitRow(number, rank, hit)));
      if (!answer.hits.length) card.append(make("p", { className: "soft" }, "Nothing in the scene is like it."));
      return card;
    });
    if (!cards.length && contents.answers.length) cards.push(make("p", { className: "soft" }, "Choose what to look for; several are possible."));
    byId("answers").replaceChildren(...cards);
  }

  hitRow(number, rank, hit) {
    const { selected } = this.state;
    const chosen = selected?.number === number && selected.rank === rank;
    const go = make("button", { type: "button", className: "hit", title: "Fly there" });
    go.setAttribute("aria-pressed", chosen);
    go.append(
      make("span", { className: "rank" }, `${rank + 1}`),
      make(
        "span",
        {},
        `score ${hit.score.toFixed(2)}`,
        make("small", {}, `size ${hit.size}`),
        make("small", {}, `at ${hit.position}`),
      ),
    );
    go.addEventListener("click", () => this.select(number, rank));
    if (!chosen || !hit.photos.length) return go;
    const photos = hit.photos.map((photo) => {
      const button = make("button", { type: "button", className: "link" }, shortName(this.contents.photos[photo].name));
      button.addEventListener("click", () => this.actions.standAt(photo));
      return button;
    });
    return make("div", {}, go, make("p", { className: "seen soft" }, "Best seen in ", ...photos));
  }

  select(number, rank) {
    this.state.selected = { number, rank };
    this.state.shown = number;
    this.change();
    byId("answers").querySelector('[aria-pressed="true"]')?.focus({ preventScroll: true });
    this.actions.flyTo(number, rank);
  }

  selectNext() {
    const all = this.state.on.flatMap(({ number }) => this.contents.answers[number].hits.map((_, rank) => [number, rank]));
    if (!all.length) return;
    const { selected } = this.state;
    const now = all.findIndex(([number, rank]) => number === selected?.number && rank === selected?.rank);
    this.select(...all[(now + 1) % all.length]);
  }

  // -- what is drawn ---------------------------------------------------------------------------------------------------

  makeChoice(key, options) {
    byId(key).append(
      ...options.map((option) => {
        const input = make("input", { type: "radio", name: key, value: option, id: `${key}-${option}` });
        input.addEventListener("change", () => {
          this.state[key] = option;
          this.change();
        });
        return make("label", {}, input, make("span", {}, option));
      }),
    );
  }

  next(key, options) {
    if (!this.state.on.length) return;
    this.state[key] = options[(options.indexOf(this.state[key]) + 1) % options.length];
    this.change();
  }

  makeSliders() {
    for (const key of ["opacity", "threshold"]) {
      byId(key).addEventListener("input", () => {
        this.state[key] = Number(byId(key).value);
        this.change();
      });
    }
    byId("boxed").addEventListener("change", () => {
      this.state.boxed = byId("boxed").checked;
      this.change();
    });
    byId("shown").addEventListener("change", () => {
      this.state.shown = Number(byId("shown").value);
      this.change();
    });
  }

  show() {
    const { state, contents } = this;
    const slots = new Map(state.on.map(({ number, colour }) => [number, colour]));
    this.chips.forEach((chip, number) => {
      chip.setAttribute("aria-pressed", slots.has(number));
      chip.style.setProperty("--phrase", slots.has(number) ? `rgb(${slots.get(number)})` : "");
    });
    this.showAnswers();
    byId(`layer-${state.layer}`).checked = true;
    byId(`hide-${state.hide}`).checked = true;
    for (const input of document.querySelectorAll("#layer input, #hide input")) input.disabled = !state.on.length;
    byId("shown-row").hidden = !(state.layer === "Relevancy" && state.on.length > 1);
    byId("shown").replaceChildren(
      ...state.on.map(({ number }) => make("option", { value: number, selected: number === state.shown }, contents.answers[number].phrase)),
    );
    byId("opacity-row").hidden = !state.on.length || state.layer === "Picture";
    byId("threshold-row").hidden = !state.on.length || state.layer !== "Relevancy";
    byId("boxed-row").hidden = !state.on.length;
    byId("boxed").checked = state.boxed;
    for (const key of ["opacity", "threshold"]) {
      byId(key).value = state[key];
      byId(`${key}-value`).textContent = state[key].toFixed(2);
    }
  }

  // The scale of the colour map, where one phrase's relevancy is shown: ramp has 256 colours of three bytes.
  showScale(ramp, span) {
    const { state, contents } = this;
    const number = state.layer === "Relevancy" ? state.shown : state.on.length === 1 ? state.on[0].number : null;
    const shown = number !== null && state.on.length > 0 && state.layer !== "Picture" && contents.answers[number].hits.length + (state.layer === "Relevancy") > 0;
    byId("scale").hidden = !shown;
    if (!shown) return;
    const [low, high] = state.layer === "Relevancy" ? [0, 255] : span(number);
    byId("scale-title").textContent = `Relevancy of ${contents.answers[number].phrase}`;
    const ends = [low, (low + high) / 2, high].map((value) => make("span", {}, (value / 255).toFixed(2)));
    byId("scale-ends").replaceChildren(...ends);
    const pen = byId("scale-ramp").getContext("2d");
    const pixels = pen.createImageData(256, 1);
    for (let i = 0; i < 256; i++) pixels.data.set([...ramp.subarray(3 * i, 3 * i + 3), 255], 4 * i);
    pen.putImageData(pixels, 0, 0);
  }

  // -- photos ------------------------------------------------------------------------------------------------------------

  makePhotos() {
    const { photos } = this.contents;
    const select = byId("photo");
    select.append(make("option", { value: "", hidden: true }, "a photo's camera"));
    select.append(...photos.map((photo, number) => make("option", { value: number }, shortName(photo.name))));
    select.addEventListener("change", () => this.actions.standAt(Number(select.value)));
    byId("photo-before").addEventListener("click", () => this.stepPhoto(-1));
    byId("photo-after").addEventListener("click", () => this.stepPhoto(1));
  }

  stepPhoto(step) {
    const { photos, first } = this.contents;
    const now = byId("photo").value === "" ? first : Number(byId("photo").value);
    this.actions.standAt((now + step + photos.length) % photos.length);
  }

  showPhoto(number) {
    byId("photo").value = number ?? "";
  }
}

const shortName = (name) => name.split("/").at(-1);

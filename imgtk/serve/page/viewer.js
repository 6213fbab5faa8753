// <imgtk-viewer>: two images under a slider, or up to six side by side, with one zoom and position for all.
// The page and the files of `imgtk compare` use it. It imports nothing.

const MOST = 32;

class Viewer extends HTMLElement {
  #images = [];
  #panes = [];
  #size = [1, 1];
  #zoom = 1;
  #left = 0;
  #top = 0;
  #share = 0.5;
  #fitted = true;
  #pointers = new Map();

  connectedCallback() {
    if (this.firstChild) return;
    this.innerHTML = `
      <div class="controls">
        <span class="modes" role="group" aria-label="Arrangement">
          <button type="button" data-mode="slider" aria-pressed="true">Slider</button>
          <button type="button" data-mode="grid" aria-pressed="false">Side by side</button>
        </span>
        <label class="pick">Left <select data-side="0"></select></label>
        <label class="pick">Right <select data-side="1"></select></label>
        <span class="zooms" role="group" aria-label="Zoom">
          <button type="button" data-zoom="out" aria-label="Zoom out">−</button>
          <button type="button" data-zoom="fit">Fit</button>
          <button type="button" data-zoom="one">1:1</button>
          <button type="button" data-zoom="in" aria-label="Zoom in">+</button>
          <output></output>
        </span>
      </div>
      <div class="panes"></div>
      <label class="divide">Boundary <input type="range" min="0" max="100" step="0.5" value="50"></label>`;
    this.dataset.mode ||= "slider";
    this.addEventListener("click", (event) => this.#clicked(event));
    this.addEventListener("change", (event) => event.target.dataset.side && this.#arrange());
    this.#find("input").addEventListener("input", (event) => this.#divide(event.target.value / 100));
    const panes = this.#find(".panes");
    panes.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    panes.addEventListener("pointerdown", (event) => this.#pressed(event));
    panes.addEventListener("pointermove", (event) => this.#moved(event));
    for (const name of ["pointerup", "pointercancel"]) {
      panes.addEventListener(name, (event) => this.#pointers.delete(event.pointerId));
    }
    panes.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => (this.#fitted ? this.fit() : this.#place())).observe(panes);
    this.#arrange();
  }

  #find(selector) {
    return this.querySelector(selector);
  }

  /** Show images: [{label, url, size: [width, height]}], the original first. All are stretched to the largest. */
  show(images) {
    const grown = JSON.stringify(images.map((image) => image.size));
    const before = JSON.stringify(this.#images.map((image) => image.size));
    const selects = [...this.querySelectorAll("select")];
    const chosen = selects.map((select) => select.value);
    this.#images = images;
    for (const [side, select] of selects.entries()) {
      select.replaceChildren(...images.map((image, index) => new Option(image.label, index)));
      const usual = side ? Math.max(0, images.length - 1) : 0;
      select.value = chosen[side] && images[chosen[side]] ? chosen[side] : usual;
    }
    if (images.length > 1 && selects[0].value === selects[1].value) selects[1].value = images.length - 1;
    this.#size = images.reduce((most, image) => (image.size[0] > most[0] ? image.size : most), [1, 1]);
    this.#arrange();
    if (grown !== before) this.fit();
  }

  #arrange() {
    const grid = this.dataset.mode === "grid";
    for (const button of this.querySelectorAll("[data-mode]")) {
      button.setAttribute("aria-pressed", button.dataset.mode === this.dataset.mode);
    }
    const sides = [...this.querySelectorAll("select")].map((select) => this.#images[select.value]);
    const picked = [...new Set(sides.filter(Boolean))];
    const groups = grid ? this.#images.map((image) => [image]) : picked.length ? [picked] : [];
    this.#panes = groups.map((group) => this.#pane(group));
    this.#find(".panes").replaceChildren(...this.#panes);
    this.#find(".panes").dataset.count = groups.length;
    const two = picked.length > 1 && !grid;
    this.#find(".divide").hidden = !two;
    for (const pick of this.querySelectorAll(".pick")) pick.hidden = !two || this.#images.length < 3;
    this.#find(".modes").hidden = this.#images.length < 2;
    this.#find(".zooms").hidden = !this.#images.length;
    requestAnimationFrame(() => (this.#fitted ? this.fit() : this.#place()));
  }

  #pane(images) {
    const pane = document.createElement("div");
    pane.className = "pane";
    pane.tabIndex = 0;
    pane.setAttribute("role", "group");
    pane.setAttribute("aria-label", images.map((image) => image.label).join(" and ") + ": arrows move, + and - zoom");
    const stage = document.createElement("div");
    stage.className = "stage";
    for (const image of images) {
      const shown = document.createElement("img");
      Object.assign(shown, { src: image.url, alt: image.label, draggable: false });
      stage.append(shown);
    }
    pane.append(stage);
    for (const [side, image] of images.entries()) {
      const label = document.createElement("span");
      label.className = side ? "label right" : "label";
      label.textContent = image.label;
      pane.append(label);
    }
    if (images.length > 1) {
      const handle = document.createElement("div");
      handle.className = "handle";
      pane.append(handle);
    }
    return pane;
  }

  #place() {
    for (const pane of this.#panes) {
      const stage = pane.querySelector(".stage");
      stage.style.width = `${this.#size[0]}px`;
      stage.style.height = `${this.#size[1]}px`;
      stage.style.transform = `translate(${this.#left}px, ${this.#top}px) scale(${this.#zoom})`;
      stage.classList.toggle("pixels", this.#zoom * devicePixelRatio >= 2);
      const [, over] = stage.children;
      if (over) {
        const edge = (pane.clientWidth * this.#share - this.#left) / this.#zoom;
        over.style.clipPath = `inset(0 0 0 ${Math.min(Math.max(edge, 0), this.#size[0])}px)`;
        pane.querySelector(".handle").style.left = `${100 * this.#share}%`;
      }
    }
    const percent = 100 * this.#zoom * devicePixelRatio;
    this.#find("output").textContent = this.#images.length ? `${percent.toPrecision(percent < 100 ? 2 : 3)} %` : "";
  }

  /** Show all of the image. */
  fit() {
    const [pane] = this.#panes;
    if (!pane?.clientWidth) return;
    this.#fitted = true;
    this.#zoom = Math.min(pane.clientWidth / this.#size[0], pane.clientHeight / this.#size[1], 8);
    this.#left = (pane.clientWidth - this.#zoom * this.#size[0]) / 2;
    this.#top = (pane.clientHeight - this.#zoom * this.#size[1]) / 2;
    this.#place();
  }

  /** Zoom about a point of a pane; without one, about its middle. */
  zoomTo(zoom, x, y) {
    const [pane] = this.#panes;
    if (!pane) return;
    x ??= pane.clientWidth / 2;
    y ??= pane.clientHeight / 2;
    zoom = Math.min(Math.max(zoom, 0.02), MOST);
    this.#left = x - ((x - this.#left) * zoom) / this.#zoom;
    this.#top = y - ((y - this.#top) * zoom) / this.#zoom;
    this.#zoom = zoom;
    this.#fitted = false;
    this.#place();
  }

  /** Show a place of the image, given as fractions of its sides, at a zoom: in the middle, if it is not near a border. */
  goTo(x, y, zoom = 1 / devicePixelRatio) {
    const [pane] = this.#panes;
    const start = (room, side, share) => {
      const ends = [0, room - side].sort((a, b) => a - b);
      return Math.min(Math.max(room / 2 - share * side, ends[0]), ends[1]);
    };
    this.#zoom = zoom;
    this.#left = start(pane.clientWidth, this.#size[0] * zoom, x);
    this.#top = start(pane.clientHeight, this.#size[1] * zoom, y);
    this.#fitted = false;
    this.#place();
  }

  #divide(share) {
    this.#share = Math.min(Math.max(share, 0), 1);
    this.#find("input").value = 100 * this.#share;
    this.#place();
  }

  #clicked({ target }) {
    const { mode, zoom } = target.dataset;
    if (mode && target !== this) {
      this.dataset.mode = mode;
      this.#fitted = true;
      this.#arrange();
      this.dispatchEvent(new Event("mode"));
    } else if (zoom === "fit") this.fit();
    else if (zoom === "one") this.zoomTo(1 / devicePixelRatio);
    else if (zoom) this.zoomTo(this.#zoom * (zoom === "in" ? 1.5 : 1 / 1.5));
  }

  #wheel(event) {
    const pane = event.target.closest(".pane");
    if (!pane) return;
    event.preventDefault();
    const box = pane.getBoundingClientRect();
    this.zoomTo(this.#zoom * 2 ** (-event.deltaY / 300), event.clientX - box.left, event.clientY - box.top);
  }

  #pressed(event) {
    const pane = event.target.closest(".pane");
    if (!pane || event.button) return;
    pane.setPointerCapture(event.pointerId);
    const handle = event.target.classList.contains("handle");
    this.#pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, pane, handle });
  }

  #moved(event) {
    const pointer = this.#pointers.get(event.pointerId);
    if (!pointer) return;
    const [dx, dy] = [event.clientX - pointer.x, event.clientY - pointer.y];
    const box = pointer.pane.getBoundingClientRect();
    const other = [...this.#pointers.values()].find((one) => one !== pointer);
    if (pointer.handle) {
      this.#divide((event.clientX - box.left) / box.width);
    } else {
      if (other) {
        const [before, after] = [pointer, { x: event.clientX, y: event.clientY }].map((one) =>
          Math.hypot(one.x - other.x, one.y - other.y),
        );
        this.zoomTo((this.#zoom * after) / Math.max(before, 1), other.x - box.left, other.y - box.top);
      } else {
        this.#left += dx;
        this.#top += dy;
        this.#fitted = false;
        this.#place();
      }
    }
    Object.assign(pointer, { x: event.clientX, y: event.clientY });
  }

  #key(event) {
    const steps = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
    if (steps[event.key]) {
      this.#left += steps[event.key][0];
      this.#top += steps[event.key][1];
      this.#fitted = false;
      this.#place();
    } else if (event.key === "+" || event.key === "=") this.zoomTo(this.#zoom * 1.5);
    else if (event.key === "-") this.zoomTo(this.#zoom / 1.5);
    else if (event.key === "0") this.fit();
    else return;
    event.preventDefault();
  }
}

customElements.define("imgtk-viewer", Viewer);

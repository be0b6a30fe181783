// The picture of a page, upright, with a box around each line.
//
// Boxes are in pixels of the page as it was sent; the page's `orientation` turns both upright.

const SVG = "http://www.w3.org/2000/svg";
const LONGEST_SIDE = 2400; // of what is drawn, in pixels: phones give a canvas little memory
const SHORTEST_SIDE = 900; // a smaller picture is drawn larger, up to ...
const MOST_LARGER = 3;

/** Decode an image file as the browser shows it; null if it does not know the format. */
export async function decoded(blob) {
  const image = new Image();
  const address = URL.createObjectURL(blob);
  image.src = address;
  try {
    await image.decode();
    return image.naturalWidth ? image : null;
  } catch {
    return null;
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** Whether an image has the shape of a page, so that the page's boxes fit it. */
export function fits(image, page) {
  const shape = (image.naturalWidth / image.naturalHeight) * (page.height / page.width);
  return Math.abs(shape - 1) < 0.02;
}

/** Shows one page at a time in an element. */
export class Picture {
  #root;
  #sheet = null;
  #shapes = [];

  /**
   * @param root is filled
   * @param on.point is called with the number of the line under the pointer, or -1
   * @param on.pick is called with the number of a line that is clicked
   */
  constructor(root, on) {
    this.#root = root;
    const numberOf = (event) => Number(event.target.dataset?.line ?? -1);
    root.addEventListener("pointerover", (event) => on.point(numberOf(event)));
    root.addEventListener("pointerleave", () => on.point(-1));
    root.addEventListener("click", (event) => {
      if (numberOf(event) >= 0) on.pick(numberOf(event));
    });
  }

  /** Say in place of a picture that there is none, or with "" that it is on its way. */
  blank(text) {
    this.#sheet = null;
    this.#shapes = [];
    const note = document.createElement("p");
    note.className = text ? "nothing" : "nothing coming";
    note.textContent = text;
    this.#root.replaceChildren(note);
  }

  /**
   * Draw an image upright.
   *
   * @param image the page as it was sent
   * @param angle by which it is turned clockwise: 0, 90, 180, 270
   */
  draw(image, angle = 0) {
    const { naturalWidth: width, naturalHeight: height } = image;
    const longest = Math.max(width, height);
    const larger = Math.min(MOST_LARGER, Math.max(1, SHORTEST_SIDE / longest));
    const scale = Math.min(larger, LONGEST_SIDE / longest);
    const canvas = document.createElement("canvas");
    const across = angle % 180 !== 0;
    canvas.width = Math.max(1, Math.round((across ? height : width) * scale));
    canvas.height = Math.max(1, Math.round((across ? width : height) * scale));
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.translate(canvas.width / 2, canvas.height / 2);
    context.rotate((angle * Math.PI) / 180);
    context.drawImage(image, (-width * scale) / 2, (-height * scale) / 2, width * scale, height * scale);
    this.#sheet = document.createElement("div");
    this.#sheet.className = "sheet";
    this.#sheet.append(canvas);
    this.#shapes = [];
    this.#root.replaceChildren(this.#sheet);
  }

  /** Whether there is none. */
  get isEmpty() {
    return !this.#sheet;
  }

  /** Whether a line runs over the picture that is being read. */
  set scanning(yes) {
    this.#sheet?.classList.toggle("scanning", yes);
  }

  /** Put the boxes of lines over the picture. */
  outline(page, lines) {
    if (!this.#sheet) return;
    const { width, height, orientation } = page;
    const across = orientation % 180 !== 0;
    const drawing = document.createElementNS(SVG, "svg");
    drawing.setAttribute("viewBox", across ? `0 0 ${height} ${width}` : `0 0 ${width} ${height}`);
    drawing.setAttribute("preserveAspectRatio", "none");
    drawing.setAttribute("aria-hidden", "true");
    const group = document.createElementNS(SVG, "g");
    const moved = { 0: "0 0", 90: `${height} 0`, 180: `${width} ${height}`, 270: `0 ${width}` };
    group.setAttribute("transform", `translate(${moved[orientation]}) rotate(${orientation})`);
    this.#shapes = lines.map((line, number) => {
      if (!line.box) return null;
      const shape = document.createElementNS(SVG, "polygon");
      shape.setAttribute("points", line.box.map((corner) => corner.join(",")).join(" "));
      shape.dataset.line = number;
      group.append(shape);
      return shape;
    });
    drawing.append(group);
    this.#sheet.append(drawing);
  }

  /** Take the boxes away: they are of a page that is not shown any more. */
  clear() {
    this.#shapes = [];
    this.#sheet?.querySelector("svg")?.remove();
  }

  /** Mark the line under the pointer and the one that is chosen; -1: none. */
  mark(pointed, chosen) {
    this.#shapes.forEach((shape, number) => {
      shape?.classList.toggle("pointed", number === pointed);
      shape?.classList.toggle("chosen", number === chosen);
    });
  }

  /** Bring the box of a line into view. */
  reveal(number) {
    this.#shapes[number]?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
}

/** Pieces of SVG as text. Numbers have one decimal, and text is escaped. */
type Attributes = Readonly<Record<string, string | number>>;

export function element(name: string, attributes: Attributes, content = ""): string {
  const told = Object.entries(attributes).map(([key, value]) => ` ${key}="${attributeOf(value)}"`);
  return content === "" ? `<${name}${told.join("")}/>` : `<${name}${told.join("")}>${content}</${name}>`;
}

export function text(attributes: Attributes, content: string): string {
  return element("text", attributes, escaped(content));
}

/** Shown when the pointer rests on what it belongs to. */
export function titled(name: string, attributes: Attributes, title: string): string {
  return element(name, attributes, element("title", {}, escaped(title)));
}

function attributeOf(value: string | number): string {
  return typeof value === "number" ? String(Math.round(value * 10) / 10) : escaped(value);
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

/**
 * Reading TypeScript just well enough to judge it.
 *
 * The rules of the house need three things from a file: what it imports, what its code says, what its comments say. A
 * compiler would tell, but TypeScript 7 offers no stable one to call, and a plain text search takes a word in a comment for
 * code. So this walks the text once and tells code from comments and literals, the only hard part: a `/` begins a
 * regular expression where an operand is expected, and a template holds code again inside `${…}`.
 */

export type Comment = { readonly line: number; readonly text: string };

/** `isType`: the whole import is erased. `specifier` is `undefined` when a dynamic import computes it. */
export type Import = {
  readonly line: number;
  readonly specifier: string | undefined;
  readonly isType: boolean;
};

export type Scan = {
  /** The text, as long as before, with comments and the insides of literals blanked. */
  readonly code: string;
  readonly comments: readonly Comment[];
  readonly imports: readonly Import[];
};

const OPERAND_FOLLOWS_WORD = /\b(?:return|typeof|case|in|of|do|else|void|delete|throw|new|await|yield|instanceof)$/;
const OPERAND_FOLLOWS_SIGN = /[([{,;:=!&|?+\-*%^~<>]$/;

/** 1-based. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}

function blank(text: string): string {
  return text.replaceAll(/[^\n]/g, " ");
}

/** Where a quoted literal ends, just past its closing quote; an escaped character never closes it. */
function endOfQuoted(text: string, start: number): number {
  const quote = text[start];
  let at = start + 1;
  while (at < text.length && text[at] !== quote) at += text[at] === "\\" ? 2 : 1;
  return Math.min(at + 1, text.length);
}

/** Just past the closing slash; a slash inside a character class does not close. The flags are left as code. */
function endOfRegExp(text: string, start: number): number {
  let inClass = false;
  let at = start + 1;
  while (at < text.length) {
    const sign = text[at];
    if (sign === "/" && !inClass) return at + 1;
    if (sign === "\n") return at;
    if (sign === "[") inClass = true;
    if (sign === "]") inClass = false;
    at += sign === "\\" ? 2 : 1;
  }
  return text.length;
}

function beginsRegExp(codeBefore: string): boolean {
  const before = codeBefore.trimEnd();
  return before === "" || OPERAND_FOLLOWS_SIGN.test(before) || OPERAND_FOLLOWS_WORD.test(before);
}

/** From a template's opening backtick, or from the brace that ends one of its substitutions, to where code goes on. */
function endOfTemplatePart(text: string, start: number): { readonly end: number; readonly opensCode: boolean } {
  let at = start + 1;
  while (at < text.length) {
    if (text[at] === "`") return { end: at + 1, opensCode: false };
    if (text[at] === "$" && text[at + 1] === "{") return { end: at + 2, opensCode: true };
    at += text[at] === "\\" ? 2 : 1;
  }
  return { end: text.length, opensCode: false };
}

type Walk = {
  at: number;
  code: string;
  /** How deep in braces each open template substitution stands. */
  readonly substitutions: number[];
  braces: number;
  readonly comments: Comment[];
};

function takeLiteral(walk: Walk, text: string, end: number): void {
  // The delimiters stay, so that code still shows that a literal stood here.
  const inside = Math.max(end - walk.at - 2, 0);
  walk.code +=
    (text[walk.at] ?? "") +
    blank(text.slice(walk.at + 1, walk.at + 1 + inside)) +
    text.slice(walk.at + 1 + inside, end);
  walk.at = end;
}

function takeComment(walk: Walk, text: string, end: number): void {
  const comment = text.slice(walk.at, end);
  walk.comments.push({ line: lineAt(text, walk.at), text: comment });
  walk.code += blank(comment);
  walk.at = end;
}

function takeTemplatePart(walk: Walk, text: string): void {
  const { end, opensCode } = endOfTemplatePart(text, walk.at);
  takeLiteral(walk, text, end);
  if (!opensCode) return;
  walk.substitutions.push(walk.braces);
  walk.braces += 1;
}

function takeBraceEnd(walk: Walk, text: string): void {
  walk.braces -= 1;
  if (walk.substitutions.at(-1) === walk.braces) {
    walk.substitutions.pop();
    takeTemplatePart(walk, text);
    return;
  }
  walk.code += "}";
  walk.at += 1;
}

function takeCode(walk: Walk, text: string): void {
  const sign = text[walk.at] ?? "";
  if (sign === "{") walk.braces += 1;
  walk.code += sign;
  walk.at += 1;
}

function endOfLine(text: string, start: number): number {
  const end = text.indexOf("\n", start);
  return end === -1 ? text.length : end;
}

function step(walk: Walk, text: string): void {
  const sign = text[walk.at];
  const next = text[walk.at + 1];
  if (sign === "/" && next === "/") return takeComment(walk, text, endOfLine(text, walk.at));
  if (sign === "/" && next === "*") {
    const end = text.indexOf("*/", walk.at + 2);
    return takeComment(walk, text, end === -1 ? text.length : end + 2);
  }
  if (sign === '"' || sign === "'") return takeLiteral(walk, text, endOfQuoted(text, walk.at));
  if (sign === "`") return takeTemplatePart(walk, text);
  if (sign === "}") return takeBraceEnd(walk, text);
  if (sign === "/" && beginsRegExp(walk.code)) return takeLiteral(walk, text, endOfRegExp(text, walk.at));
  return takeCode(walk, text);
}

/** Matched against blanked code, each ends on the quote that opens the specifier. */
const STATIC_IMPORT = /(?<![.\w$])(?:import|export)(?<type>\s+type(?=[\s{*]))?(?=[\s{*])(?:[^;"'`()=]*?\bfrom)\s*["']/g;
const SIDE_EFFECT_IMPORT = /(?<![.\w$])import\s*["']/g;
const DYNAMIC_IMPORT = /(?<![.\w$])import\s*\(\s*/g;

function importsIn(text: string, code: string): readonly Import[] {
  const literalAt = (quote: number): string => text.slice(quote + 1, endOfQuoted(text, quote) - 1);
  const ending = (match: RegExpExecArray): number => match.index + match[0].length - 1;

  const statics = [...code.matchAll(STATIC_IMPORT)].map((match) => ({
    line: lineAt(text, match.index),
    specifier: literalAt(ending(match)),
    isType: match.groups?.["type"] !== undefined,
  }));
  const effects = [...code.matchAll(SIDE_EFFECT_IMPORT)].map((match) => ({
    line: lineAt(text, match.index),
    specifier: literalAt(ending(match)),
    isType: false,
  }));
  const dynamics = [...code.matchAll(DYNAMIC_IMPORT)].map((match) => {
    const argument = match.index + match[0].length;
    const isLiteral = code[argument] === '"' || code[argument] === "'";
    return { line: lineAt(text, match.index), specifier: isLiteral ? literalAt(argument) : undefined, isType: false };
  });
  return [...statics, ...effects, ...dynamics].toSorted((left, right) => left.line - right.line);
}

export function scanSource(text: string): Scan {
  const walk: Walk = { at: 0, code: "", substitutions: [], braces: 0, comments: [] };
  while (walk.at < text.length) step(walk, text);
  return { code: walk.code, comments: walk.comments, imports: importsIn(text, walk.code) };
}

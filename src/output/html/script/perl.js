// Colours for Perl: good enough to read by, line by line, and never wrong about what the text is.

const PERL_WORDS = new Set(("my our local state sub package use no require return if elsif else "
  + "unless while until for foreach do eval last next redo goto and or not xor cmp eq ne lt gt le "
  + "ge x defined undef ref bless wantarray die warn push pop shift unshift splice map grep sort "
  + "keys values each exists delete join split print printf sprintf open close given when default "
  + "BEGIN END method class field try catch finally defer __PACKAGE__ __FILE__ __LINE__ "
  + "__DATA__ __END__").split(" "));

const PERL_TOKENS = new RegExp([
  "(?<comment>(?<![$\\w\"'/])#.*$)",
  "(?<string>\"(?:[^\"\\\\]|\\\\.)*\"|(?<![\\w$&@%])'(?:[^'\\\\]|\\\\.)*')",
  "(?<variable>(?:\\$#|[$@%&])\\{?\\^?(?:::)?[A-Za-z_]\\w*(?:(?:::|')[A-Za-z_]\\w*)*\\}?|\\$[\\d&!@/\\\\,;.0_])",
  "(?<number>\\b(?:0[xb][\\da-fA-F_]+|\\d[\\d_]*(?:\\.\\d+)?(?:e[+-]?\\d+)?)\\b)",
  "(?<word>(?<!->\\s*)\\b[A-Za-z_]\\w*\\b(?!\\s*=>))",
].join("|"), "g");

// A line as pieces of text and coloured spans.
function highlighted(text, isText) {
  if (isText) return [el("span", { class: "p-comment" }, visible(text))];
  if (text.length > 2000) return [visible(text)];
  const pieces = [];
  let from = 0;
  for (const match of text.matchAll(PERL_TOKENS)) {
    const [kind] = Object.entries(match.groups).find(([, value]) => value !== undefined);
    if (kind === "word" && !PERL_WORDS.has(match[0])) continue;
    if (match.index > from) pieces.push(visible(text.slice(from, match.index)));
    pieces.push(el("span", { class: `p-${kind}` }, visible(match[0])));
    from = match.index + match[0].length;
  }
  if (from < text.length) pieces.push(visible(text.slice(from)));
  return pieces;
}

// Which lines are documentation, or behind the end of the program.
function textLines(lines) {
  const isText = new Uint8Array(lines.length);
  let inside = false;
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index];
    if (/^=[A-Za-z]/.test(line)) inside = true;
    if (inside) isText[index] = 1;
    if (/^=cut\b/.test(line)) inside = false;
    if (!inside && /^__(END|DATA)__$/.test(line)) return isText.fill(1, index);
  }
  return isText;
}

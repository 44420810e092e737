// text.tsx - text panels: markdown or HTML, rebuilt from a list of allowed elements.
//
// The text is cut into tags and words by a reader of our own, and allowed elements are made one by
// one with createElement. No string ever reaches a parser of the browser: not of this page, nor of
// an inert document, which would still report to the content security policy.
import { useEffect, useRef } from 'preact/hooks';
import { safeLink } from '../../../shared/url';
import { object, text } from '../model';
import type { RenderProps } from './panels';

const ELEMENTS = new Set('h1 h2 h3 h4 h5 h6 p br hr b i em strong u s small sub sup a ul ol li dl dt dd table thead tbody tfoot tr td th caption span div code pre blockquote img center font section header footer details summary'.split(' '));
const STYLES = new Set('color background background-color font-size font-weight font-style text-align text-decoration margin margin-top margin-bottom margin-left margin-right padding padding-top padding-bottom padding-left padding-right width height max-width max-height border border-radius line-height display vertical-align white-space justify-content align-items gap flex flex-direction'.split(' '));
const DEPTH_MAX = 60;

/** Pictures in the text itself or of our own server's public folder; nothing else is fetched. */
const isImage = (source: string): boolean => /^data:image\/(png|jpeg|gif|webp);base64,/i.test(source) || /^\/public\/[\w./-]+$/.test(source);

type Attributes = ReadonlyMap<string, string>;

const NAMED: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0', copy: '©', middot: '·', ndash: '–', mdash: '—', hellip: '…', rarr: '→', larr: '←', deg: '°', micro: 'µ', times: '×' };

function unescape(given: string): string {
    return given.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(\w{2,8}));/gi, (whole, decimal?: string, hex?: string, name?: string) => {
        if (name !== undefined) return Object.hasOwn(NAMED, name) ? NAMED[name]! : whole;
        const code = decimal !== undefined ? Number(decimal) : parseInt(hex!, 16);
        return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : '';
    });
}

function readAttributes(given: string): Attributes {
    const made = new Map<string, string>();
    for (const match of given.matchAll(/([^\s=>"'/]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+)))?/g)) {
        const name = match[1]!.toLowerCase();
        if (!made.has(name)) made.set(name, unescape(match[2] ?? match[3] ?? match[4] ?? ''));
    }
    return made;
}

function setAttributes(name: string, from: Attributes, to: HTMLElement): void {
    if (name === 'a') {
        const link = safeLink(from.get('href') ?? '');
        if (link && from.has('href')) {
            to.setAttribute('href', link);
            to.setAttribute('rel', 'noopener noreferrer');
            if (from.get('target') === '_blank') to.setAttribute('target', '_blank');
        }
    }
    if (name === 'img') {
        to.setAttribute('alt', from.get('alt') ?? '');
        const source = from.get('src') ?? '';
        if (source !== '' && isImage(source)) to.setAttribute('src', source);
    }
    for (const attribute of ['title', 'colspan', 'rowspan', 'align', 'width', 'height', 'start']) {
        const value = from.get(attribute);
        if (value !== undefined) to.setAttribute(attribute, value);
    }
    if (name === 'font' && from.has('color')) to.style.color = from.get('color')!;
    for (const part of (from.get('style') ?? '').split(';')) {
        const colon = part.indexOf(':');
        const property = part.slice(0, colon).trim().toLowerCase();
        const value = part.slice(colon + 1).trim();
        if (colon > 0 && STYLES.has(property) && !/url\s*\(|expression|[\\<>]|image-set|@/i.test(value)) to.style.setProperty(property, value);
    }
}

const EMPTY = new Set(['br', 'hr', 'img']);
/** Opening the first closes an open one of the second kind. */
const CLOSES: Record<string, readonly string[]> = { li: ['li'], tr: ['tr', 'td', 'th'], td: ['td', 'th'], th: ['td', 'th'], p: ['p'], dt: ['dd', 'dt'], dd: ['dd', 'dt'] };
const RAW = new Set(['script', 'style', 'textarea', 'title', 'iframe', 'noscript', 'template', 'svg', 'math', 'object', 'select', 'button', 'head']);

/** HTML of unknown origin as safe nodes. */
export function safeNodes(html: string): DocumentFragment {
    const made = document.createDocumentFragment();
    const open: { name: string; node: Node }[] = [{ name: '', node: made }];
    const add = (node: Node): void => { open[open.length - 1]!.node.appendChild(node); };
    const close = (name: string): void => {
        const at = open.findLastIndex((one) => one.name === name);
        if (at > 0) open.length = at;
    };
    const tags = /<!--[\s\S]*?(?:-->|$)|<[!?][^>]*>|<\/([a-z][\w-]*)[^>]*>|<([a-z][\w-]*)((?:"[^"]*"|'[^']*'|[^"'>])*)>/gi;
    let last = 0;
    for (let tag = tags.exec(html); tag !== null; tag = tags.exec(html)) {
        if (tag.index > last) add(document.createTextNode(unescape(html.slice(last, tag.index))));
        last = tags.lastIndex;
        const closing = tag[1]?.toLowerCase();
        const name = tag[2]?.toLowerCase();
        if (closing !== undefined) close(closing);
        if (name === undefined) continue;
        if (RAW.has(name)) {
            // What stands in these is no text for people: skip to their end.
            const end = new RegExp(`</${name}\\s*>`, 'gi');
            end.lastIndex = last;
            if (!/\/\s*$/.test(tag[3] ?? '')) last = tags.lastIndex = end.exec(html) ? end.lastIndex : html.length;
            continue;
        }
        if (!ELEMENTS.has(name)) continue;
        const scope = open.findLastIndex((one) => ['table', 'ul', 'ol', 'dl'].includes(one.name));
        for (const other of CLOSES[name] ?? []) if (open.findLastIndex((one) => one.name === other) > scope) close(other);
        const element = document.createElement(name);
        setAttributes(name, readAttributes(tag[3] ?? ''), element);
        add(element);
        if (!EMPTY.has(name) && open.length < DEPTH_MAX) open.push({ name, node: element });
    }
    if (last < html.length) add(document.createTextNode(unescape(html.slice(last))));
    return made;
}

const escape = (given: string): string => given.replace(/&(?!#?\w+;)/g, '&amp;').replace(/"/g, '&quot;');

/** Marks inside a line: code, images, links, bold, italic, struck. HTML stays, and is filtered after. */
function inline(given: string): string {
    const held: string[] = [];
    const hold = (html: string): string => `\u0001${held.push(html) - 1}\u0001`;
    return given
        .replace(/`([^`]+)`/g, (_, code: string) => hold(`<code>${code.replace(/&/g, '&amp;').replace(/</g, '&lt;')}</code>`))
        .replace(/!\[([^\]]*)\]\(([^\s)]+)[^)]*\)/g, (_, alt: string, source: string) => hold(`<img alt="${escape(alt)}" src="${escape(source)}">`))
        .replace(/\[([^\]]+)\]\(([^\s)]+)(?:\s+"[^"]*")?\)/g, (_, label: string, to: string) => `${hold(`<a href="${escape(to)}">`)}${label}${hold('</a>')}`)
        .replace(/(^|[\s(])(https?:\/\/[^\s<)]+)/g, (_, before: string, to: string) => before + hold(`<a href="${escape(to)}">${escape(to).replace(/</g, '&lt;')}</a>`))
        .replace(/\*\*(.+?)\*\*|__(.+?)__/g, (_, a?: string, b?: string) => `<strong>${a ?? b}</strong>`)
        .replace(/\*([^*\s][^*]*)\*|(?<!\w)_([^_\s][^_]*)_(?!\w)/g, (_, a?: string, b?: string) => `<em>${a ?? b}</em>`)
        .replace(/~~(.+?)~~/g, '<s>$1</s>')
        .replace(/\u0001(\d+)\u0001/g, (_, at: string) => held[Number(at)] ?? '');
}

function tableOf(lines: string[]): string {
    const cells = (line: string): string[] => line.trim().replace(/^\||\|$/g, '').split('|').map((cell) => cell.trim());
    const [head, , ...rows] = lines;
    return `<table><thead><tr>${cells(head!).map((cell) => `<th>${inline(cell)}</th>`).join('')}</tr></thead><tbody>${
        rows.map((row) => `<tr>${cells(row).map((cell) => `<td>${inline(cell)}</td>`).join('')}</tr>`).join('')}</tbody></table>`;
}

function listOf(lines: string[]): string {
    const ordered = /^\s*\d+[.)]/.test(lines[0]!);
    const depth = (line: string): number => /^\s*/.exec(line)![0].length;
    const base = depth(lines[0]!);
    let html = '';
    for (let i = 0; i < lines.length;) {
        let j = i + 1;
        while (j < lines.length && depth(lines[j]!) > base) j++;
        const inner = lines.slice(i + 1, j);
        const isList = inner.length > 0 && /^\s*([-*+]|\d+[.)])\s/.test(inner[0]!);
        html += `<li>${inline(lines[i]!.replace(/^\s*([-*+]|\d+[.)])\s+/, ''))}${isList ? listOf(inner) : inner.map((line) => ` ${inline(line.trim())}`).join('')}</li>`;
        i = j;
    }
    return ordered ? `<ol>${html}</ol>` : `<ul>${html}</ul>`;
}

/** Markdown as HTML that still has to be filtered by safeNodes. */
export function markdown(given: string): string {
    const lines = given.replace(/\r\n?/g, '\n').split('\n');
    let html = '';
    for (let i = 0; i < lines.length;) {
        const line = lines[i]!;
        const until = (test: (other: string) => boolean): number => { let j = i + 1; while (j < lines.length && !test(lines[j]!)) j++; return j; };
        const heading = /^(#{1,6})\s+(.*?)\s*#*$/.exec(line);
        if (/^\s*$/.test(line)) i++;
        else if (line.startsWith('```')) {
            const end = until((other) => other.startsWith('```'));
            html += `<pre><code>${lines.slice(i + 1, end).join('\n').replace(/&/g, '&amp;').replace(/</g, '&lt;')}</code></pre>`;
            i = end + 1;
        } else if (heading) { html += `<h${heading[1]!.length}>${inline(heading[2]!)}</h${heading[1]!.length}>`; i++; }
        else if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(line)) { html += '<hr>'; i++; }
        else if (/^\s*>/.test(line)) {
            const end = until((other) => !/^\s*>/.test(other));
            html += `<blockquote>${markdown(lines.slice(i, end).map((other) => other.replace(/^\s*>\s?/, '')).join('\n'))}</blockquote>`;
            i = end;
        } else if (/^\s*([-*+]|\d+[.)])\s+/.test(line)) {
            const end = until((other) => /^\s*$/.test(other) || (!/^\s*([-*+]|\d+[.)])\s+/.test(other) && !/^\s{2,}/.test(other)));
            html += listOf(lines.slice(i, end));
            i = end;
        } else if (line.includes('|') && /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/.test(lines[i + 1] ?? '')) {
            const end = until((other) => !other.includes('|'));
            html += tableOf(lines.slice(i, end));
            i = end;
        } else {
            const end = until((other) => /^\s*$/.test(other) || /^(#{1,6}\s|```|\s*>|\s*([-*+]|\d+[.)])\s+)/.test(other));
            const block = lines.slice(i, end);
            const isHtml = /^\s*<\/?[a-z]/i.test(line);
            html += isHtml ? `${block.map(inline).join('\n')}\n` : `<p>${block.map((other) => inline(other) + (/ {2,}$/.test(other) ? '<br>' : '')).join('\n')}</p>`;
            i = end;
        }
    }
    return html;
}

const escapeHtml = (given: string): string => given.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;');

export default function TextPanel({ panel, fillText }: RenderProps) {
    const box = useRef<HTMLDivElement>(null);
    const mode = text(panel.options.mode, 'markdown');
    const said = text(panel.options.content);
    const filled = mode === 'code' ? said : fillText(said, mode === 'html' ? 'text' : 'text');
    const language = text(object(panel.options.code).language);
    useEffect(() => {
        const html = mode === 'code' ? `<pre><code>${escapeHtml(filled)}</code></pre>` : mode === 'html' ? filled : markdown(filled);
        box.current?.replaceChildren(safeNodes(html));
    }, [filled, mode, language]);
    return <div class="prose" ref={box} data-testid="text-content" />;
}

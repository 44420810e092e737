// text.tsx - text panels: markdown or HTML, rebuilt from a list of allowed elements.
//
// The text is parsed into a document that runs nothing; only allowed elements and attributes are
// then made anew. No string ever becomes markup of the page.
import { useEffect, useRef } from 'preact/hooks';
import { safeLink } from '../../../shared/url';
import { object, text } from '../model';
import type { RenderProps } from './panels';

const ELEMENTS = new Set('h1 h2 h3 h4 h5 h6 p br hr b i em strong u s small sub sup a ul ol li dl dt dd table thead tbody tfoot tr td th caption span div code pre blockquote img center font section header footer details summary'.split(' '));
const DROPPED = new Set('script style iframe object embed form input button textarea select svg math template link meta base noscript title head'.split(' '));
const STYLES = new Set('color background background-color font-size font-weight font-style text-align text-decoration margin margin-top margin-bottom margin-left margin-right padding padding-top padding-bottom padding-left padding-right width height max-width max-height border border-radius line-height display vertical-align white-space justify-content align-items gap flex flex-direction'.split(' '));
const DEPTH_MAX = 60;

interface TrustedPolicy { createHTML(input: string): string }
const factory = (globalThis as { trustedTypes?: { createPolicy(name: string, rules: object): TrustedPolicy } }).trustedTypes;
// The only use of this policy is to feed the inert parser below.
const policy: TrustedPolicy = factory?.createPolicy('app', { createHTML: (input: string) => input }) ?? { createHTML: (input) => input };

const isImage = (source: string): boolean => {
    if (/^data:image\/(png|jpeg|gif|webp);base64,/i.test(source)) return true;
    try {
        return new URL(source, location.href).origin === location.origin;
    } catch {
        return false;
    }
};

function copyAttributes(from: Element, to: HTMLElement): void {
    const name = from.localName;
    if (name === 'a') {
        const link = safeLink(from.getAttribute('href') ?? '');
        if (link) {
            to.setAttribute('href', link);
            to.setAttribute('rel', 'noopener noreferrer');
            if (from.getAttribute('target') === '_blank') to.setAttribute('target', '_blank');
        }
    }
    if (name === 'img') {
        to.setAttribute('alt', from.getAttribute('alt') ?? '');
        const source = from.getAttribute('src') ?? '';
        if (isImage(source)) to.setAttribute('src', source);
    }
    for (const attribute of ['title', 'colspan', 'rowspan', 'align', 'width', 'height', 'start']) {
        const value = from.getAttribute(attribute);
        if (value !== null) to.setAttribute(attribute, value);
    }
    if (name === 'font' && from.getAttribute('color')) to.style.color = from.getAttribute('color')!;
    // Read from the text, not from the inert document's style object: a policy may refuse inline styles there.
    for (const part of (from.getAttribute('style') ?? '').split(';')) {
        const colon = part.indexOf(':');
        const property = part.slice(0, colon).trim().toLowerCase();
        const value = part.slice(colon + 1).trim();
        if (colon > 0 && STYLES.has(property) && !/url\s*\(|expression|[\\<>]|image-set|@/i.test(value)) to.style.setProperty(property, value);
    }
}

function copyNodes(from: Node, to: Node, depth: number): void {
    for (const node of from.childNodes) {
        if (node.nodeType === Node.TEXT_NODE) to.appendChild(document.createTextNode(node.nodeValue ?? ''));
        else if (node.nodeType === Node.ELEMENT_NODE && depth < DEPTH_MAX) {
            const element = node as Element;
            if (DROPPED.has(element.localName)) continue;
            if (!ELEMENTS.has(element.localName)) {
                copyNodes(element, to, depth + 1);
                continue;
            }
            const made = document.createElement(element.localName);
            copyAttributes(element, made);
            copyNodes(element, made, depth + 1);
            to.appendChild(made);
        }
    }
}

/** HTML of unknown origin as safe nodes. */
export function safeNodes(html: string): DocumentFragment {
    const parsed = new DOMParser().parseFromString(policy.createHTML(html), 'text/html');
    const made = document.createDocumentFragment();
    copyNodes(parsed.body, made, 0);
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

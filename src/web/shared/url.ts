// url.ts - the page's state lives in the address: read it, change it, follow back and forward.
import { signal } from '@preact/signals';

/** What stands before all our paths when the role serves below a prefix; told by where this file is from. */
export const prefix = /^(.*)\/assets\/[^/]+$/.exec(new URL(import.meta.url).pathname)?.[1] ?? '';

/** An address of our own server, given without the prefix. */
export const own = (to: string): string => (to.startsWith('/') && !to.startsWith('//') ? prefix + to : to);

const ownPath = (): string => (location.pathname.startsWith(`${prefix}/`) ? location.pathname.slice(prefix.length) : location.pathname);

/** The address's query part; replaced, never changed in place. */
export const query = signal(new URLSearchParams(location.search));
/** The path without the prefix. */
export const path = signal(ownPath());

function read(): void {
    query.value = new URLSearchParams(location.search);
    path.value = ownPath();
}
addEventListener('popstate', read);

export type Changes = Record<string, string | string[] | null | undefined>;

/** What the query part would be after `changes`; null or undefined takes a key away. */
export function changed(changes: Changes, from: URLSearchParams = query.peek()): URLSearchParams {
    const next = new URLSearchParams(from);
    for (const [key, value] of Object.entries(changes)) {
        next.delete(key);
        if (value == null) continue;
        for (const one of Array.isArray(value) ? value : [value]) next.append(key, one);
    }
    return next;
}

/** Colons, commas, slashes, $ and blanks need no escape in a query part; links stay readable. */
export function print(search: URLSearchParams): string {
    const text = search.toString().replace(/%(?:3A|2C|2F|24|40)/g, (code) => decodeURIComponent(code));
    return text === '' ? '' : `?${text}`;
}

/** Writes `changes` into the address: a new history entry, or in place when `replace`. */
export function setQuery(changes: Changes, replace = false): void {
    const next = print(changed(changes));
    if (next === location.search) return;
    go(path.peek() + next + location.hash, replace);
}

/** Goes to another address of this page (given without the prefix) without loading it anew. */
export function go(to: string, replace = false): void {
    if (replace) history.replaceState(null, '', own(to));
    else history.pushState(null, '', own(to));
    read();
}

/** The address if it may stand in a link (http, https, mailto or relative), else null. */
export function safeLink(text: string): string | null {
    let url: URL;
    try {
        url = new URL(text, location.href);
    } catch {
        return null;
    }
    return ['http:', 'https:', 'mailto:'].includes(url.protocol) ? text.trim() : null;
}

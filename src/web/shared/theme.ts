// theme.ts - dark or light: the address's theme= wins, then the last choice, then the system.
import { signal } from '@preact/signals';

export type Theme = 'dark' | 'light';

export const theme = signal<Theme>(document.documentElement.dataset.theme === 'light' ? 'light' : 'dark');

export function setTheme(next: Theme): void {
    document.documentElement.dataset.theme = next;
    theme.value = next;
    try {
        localStorage.setItem('barograph.theme', next);
    } catch { /* storage may be denied */ }
    const search = new URLSearchParams(location.search);
    if (search.has('theme')) {
        search.set('theme', next);
        history.replaceState(null, '', `${location.pathname}?${search}${location.hash}`);
        dispatchEvent(new PopStateEvent('popstate'));
    }
}

export const toggleTheme = (): void => setTheme(theme.peek() === 'dark' ? 'light' : 'dark');

const cache = new Map<string, string>();

/** A design token's value in the present theme, for canvases. */
export function token(name: string): string {
    const key = `${theme.peek()} ${name}`;
    let value = cache.get(key);
    if (value === undefined) {
        value = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
        cache.set(key, value);
    }
    return value;
}

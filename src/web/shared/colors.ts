// colors.ts - named colours, series palettes and colour arithmetic.
import { theme, token } from './theme';

const SHADES = ['super-light-', 'light-', '', 'semi-dark-', 'dark-'];
// Five shades a hue, light to dark, for the dark theme; the light theme is one shade darker.
const HUES: Record<string, readonly string[]> = {
    red: ['#FFA6B0', '#FF7383', '#F2495C', '#E02F44', '#C4162A', '#AD0317'],
    orange: ['#FFCB7D', '#FFB357', '#FF9830', '#FF780A', '#FA6400', '#E55400'],
    yellow: ['#FFF899', '#FFEE52', '#FADE2A', '#F2CC0C', '#E0B400', '#CC9D00'],
    green: ['#C8F2C2', '#96D98D', '#73BF69', '#56A64B', '#37872D', '#19730E'],
    blue: ['#C0D8FF', '#8AB8FF', '#5794F2', '#3274D9', '#1F60C4', '#1250B0'],
    purple: ['#DEB6F2', '#CA95E5', '#B877D9', '#A352CC', '#8F3BB8', '#7C2EA3'],
};

/** Grafana's classic palette: a series' colour is that of its index. */
export const CLASSIC: readonly string[] = [
    'green', 'semi-dark-yellow', 'blue', 'orange', 'red', 'purple',
    'dark-green', 'dark-yellow', 'dark-blue', 'dark-orange', 'dark-red', 'dark-purple',
    'super-light-green', 'super-light-yellow', 'super-light-blue', 'super-light-orange', 'super-light-red', 'super-light-purple',
    '#447EBC', '#C15C17', '#890F02', '#0A437C', '#6D1F62', '#584477', '#B7DBAB', '#F4D598', '#70DBED', '#F9BA8F',
    '#F29191', '#82B5D8', '#E5A8E2', '#AEA2E0', '#629E51', '#E5AC0E', '#64B0C8', '#E0752D', '#BF1B00', '#0A50A1',
    '#962D82', '#614D93', '#9AC48A', '#F2C96D', '#65C5DB', '#F9934E', '#EA6460', '#5195CE', '#D683CE', '#806EB7',
    '#3F6833', '#967302', '#2F575E', '#99440A', '#58140C', '#052B51', '#511749', '#3F2B5B', '#E0F9D7', '#FCEACA',
    '#CFFAFF', '#F9E2D2', '#FCE2DE', '#BADFF4', '#F9D9F9', '#DEDAF7',
];

const SAFE_DARK = ['#77b6e1', '#d98b09', '#9260da', '#92f1f6', '#d64651', '#e4e667', '#568999', '#f1aa92'];
const SAFE_LIGHT = ['#3245b7', '#d0750a', '#3ea0a5', '#854e73', '#a63c0c', '#9260da', '#61251c', '#323368'];

/** Colours that stay apart for colour-blind readers; our own pages' choice. */
export const safeColor = (index: number): string => {
    const palette = theme.value === 'light' ? SAFE_LIGHT : SAFE_DARK;
    return palette[index % palette.length]!;
};

export const classicColor = (index: number): string => resolveColor(CLASSIC[index % CLASSIC.length]!);

/** A colour's name (Grafana's, CSS's) or code as CSS in the present theme. */
export function resolveColor(name: string | undefined): string {
    if (!name) return token('--text-3');
    if (name.startsWith('#') || name.startsWith('rgb')) return name;
    if (name === 'text') return token('--text');
    if (name === 'transparent') return 'rgba(0,0,0,0)';
    if (name === 'panel-bg') return token('--panel');
    const dash = name.lastIndexOf('-');
    const hue = HUES[name.slice(dash + 1)];
    if (hue) {
        const shade = SHADES.indexOf(name.slice(0, dash + 1));
        if (shade >= 0) return hue[shade + (theme.value === 'light' ? 1 : 0)]!;
    }
    return name;
}

/** The red, green, blue (0-255) and alpha (0-1) of #hex or rgb(); null for other names. */
export function readColor(color: string): [number, number, number, number] | null {
    const hex = /^#([0-9a-f]{3,8})$/i.exec(color)?.[1];
    if (hex) {
        const wide = hex.length < 6 ? [...hex].map((digit) => digit + digit).join('') : hex;
        const part = (at: number): number => parseInt(wide.slice(at, at + 2), 16);
        return [part(0), part(2), part(4), wide.length === 8 ? part(6) / 255 : 1];
    }
    const parts = /^rgba?\(([^)]*)\)$/.exec(color)?.[1]?.split(/[\s,/]+/).filter(Boolean).map(parseFloat);
    if (parts && parts.length >= 3) return [parts[0]!, parts[1]!, parts[2]!, parts[3] ?? 1];
    return null;
}

/** The colour at that opacity. */
export function fade(color: string, alpha: number): string {
    const parts = readColor(color);
    if (!parts) return `color-mix(in srgb, ${color} ${Math.round(alpha * 100)}%, transparent)`;
    return `rgba(${parts[0]},${parts[1]},${parts[2]},${Number((parts[3] * alpha).toFixed(3))})`;
}

function mix(a: string, b: string, share: number): string {
    const x = readColor(a);
    const y = readColor(b);
    if (!x || !y) return share < 0.5 ? a : b;
    const part = (i: number): number => Math.round(x[i]! + (y[i]! - x[i]!) * share);
    return `rgb(${part(0)},${part(1)},${part(2)})`;
}

const CONTINUOUS: Record<string, readonly string[]> = {
    'continuous-GrYlRd': ['green', 'yellow', 'red'],
    'continuous-RdYlGr': ['red', 'yellow', 'green'],
    'continuous-BlYlRd': ['dark-blue', 'super-light-yellow', 'dark-red'],
    'continuous-YlRd': ['super-light-yellow', 'dark-red'],
    'continuous-BlPu': ['blue', 'purple'],
    'continuous-YlBl': ['super-light-yellow', 'dark-blue'],
    'continuous-blues': ['panel-bg', 'dark-blue'],
    'continuous-reds': ['panel-bg', 'dark-red'],
    'continuous-greens': ['panel-bg', 'dark-green'],
    'continuous-purples': ['panel-bg', 'dark-purple'],
    'continuous-viridis': ['#440154', '#3b528b', '#21918c', '#5ec962', '#fde725'],
    'continuous-magma': ['#000004', '#51127c', '#b73779', '#fc8961', '#fcfdbf'],
    'continuous-plasma': ['#0d0887', '#7e03a8', '#cc4778', '#f89540', '#f0f921'],
    'continuous-inferno': ['#000004', '#57106e', '#bc3754', '#f98e09', '#fcffa4'],
    'continuous-cividis': ['#00224e', '#434e6c', '#7d7c78', '#bbad6d', '#fee838'],
};

/** The colour at `share` (0-1) of a continuous scheme; null when there is no such scheme. */
export function continuousColor(mode: string, share: number): string | null {
    const stops = Object.hasOwn(CONTINUOUS, mode) ? CONTINUOUS[mode]! : null;
    if (!stops) return null;
    const at = Math.min(1, Math.max(0, Number.isFinite(share) ? share : 0)) * (stops.length - 1);
    const low = Math.min(Math.floor(at), stops.length - 2);
    return mix(resolveColor(stops[low]), resolveColor(stops[low + 1]), at - low);
}

/** How light a colour looks, 0 to 1, as WCAG defines it. */
function luminance(parts: readonly number[]): number {
    const channel = (value: number): number => (value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * channel(parts[0]!) + 0.7152 * channel(parts[1]!) + 0.0722 * channel(parts[2]!);
}

/** Dark or light text, whichever reads better on the colour. */
export function textOn(color: string): string {
    const parts = readColor(color);
    if (!parts || parts[3] < 0.4) return token('--text');
    return luminance(parts) > 0.3 ? '#101318' : '#ffffff';
}

const readable = new Map<string, string>();

/** The colour, moved away from the panel's own until text in it can be read (contrast at least 4.5). */
export function asText(color: string): string {
    const key = `${theme.value} ${color}`;
    const known = readable.get(key);
    if (known !== undefined) return known;
    const ground = readColor(token('--panel'));
    let result = color;
    const far = theme.value === 'light' ? '#000000' : '#ffffff';
    for (let share = 0; ground && share <= 0.8; share += 0.05) {
        const parts = readColor(mix(color, far, share));
        if (!parts) break;
        result = share === 0 ? color : mix(color, far, share);
        const [high, low] = [luminance(parts), luminance(ground)].sort((a, b) => b - a) as [number, number];
        if ((high + 0.05) / (low + 0.05) >= 4.5) break;
    }
    readable.set(key, result);
    return result;
}

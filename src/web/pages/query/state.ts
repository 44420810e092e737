// state.ts - the panels of the page as they stand in the address, under Prometheus' names g0.expr, g0.tab, …
import { changed, print, go, query } from '../../shared/url';
import { printDuration, readDuration, readInstant } from '../../shared/time';

export type Tab = 'table' | 'graph';
export interface PanelState {
    expr: string;
    tab: Tab;
    /** Milliseconds. */
    range: number;
    /** End of the graph and moment of the table; null is now. */
    end: number | null;
    moment: number | null;
    /** Seconds; null follows the density. */
    step: number | null;
    density: Density;
    stacked: boolean;
}
export type Density = 'low' | 'medium' | 'high';
export const POINTS: Record<Density, number> = { low: 100, medium: 250, high: 750 };
const HOUR_MS = 3_600_000;
const PANELS_MAX = 20;

export const newPanel = (): PanelState =>
    ({ expr: '', tab: 'table', range: HOUR_MS, end: null, moment: null, step: null, density: 'medium', stacked: false });

/** "2026-11-25 03:00:00" in UTC, as Prometheus writes it; epoch numbers and ISO dates are read, too. */
const readMoment = (text: string | null): number | null => (text === null || text === '' ? null : readInstant(text, Date.now(), false, 'utc'));
const printMoment = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString().slice(0, 19).replace('T', ' '));

function readPanel(search: URLSearchParams, index: number): PanelState {
    const get = (name: string): string | null => search.get(`g${index}.${name}`);
    const tab = get('tab');
    const density = get('res_density');
    const step = readDuration((get('res_type') === null || get('res_type') === 'custom' || get('res_type') === 'fixed' ? get('res_step') ?? get('step_input') : null) ?? '');
    return {
        expr: get('expr') ?? '',
        tab: tab === 'graph' || tab === '0' ? 'graph' : 'table',
        range: readDuration(get('range_input') ?? '') || HOUR_MS,
        end: readMoment(get('end_input')),
        moment: readMoment(get('moment_input')),
        step: step !== null && step >= 1000 ? step / 1000 : null,
        density: density === 'low' || density === 'high' ? density : 'medium',
        stacked: get('display_mode') === 'stacked' || get('stacked') === '1',
    };
}

export function readPanels(search: URLSearchParams): PanelState[] {
    const panels: PanelState[] = [];
    for (let index = 0; index < PANELS_MAX && search.has(`g${index}.expr`); index++) panels.push(readPanel(search, index));
    return panels.length === 0 ? [newPanel()] : panels;
}

export function writePanels(panels: readonly PanelState[], replace = false): void {
    const gone = Object.fromEntries([...query.peek().keys()].filter((key) => /^g\d+\./.test(key)).map((key) => [key, null]));
    const fields: Record<string, string | null> = {};
    panels.forEach((panel, index) => {
        const put = (name: string, value: string | null): void => { fields[`g${index}.${name}`] = value; };
        put('expr', panel.expr);
        put('tab', panel.tab);
        put('moment_input', printMoment(panel.moment));
        if (panel.tab === 'graph' || panel.range !== HOUR_MS) put('range_input', printDuration(panel.range));
        put('end_input', printMoment(panel.end));
        if (panel.step !== null) { put('res_type', 'custom'); put('res_step', String(panel.step)); }
        else if (panel.density !== 'medium') { put('res_type', 'auto'); put('res_density', panel.density); }
        if (panel.stacked) put('display_mode', 'stacked');
    });
    const next = print(changed({ ...gone, ...fields }));
    if (next !== location.search) go(location.pathname + next, replace);
}

export const stepOf = (panel: PanelState): number => panel.step ?? Math.max(1, Math.floor(panel.range / 1000 / POINTS[panel.density]));

/* ---- history ---- */

const HISTORY_KEY = 'barograph.query.history';
const HISTORY_MAX = 40;
const EXPR_MAX = 4000;

/** What is stored may be anything: only texts of a sane length are taken. */
export function readHistory(): string[] {
    try {
        const list: unknown = JSON.parse(localStorage.getItem(HISTORY_KEY) ?? '[]');
        return Array.isArray(list) ? list.filter((one): one is string => typeof one === 'string' && one.length <= EXPR_MAX).slice(0, HISTORY_MAX) : [];
    } catch {
        return [];
    }
}

export function addHistory(expr: string): void {
    if (expr.trim() === '' || expr.length > EXPR_MAX) return;
    try {
        localStorage.setItem(HISTORY_KEY, JSON.stringify([expr, ...readHistory().filter((one) => one !== expr)].slice(0, HISTORY_MAX)));
    } catch { /* storage may be denied */ }
}

/** The offset of "1:6: parse error", counted in the server's line and column; null when it names no place. */
export function errorOffset(message: string, expr: string): number | null {
    const m = /(?:^|\s)(\d+):(\d+): /.exec(message);
    if (m === null) return null;
    const lines = expr.split('\n');
    const line = Number(m[1]) - 1;
    if (line >= lines.length) return null;
    const before = lines.slice(0, line).reduce((sum, one) => sum + one.length + 1, 0);
    // Columns count bytes of UTF-8.
    const bytes = new TextEncoder().encode(lines[line]!).slice(0, Math.max(0, Number(m[2]) - 1));
    return Math.min(expr.length, before + new TextDecoder().decode(bytes).length);
}

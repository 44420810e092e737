// complete.ts - what may stand at the cursor of an expression: names, labels, values, functions.
import { askProm } from '../../shared/prom';

export interface Option { text: string; kind: 'metric' | 'function' | 'label' | 'value' | 'keyword' }
export interface Completion { from: number; options: Option[] }

const FUNCTIONS = ('abs absent absent_over_time acos asin atan avg_over_time ceil changes clamp clamp_max clamp_min cos count_over_time day_of_month day_of_week '
    + 'day_of_year days_in_month delta deriv exp floor histogram_avg histogram_count histogram_fraction histogram_quantile histogram_sum hour idelta increase irate '
    + 'label_join label_replace last_over_time ln log10 log2 max_over_time min_over_time minute month predict_linear present_over_time quantile_over_time rate resets '
    + 'round scalar sgn sin sort sort_by_label sort_desc sqrt stddev_over_time stdvar_over_time sum_over_time tan time timestamp vector year '
    + 'sum avg min max count stddev stdvar topk bottomk count_values quantile group').split(' ');
const KEYWORDS = ['by', 'without', 'on', 'ignoring', 'group_left', 'group_right', 'offset', 'bool', 'and', 'or', 'unless'];
const SHOWN_MAX = 60;

const kept = new Map<string, { at: number; values: Promise<string[]> }>();

function ask(path: string, fields: Record<string, string> = {}): Promise<string[]> {
    const key = `${path} ${JSON.stringify(fields)}`;
    const known = kept.get(key);
    if (known && Date.now() - known.at < 60_000) return known.values;
    const values = askProm<string[]>('', path, fields, { get: true, timeoutMs: 10_000 }).then((answer) => answer.data, () => { kept.delete(key); return []; });
    kept.set(key, { at: Date.now(), values });
    return values;
}

export const metricNames = (): Promise<string[]> => ask('label/__name__/values');

/** Those that begin with what was written, then those that hold it; shorter first. */
export function pick(names: readonly string[], typed: string, kind: Option['kind']): Option[] {
    const needle = typed.toLowerCase();
    const starts: string[] = [];
    const holds: string[] = [];
    for (const name of names) {
        const lower = name.toLowerCase();
        if (lower.startsWith(needle)) starts.push(name);
        else if (needle.length > 1 && holds.length < SHOWN_MAX && lower.includes(needle)) holds.push(name);
    }
    return [...starts, ...holds].slice(0, SHOWN_MAX).map((text) => ({ text, kind }));
}

interface Place { kind: 'name' | 'label' | 'value' | 'grouping' | 'none'; from: number; typed: string; metric: string; label: string }

/** What the cursor stands in, read from the text before it. */
export function placeOf(text: string): Place {
    const none: Place = { kind: 'none', from: text.length, typed: '', metric: '', label: '' };
    let quote = '';
    let quoteAt = 0;
    const open: { sign: string; at: number }[] = [];
    for (let i = 0; i < text.length; i++) {
        const c = text[i]!;
        if (quote !== '') {
            if (c === '\\' && quote !== '`') i++;
            else if (c === quote) quote = '';
        } else if (c === '#') {
            const end = text.indexOf('\n', i);
            if (end < 0) return none;
            i = end;
        } else if (c === '"' || c === "'" || c === '`') {
            quote = c;
            quoteAt = i;
        } else if ('({['.includes(c)) open.push({ sign: c, at: i });
        else if (')}]'.includes(c)) open.pop();
    }
    const inside = open[open.length - 1];
    const metric = inside ? /([a-zA-Z_:][\w:]*)\s*$/.exec(text.slice(0, inside.at))?.[1] ?? '' : '';
    if (quote !== '') {
        const label = /([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)\s*$/.exec(text.slice(0, quoteAt))?.[1];
        return inside?.sign === '{' && label ? { kind: 'value', from: quoteAt + 1, typed: text.slice(quoteAt + 1), metric, label } : none;
    }
    const typed = /[a-zA-Z_:][\w:]*$/.exec(text)?.[0] ?? '';
    const from = text.length - typed.length;
    if (inside?.sign === '{') return /(?:[{,]\s*)$/.test(text.slice(0, from)) ? { kind: 'label', from, typed, metric, label: '' } : none;
    if (inside?.sign === '[' || /\d$/.test(text.slice(0, from))) return none;
    if (inside?.sign === '(' && /\b(?:by|without|on|ignoring|group_left|group_right)\s*$/.test(text.slice(0, inside.at))) return { kind: 'grouping', from, typed, metric: '', label: '' };
    return { kind: 'name', from, typed, metric: '', label: '' };
}

/** The list for the cursor behind `before`; null when there is nothing to offer. */
export async function complete(before: string, asked: boolean): Promise<Completion | null> {
    const place = placeOf(before);
    const of: Record<string, string> = place.metric === '' ? {} : { 'match[]': place.metric };
    let options: Option[] = [];
    if (place.kind === 'label' || place.kind === 'grouping') options = pick((await ask('labels', of)).filter((one) => one !== '__name__'), place.typed, 'label');
    else if (place.kind === 'value') options = pick(await ask(`label/${encodeURIComponent(place.label)}/values`, of), place.typed, 'value');
    else if (place.kind === 'name' && (asked || place.typed !== '')) {
        const functions = pick(FUNCTIONS, place.typed, 'function').filter(({ text }) => text.startsWith(place.typed.toLowerCase()));
        const keywords = place.typed === '' ? [] : pick(KEYWORDS, place.typed, 'keyword').filter(({ text }) => text.startsWith(place.typed));
        options = [...functions.slice(0, place.typed === '' ? 0 : 12), ...keywords, ...pick(await metricNames(), place.typed, 'metric')].slice(0, SHOWN_MAX);
    }
    if (options.length === 0 || (options.length === 1 && options[0]!.text === place.typed)) return null;
    return { from: place.from, options };
}

// units.ts - values as text by unit id, under Grafana's ids and with its rounding.
import { describeAge, formatTime, wallClock, type Zone } from './time';

export interface Formatted { prefix: string; text: string; suffix: string }
type Format = (value: number, decimals: number | undefined, zone: Zone) => Formatted;

const plain = (text: string, suffix = '', prefix = ''): Formatted => ({ prefix, text, suffix });

/** Digits after the point so that about three significant ones remain; none for whole numbers. */
function autoDecimals(value: number): number {
    if (value === 0 || value % 1 === 0) return 0;
    const magnitude = -Math.floor(Math.log10(Math.abs(value))) + 1;
    const leading = Math.abs(value) * 10 ** magnitude;
    return Math.max(0, leading > 2.25 ? magnitude + 1 : magnitude);
}

/** The bare number; decimals are chosen by the value's size when unset. */
export function formatNumber(value: number, decimals?: number): string {
    if (Number.isNaN(value)) return 'NaN';
    if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
    const places = Math.min(decimals ?? autoDecimals(value), 20);
    const rounded = Math.round(value * 10 ** places) / 10 ** places;
    const text = String(rounded);
    if (text.includes('e')) return text;
    const fixedText = rounded.toFixed(places);
    return /^-0(\.0*)?$/.test(fixedText) ? fixedText.slice(1) : fixedText;
}

const fixed = (suffix: string, prefix = ''): Format => (value, decimals) =>
    plain(formatNumber(value, decimals), suffix === '' ? '' : ` ${suffix}`, prefix);

function scaled(factor: number, steps: readonly string[], unit: string, first = 0, prefix = ''): Format {
    return (value, decimals) => {
        let step = first;
        let size = value;
        if (Number.isFinite(size) && size !== 0) {
            while (Math.abs(size) >= factor && step < steps.length - 1) { size /= factor; step++; }
            while (Math.abs(size) < 1 && step > 0) { size *= factor; step--; }
        }
        const suffix = steps[step]! + unit;
        return plain(formatNumber(size, decimals), suffix === '' ? '' : ` ${suffix}`, prefix);
    };
}

const SI = ['f', 'p', 'n', 'µ', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y'];
const BINARY = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei', 'Zi', 'Yi'];
const COUNT = ['', 'K', 'M', 'B', 'T'];
const si = (unit: string, offset = 0): Format => scaled(1000, SI, unit, 5 + offset);
const binary = (unit: string, offset = 0): Format => scaled(1024, BINARY, unit, offset);
/** "1.23K ops/s": the letter stands at the number. */
const count = (unit: string): Format => (value, decimals) => {
    const { text, suffix } = scaled(1000, COUNT, '')(value, decimals, 'utc');
    return plain(text, suffix.trim() + (unit === '' ? '' : ` ${unit}`));
};
const currency = (symbol: string): Format => (value, decimals) => {
    const { text, suffix } = scaled(1000, COUNT, '')(Math.abs(value), decimals, 'utc');
    return plain(text, suffix.trim(), (value < 0 ? '-' : '') + symbol);
};

type Ladder = readonly (readonly [below: number, size: number, name: string])[];
const FINE: Ladder = [[1e-6, 1e-9, 'ns'], [1e-3, 1e-6, 'µs'], [1, 1e-3, 'ms'], [60, 1, 's']];
const COARSE: Ladder = [[3600, 60, 'mins'], [86400, 3600, 'hours']];
const FULL: Ladder = [...FINE, ...COARSE, [604800, 86400, 'days'], [31536000, 604800, 'weeks'], [Infinity, 31556900, 'years']];
const NO_WEEKS: Ladder = [...FINE, ...COARSE, [31536000, 86400, 'days'], [Infinity, 31536000, 'years']];
const MICRO: Ladder = [[1e-3, 1e-6, 'µs'], [1, 1e-3, 'ms'], [Infinity, 1, 's']];

/** A duration given in `unit` seconds; a value below the unit keeps the unit when `keep` is its name. */
function duration(unit: number, ladder: Ladder, keep: string): Format {
    return (value, decimals) => {
        const seconds = Math.abs(value * unit);
        if (value === 0 || !Number.isFinite(value)) return plain(formatNumber(value, keep === 's' ? 0 : decimals), ` ${keep}`);
        for (const [below, size, name] of ladder) {
            if (size < unit * 0.999 && keep !== 's') continue;
            // The ratio is a whole number one way or the other; a rounded one adds no noise.
            const ratio = size >= unit ? value / Math.round(size / unit) : value * Math.round(unit / size);
            if (seconds < below) return plain(formatNumber(ratio, decimals), ` ${size === unit ? keep : name}`);
        }
        return plain(formatNumber(value, decimals), ` ${keep}`);
    };
}

const PARTS: readonly (readonly [seconds: number, name: string])[] = [
    [31536000, 'year'], [2628000, 'month'], [604800, 'week'], [86400, 'day'], [3600, 'hour'], [60, 'minute'], [1, 'second'], [0.001, 'millisecond'],
];

/** "1 day, 2 hours": the largest unit and as many after it as `decimals` says. */
function spelled(unit: number): Format {
    return (value, decimals) => {
        let rest = Math.abs(value * unit);
        if (!Number.isFinite(rest)) return plain(formatNumber(value));
        if (rest === 0) return plain('0', unit === 1 ? ' seconds' : ' milliseconds');
        const texts: string[] = [];
        let left = (decimals ?? 0) + 1;
        for (const [size, name] of PARTS) {
            const whole = Math.floor(rest / size + 1e-9);
            if (whole > 0 || texts.length > 0) {
                if (left-- <= 0) break;
                texts.push(`${whole} ${name}${whole === 1 ? '' : 's'}`);
                rest -= whole * size;
            }
        }
        return plain((texts.join(', ') || '0 seconds') + (value < 0 ? ' ago' : ''));
    };
}

function clocks(unit: number): Format {
    return (value, decimals) => {
        const ms = Math.max(0, Math.floor(value * unit * 1000 + 1e-6));
        const parts = [`${Math.floor(ms / 3600000)}h`, `${String(Math.floor(ms / 60000) % 60).padStart(2, '0')}m`,
            `${String(Math.floor(ms / 1000) % 60).padStart(2, '0')}s`, `${String(ms % 1000).padStart(3, '0')}ms`];
        const first = ms >= 3600000 ? 0 : ms >= 60000 ? 1 : ms >= 1000 ? 2 : 3;
        return plain(parts.slice(first, decimals === undefined ? 4 : first + decimals + 1).join(':'));
    };
}

/** "01:02:03", with days in front when there are any. */
function hms(unit: number, withDays: boolean): Format {
    return (value) => {
        const total = Math.floor(Math.abs(value * unit));
        const two = (n: number): string => String(n).padStart(2, '0');
        const days = withDays ? Math.floor(total / 86400) : 0;
        const hours = Math.floor(total / 3600) - days * 24;
        const text = `${two(hours)}:${two(Math.floor(total / 60) % 60)}:${two(total % 60)}`;
        return plain((days > 0 ? `${days} d ` : '') + text + (value < 0 ? ' ago' : ''));
    };
}

const boolean = (yes: string, no: string): Format => (value) => plain(value === 0 ? no : yes);

function pattern(text: string): Format {
    return (value, _decimals, zone) => {
        const d = wallClock(value, zone);
        const two = (n: number): string => String(n).padStart(2, '0');
        const words: Record<string, string> = {
            YYYY: String(d.getUTCFullYear()), YY: String(d.getUTCFullYear()).slice(2), MM: two(d.getUTCMonth() + 1),
            MMM: d.toLocaleString('en-US', { month: 'short', timeZone: 'UTC' }), DD: two(d.getUTCDate()), D: String(d.getUTCDate()),
            HH: two(d.getUTCHours()), hh: two(d.getUTCHours() % 12 || 12), h: String(d.getUTCHours() % 12 || 12),
            mm: two(d.getUTCMinutes()), ss: two(d.getUTCSeconds()), SSS: String(d.getUTCMilliseconds()).padStart(3, '0'),
            a: d.getUTCHours() < 12 ? 'am' : 'pm', A: d.getUTCHours() < 12 ? 'AM' : 'PM',
        };
        return plain(text.replace(/YYYY|YY|MMM|MM|DD|D|HH|hh|h|mm|ss|SSS|a|A/g, (word) => words[word]!));
    };
}

const ISO: Format = (value, _decimals, zone) => plain(formatTime(value, zone));

const FORMATS: Record<string, Format> = {
    none: (value, decimals) => plain(formatNumber(value, decimals)),
    string: (value) => plain(String(value)),
    short: scaled(1000, ['', 'K', 'Mil', 'Bil', 'Tri', 'Quadr', 'Quint', 'Sext', 'Sept'], ''),
    sishort: si(''),
    locale: (value, decimals) => plain(value.toLocaleString('en-US', decimals === undefined ? {} : { maximumFractionDigits: decimals })),
    percent: (value, decimals) => plain(formatNumber(value, decimals), '%'),
    percentunit: (value, decimals) => plain(formatNumber(value * 100, decimals), '%'),
    hex0x: (value) => plain(`0x${Math.round(value).toString(16).toUpperCase()}`),
    hex: (value) => plain(Math.round(value).toString(16).toUpperCase()),
    sci: (value, decimals) => plain(value.toExponential(decimals)),
    humidity: fixed('%H'), dB: fixed('dB'), dBm: fixed('dbm'), ppm: fixed('ppm'),
    celsius: fixed('°C'), fahrenheit: fixed('°F'), kelvin: fixed('K'), degree: fixed('°'),
    rotrpm: fixed('rpm'), rothz: si('Hz'), hertz: si('Hz'),
    bytes: binary('B'), bits: binary('b'), kbytes: binary('B', 1), mbytes: binary('B', 2), gbytes: binary('B', 3), tbytes: binary('B', 4),
    decbytes: si('B'), decbits: si('b'), deckbytes: si('B', 1), decmbytes: si('B', 2), decgbytes: si('B', 3), dectbytes: si('B', 4),
    Bps: si('B/s'), bps: si('b/s'), binBps: binary('B/s'), binbps: binary('b/s'), pps: si('p/s'),
    KBs: si('B/s', 1), MBs: si('B/s', 2), GBs: si('B/s', 3), KiBs: binary('B/s', 1), MiBs: binary('B/s', 2), GiBs: binary('B/s', 3),
    Kbits: si('b/s', 1), Mbits: si('b/s', 2), Gbits: si('b/s', 3), Kibits: binary('b/s', 1), Mibits: binary('b/s', 2),
    ops: count('ops/s'), reqps: count('req/s'), rps: count('rd/s'), wps: count('wr/s'), iops: count('io/s'), cps: count('c/s'),
    eps: count('evt/s'), mps: count('msg/s'), recps: count('rec/s'), rowsps: count('rows/s'), opm: count('ops/m'), rpm: count('rd/m'), wpm: count('wr/m'), epm: count('evts/m'), reqpm: count('req/m'), cpm: count('c/m'),
    ns: duration(1e-9, NO_WEEKS, 'ns'), 'µs': duration(1e-6, MICRO, 'µs'), ms: duration(1e-3, NO_WEEKS, 'ms'), s: duration(1, FULL, 's'),
    m: duration(60, FULL, 'min'), h: duration(3600, FULL, 'hour'), d: duration(86400, FULL, 'day'),
    dtdurations: spelled(1), dtdurationms: spelled(0.001), dthms: hms(1, false), dtdhms: hms(1, true), dthmsms: hms(0.001, false),
    clocks: clocks(1), clockms: clocks(0.001), timeticks: (value, decimals) => FORMATS.s!(value / 100, decimals, 'utc'),
    bool: boolean('True', 'False'), bool_on_off: boolean('On', 'Off'), bool_yes_no: boolean('Yes', 'No'),
    dateTimeAsIso: ISO, dateTimeAsSystem: ISO, dateTimeAsLocal: ISO, dateTimeAsIsoNoDateIfToday: ISO,
    dateTimeAsUS: pattern('MM/DD/YYYY h:mm:ss a'),
    dateTimeFromNow: (value) => plain(describeAge(Date.now() - value)),
    watt: si('W'), kwatt: si('W', 1), mwatt: si('W', -1), volt: si('V'), kvolt: si('V', 1), mvolt: si('V', -1), amp: si('A'), mamp: si('A', -1),
    watth: si('Wh'), kwatth: si('Wh', 1), joule: si('J'), ohm: si('Ω'), voltamp: si('VA'), ev: si('eV'),
    pressurehpa: fixed('hPa'), pressurembar: si('bar', -1), pressurebar: si('bar'), lengthm: si('m'), lengthmm: si('m', -1),
    velocityms: fixed('m/s'), velocitykmh: fixed('km/h'), massg: si('g'), masskg: si('g', 1), litre: si('L'),
    currencyUSD: currency('$'), currencyEUR: currency('€'), currencyGBP: currency('£'), currencyJPY: currency('¥'),
};

const known = new Map<string, Format>();

function find(unit: string): Format {
    const own = Object.hasOwn(FORMATS, unit) ? FORMATS[unit] : undefined;
    if (own) return own;
    const colon = unit.indexOf(':');
    const rest = unit.slice(colon + 1);
    switch (colon < 0 ? '' : unit.slice(0, colon)) {
    case 'prefix': return (value, decimals) => plain(formatNumber(value, decimals), '', rest);
    case 'suffix': return fixed(rest);
    case 'time': return pattern(rest);
    case 'count': return count(rest);
    case 'si': {
        const letter = SI.indexOf(rest.charAt(0));
        return letter >= 0 && rest.length > 1 ? si(rest.slice(1), letter - 5) : si(rest);
    }
    case 'currency': return currency(rest.replace(/^financial:/, ''));
    case 'bool': { const [yes = '', no = ''] = rest.split('/'); return boolean(yes, no); }
    default: return fixed(unit);
    }
}

/** The value in its unit, in three parts (the unit may be drawn dimmer than the digits). */
export function formatParts(value: number, unit = 'none', decimals?: number, zone: Zone = 'browser'): Formatted {
    if (!Number.isFinite(value)) return plain(formatNumber(value));
    let format = known.get(unit);
    if (!format) known.set(unit, format = find(unit || 'none'));
    return format(value, decimals, zone);
}

export function formatValue(value: number | null | undefined, unit = 'none', decimals?: number, zone: Zone = 'browser'): string {
    if (value == null) return '';
    const { prefix, text, suffix } = formatParts(value, unit, decimals, zone);
    return prefix + text + suffix;
}

/** An axis' labels: no zeros that say nothing, and enough digits that neighbours differ. */
export function formatTicks(values: readonly number[], unit = 'none', decimals?: number, zone: Zone = 'browser'): string[] {
    return values.map((value) => {
        if (decimals !== undefined) return formatValue(value, unit, decimals, zone);
        let { prefix, text, suffix } = formatParts(value, unit, 3, zone);
        // Small values need more digits: no label may be off by more than a part in a thousand.
        for (let places = 4; places <= 12; places++) {
            const exact = Number(formatParts(value, unit, 14, zone).text);
            if (!Number.isFinite(exact) || Math.abs(Number(text) - exact) <= Math.abs(exact) / 1000) break;
            ({ prefix, text, suffix } = formatParts(value, unit, places, zone));
        }
        return prefix + (/\.\d*$/.test(text) ? text.replace(/\.?0+$/, '') : text) + suffix;
    });
}

const BINARY_UNITS = /^([kmgt]?bytes|bits|bin[Bb]ps|[KMG]i(Bs|bits))$/;
const TIME_UNITS = new Set(['s', 'dtdurations', 'clocks', 'dthms']);

/** Steps between an axis' labels that read well in the unit; undefined for powers of ten. */
export function tickSteps(unit = 'none'): number[] | undefined {
    if (BINARY_UNITS.test(unit)) return Array.from({ length: 70 }, (_, power) => 2 ** power);
    if (TIME_UNITS.has(unit)) {
        const steps: number[] = [];
        for (let power = -9; power < 0; power++) for (const lead of [1, 2, 2.5, 5]) steps.push(Number(`${lead}e${power}`));
        return [...steps, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400,
            172800, 345600, 604800, 1209600, 2419200, 7776000, 15552000, 31536000, 63072000, 157680000, 315360000];
    }
    return undefined;
}

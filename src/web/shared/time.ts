// time.ts - instants, ranges and durations: date math (now-1h/d), reading, printing, nice steps.
// All instants are milliseconds since the epoch.

export interface RawRange { from: string; to: string }
export interface Range { from: number; to: number }
/** 'browser', 'utc' or a name such as 'Europe/Berlin'. */
export type Zone = string;

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
export const WEEK = 7 * DAY;
export const YEAR = 365 * DAY;

const partsFormats = new Map<string, Intl.DateTimeFormat | null>();

function partsFormat(zone: string): Intl.DateTimeFormat | null {
    let format = partsFormats.get(zone);
    if (format === undefined) {
        try {
            format = new Intl.DateTimeFormat('en-US', {
                timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric',
                hour: 'numeric', minute: 'numeric', second: 'numeric',
            });
        } catch {
            format = null;
        }
        partsFormats.set(zone, format);
    }
    return format;
}

/** How far the zone's clock is ahead of UTC at that instant. */
export function zoneOffset(at: number, zone: Zone = 'browser'): number {
    if (zone === 'utc' || zone === 'UTC') return 0;
    const format = zone === 'browser' || zone === '' ? null : partsFormat(zone);
    if (format === null) return -new Date(at).getTimezoneOffset() * MINUTE;
    const part: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(at)) part[type] = Number(value);
    const wall = Date.UTC(part.year!, part.month! - 1, part.day!, part.hour!, part.minute!, part.second!);
    return wall - Math.floor(at / 1000) * 1000;
}

/** A Date whose UTC getters tell the zone's wall clock. */
export function wallClock(at: number, zone: Zone = 'browser'): Date {
    return new Date(at + zoneOffset(at, zone));
}

function fromWall(wall: number, zone: Zone): number {
    const guess = wall - zoneOffset(wall, zone);
    return wall - zoneOffset(guess, zone);
}

const pad = (value: number, width = 2): string => String(value).padStart(width, '0');

export function formatDate(at: number, zone: Zone = 'browser'): string {
    const d = wallClock(at, zone);
    return `${d.getUTCFullYear()}-${pad(d.getUTCMonth() + 1)}-${pad(d.getUTCDate())}`;
}

/** "14:05:03", with milliseconds when asked. */
export function formatClock(at: number, zone: Zone = 'browser', milliseconds = false): string {
    const d = wallClock(at, zone);
    const text = `${pad(d.getUTCHours())}:${pad(d.getUTCMinutes())}:${pad(d.getUTCSeconds())}`;
    return milliseconds ? `${text}.${pad(d.getUTCMilliseconds(), 3)}` : text;
}

/** "2026-11-25 14:05:03" */
export function formatTime(at: number, zone: Zone = 'browser', milliseconds = false): string {
    return `${formatDate(at, zone)} ${formatClock(at, zone, milliseconds)}`;
}

const UNIT_MS: Record<string, number> = { s: SECOND, m: MINUTE, h: HOUR, d: DAY, w: WEEK };

function addUnit(at: number, count: number, unit: string, zone: Zone): number {
    if (unit === 's' || unit === 'm' || unit === 'h') return at + count * UNIT_MS[unit]!;
    const d = wallClock(at, zone);
    if (unit === 'd') d.setUTCDate(d.getUTCDate() + count);
    else if (unit === 'w') d.setUTCDate(d.getUTCDate() + 7 * count);
    else {
        const day = d.getUTCDate();
        d.setUTCDate(1);
        if (unit === 'M') d.setUTCMonth(d.getUTCMonth() + count);
        else if (unit === 'Q') d.setUTCMonth(d.getUTCMonth() + 3 * count);
        else d.setUTCFullYear(d.getUTCFullYear() + count);
        const last = new Date(Date.UTC(d.getUTCFullYear(), d.getUTCMonth() + 1, 0)).getUTCDate();
        d.setUTCDate(Math.min(day, last));
    }
    return fromWall(d.getTime(), zone);
}

function startOf(at: number, unit: string, zone: Zone): number {
    const d = wallClock(at, zone);
    d.setUTCMilliseconds(0);
    d.setUTCSeconds(unit === 's' ? d.getUTCSeconds() : 0);
    if (unit !== 's' && unit !== 'm') d.setUTCMinutes(0);
    if (!'smh'.includes(unit)) d.setUTCHours(0);
    if (unit === 'w') d.setUTCDate(d.getUTCDate() - ((d.getUTCDay() + 6) % 7));
    if ('MQy'.includes(unit)) d.setUTCDate(1);
    if (unit === 'Q') d.setUTCMonth(d.getUTCMonth() - (d.getUTCMonth() % 3));
    if (unit === 'y') d.setUTCMonth(0);
    return fromWall(d.getTime(), zone);
}

function readMath(text: string, now: number, up: boolean, zone: Zone): number | null {
    const steps = /^now((?:[+-]\d*f?[smhdwMQy]|\/f?[smhdwMQy])*)$/.exec(text);
    if (steps === null) return null;
    let at = now;
    for (const [step] of steps[1]!.matchAll(/[+-]\d*f?[smhdwMQy]|\/f?[smhdwMQy]/g)) {
        const unit = step.slice(-1);
        if (step.startsWith('/')) {
            at = up ? startOf(addUnit(startOf(at, unit, zone), 1, unit, zone), unit, zone) - 1
                : startOf(at, unit, zone);
        } else {
            const count = Number(/\d+/.exec(step)?.[0] ?? 1);
            at = addUnit(at, step.startsWith('-') ? -count : count, unit, zone);
        }
    }
    return at;
}

function readDate(text: string, zone: Zone): number | null {
    const m = /^(\d{4})-?(\d\d)-?(\d\d)(?:[T ](\d\d):?(\d\d)(?::?(\d\d)(?:\.(\d{1,3})\d*)?)?)?(Z|[+-]\d\d:?\d\d)?$/
        .exec(text);
    if (m === null) return null;
    const part = (index: number): number => Number(m[index] ?? 0);
    if (part(2) > 12 || part(3) > 31 || part(4) > 24 || part(5) > 59 || part(6) > 59) return null;
    const ms = Number((m[7] ?? '0').padEnd(3, '0'));
    const wall = Date.UTC(part(1), part(2) - 1, part(3), part(4), part(5), part(6), ms);
    if (m[8] === undefined) return fromWall(wall, zone);
    if (m[8] === 'Z') return wall;
    const offset = Number(m[8].slice(1, 3)) * HOUR + Number(m[8].slice(-2)) * MINUTE;
    return m[8].startsWith('-') ? wall + offset : wall - offset;
}

/**
 * Reads an instant: now-1d/d, epoch seconds or milliseconds, ISO 8601, "YYYYMMDDTHHmmss",
 * "14:05", "today", "yesterday 03:00". `up` rounds to the end of a unit. Null when it is none.
 */
export function readInstant(text: string, now: number, up = false, zone: Zone = 'browser'): number | null {
    const trimmed = text.trim();
    if (trimmed.startsWith('now')) return readMath(trimmed.replace(/\s/g, ''), now, up, zone);
    if (/^\d{8}$/.test(trimmed)) return readDate(trimmed, zone);
    if (/^-?\d{9,}$/.test(trimmed)) {
        const value = Number(trimmed);
        return Math.abs(value) < 1e11 ? value * 1000 : value;
    }
    const clock = /^(?:(today|yesterday)\s*)?(?:(\d{1,2}):(\d\d)(?::(\d\d))?)?$/i.exec(trimmed);
    if (clock !== null && trimmed !== '') {
        const yesterday = clock[1]?.toLowerCase() === 'yesterday';
        const day = startOf(addUnit(now, yesterday ? -1 : 0, 'd', zone), 'd', zone);
        if (clock[2] === undefined) return up ? addUnit(day, 1, 'd', zone) - 1 : day;
        return day + Number(clock[2]) * HOUR + Number(clock[3]) * MINUTE + Number(clock[4] ?? 0) * SECOND;
    }
    return readDate(trimmed, zone);
}

/** The range's instants; null when either end cannot be read or they are in the wrong order. */
export function resolveRange(raw: RawRange, now = Date.now(), zone: Zone = 'browser'): Range | null {
    const from = readInstant(raw.from, now, false, zone);
    const to = readInstant(raw.to, now, true, zone);
    if (from === null || to === null || from >= to) return null;
    return { from, to };
}

export const isRelative = (raw: RawRange): boolean => raw.from.startsWith('now') || raw.to.startsWith('now');

export const QUICK_RANGES: readonly (readonly [from: string, to: string, label: string])[] = [
    ['now-5m', 'now', 'Last 5 minutes'],
    ['now-15m', 'now', 'Last 15 minutes'],
    ['now-30m', 'now', 'Last 30 minutes'],
    ['now-1h', 'now', 'Last 1 hour'],
    ['now-3h', 'now', 'Last 3 hours'],
    ['now-6h', 'now', 'Last 6 hours'],
    ['now-12h', 'now', 'Last 12 hours'],
    ['now-24h', 'now', 'Last 24 hours'],
    ['now-2d', 'now', 'Last 2 days'],
    ['now-7d', 'now', 'Last 7 days'],
    ['now-30d', 'now', 'Last 30 days'],
    ['now-90d', 'now', 'Last 90 days'],
    ['now-6M', 'now', 'Last 6 months'],
    ['now-1y', 'now', 'Last 1 year'],
    ['now/d', 'now', 'Today so far'],
    ['now/d', 'now/d', 'Today'],
    ['now-1d/d', 'now-1d/d', 'Yesterday'],
    ['now/w', 'now', 'This week so far'],
    ['now-1w/w', 'now-1w/w', 'Previous week'],
    ['now/M', 'now', 'This month so far'],
    ['now-1M/M', 'now-1M/M', 'Previous month'],
];

/** "Last 1 hour", or both ends written out. */
export function describeRange(raw: RawRange, now = Date.now(), zone: Zone = 'browser'): string {
    for (const [from, to, label] of QUICK_RANGES) if (from === raw.from && to === raw.to) return label;
    const last = /^now-(\d+)([smhdwMy])$/.exec(raw.from);
    if (last !== null && raw.to === 'now') {
        const names: Record<string, string> = { s: 'second', m: 'minute', h: 'hour', d: 'day', w: 'week', M: 'month', y: 'year' };
        return `Last ${last[1]} ${names[last[2]!]}${last[1] === '1' ? '' : 's'}`;
    }
    const range = resolveRange(raw, now, zone);
    if (range === null) return `${raw.from} to ${raw.to}`;
    const end = formatDate(range.from, zone) === formatDate(range.to, zone)
        ? formatClock(range.to, zone) : formatTime(range.to, zone);
    return `${formatTime(range.from, zone)} to ${end}`;
}

/** Reads "1m30s", "15s", "1d", "500ms" as milliseconds; a bare number is seconds. Null when it is none. */
export function readDuration(text: string): number | null {
    if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
    if (!/^(\d+(\.\d+)?(ms|[smhdwMy]))+$/.test(text)) return null;
    const size: Record<string, number> = { ms: 1, ...UNIT_MS, M: 30 * DAY, y: YEAR };
    let total = 0;
    for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdwMy])/g)) total += Number(count) * size[unit!]!;
    return total;
}

/** The largest whole unit: "2m", "1h", "90s"; milliseconds below a second. */
export function printDuration(ms: number): string {
    for (const [unit, size] of [['y', YEAR], ['w', WEEK], ['d', DAY], ['h', HOUR], ['m', MINUTE], ['s', SECOND]] as const) {
        if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
    }
    return `${Math.max(1, Math.round(ms))}ms`;
}

/** "3 min ago" */
export function describeAge(ms: number): string {
    if (ms < 0) return 'in the future';
    if (ms < 5 * SECOND) return 'just now';
    for (const [unit, size] of [['d', DAY], ['h', HOUR], ['min', MINUTE], ['s', SECOND]] as const) {
        if (ms >= size) return `${Math.floor(ms / size)} ${unit} ago`;
    }
    return 'just now';
}

// Upper bounds of a raw interval and the step it is rounded to; Grafana's ladder.
const NICE: readonly (readonly [below: number, step: number])[] = [
    [10, 1], [15, 10], [35, 20], [75, 50], [150, 100], [350, 200], [750, 500], [1500, 1000],
    [3500, 2000], [7500, 5000], [12500, 10000], [17500, 15000], [25000, 20000], [45000, 30000],
    [1.5 * MINUTE, MINUTE], [3.5 * MINUTE, 2 * MINUTE], [7.5 * MINUTE, 5 * MINUTE],
    [12.5 * MINUTE, 10 * MINUTE], [17.5 * MINUTE, 15 * MINUTE], [25 * MINUTE, 20 * MINUTE],
    [45 * MINUTE, 30 * MINUTE], [1.5 * HOUR, HOUR], [2.5 * HOUR, 2 * HOUR], [4.5 * HOUR, 3 * HOUR],
    [9 * HOUR, 6 * HOUR], [24 * HOUR, 12 * HOUR], [WEEK, DAY], [3 * WEEK, WEEK], [6 * WEEK, 30 * DAY],
];

/** Rounds a raw interval to a step people read easily. */
export function niceStep(ms: number): number {
    for (const [below, step] of NICE) if (ms < below) return step;
    return YEAR;
}

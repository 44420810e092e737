// range-picker.tsx - choosing the time range and the refresh interval.
import { useEffect, useState } from 'preact/hooks';
import { Icon } from './icons';
import { Menu, Popover } from './menu';
import {
    describeRange, formatTime, isRelative, QUICK_RANGES, readDuration, readInstant, resolveRange, type RawRange, type Zone,
} from './time';

interface RangePickerProps {
    range: RawRange;
    zone?: Zone;
    onChange: (range: RawRange) => void;
    quick?: typeof QUICK_RANGES;
}

/** Absolute instants go into the address as epoch milliseconds, relative ones as they were typed. */
function normal(text: string, up: boolean, zone: Zone): string {
    const trimmed = text.trim();
    if (trimmed.startsWith('now')) return trimmed;
    return String(readInstant(trimmed, Date.now(), up, zone) ?? trimmed);
}

function RangeForm({ range, zone = 'browser', onChange, quick = QUICK_RANGES, close }: RangePickerProps & { close: () => void }) {
    const shown = (text: string): string => (/^\d{9,}$/.test(text) ? formatTime(Number(text), zone) : text);
    const [from, setFrom] = useState(shown(range.from));
    const [to, setTo] = useState(shown(range.to));
    const read = resolveRange({ from, to }, Date.now(), zone);
    const apply = (event: Event): void => {
        event.preventDefault();
        if (!read) return;
        onChange({ from: normal(from, false, zone), to: normal(to, true, zone) });
        close();
    };
    return (
        <div class="range-popover">
            <form class="range-form" onSubmit={apply}>
                <label>From<input class="input" autofocus data-testid="range-from" value={from} spellcheck={false} autocomplete="off"
                    onInput={(event) => setFrom(event.currentTarget.value)} /></label>
                <label>To<input class="input" data-testid="range-to" value={to} spellcheck={false} autocomplete="off"
                    onInput={(event) => setTo(event.currentTarget.value)} /></label>
                <div class={read ? 'read' : 'read bad'} role="status">
                    {read ? `${formatTime(read.from, zone)} to ${formatTime(read.to, zone)}` : 'Write now-1h, 14:05, yesterday 03:00 or 2026-01-31 08:00, from before to'}
                </div>
                <button type="submit" class="button primary" disabled={!read} data-testid="range-apply">Apply</button>
                <span class="grow" />
                <span class="dimmer">{zone === 'utc' ? 'UTC' : zone === 'browser' ? Intl.DateTimeFormat().resolvedOptions().timeZone : zone}</span>
            </form>
            <div class="range-quick">
                <Menu close={close} items={quick.map(([quickFrom, quickTo, label]) => ({
                    text: label, checked: quickFrom === range.from && quickTo === range.to, testid: 'range-quick',
                    run: () => onChange({ from: quickFrom, to: quickTo }),
                }))} />
            </div>
        </div>
    );
}

/** The range shifted by `share` of its width (negative: back), as absolute instants. */
export function shiftRange(range: RawRange, share: number, zone: Zone = 'browser'): RawRange {
    const at = resolveRange(range, Date.now(), zone);
    if (!at) return range;
    const by = Math.round((at.to - at.from) * share);
    return { from: String(at.from + by), to: String(at.to + by) };
}

/** Twice as wide around the same middle, not into the future. */
export function zoomOutRange(range: RawRange, zone: Zone = 'browser', factor = 2): RawRange {
    const at = resolveRange(range, Date.now(), zone);
    if (!at) return range;
    const grow = ((at.to - at.from) * (factor - 1)) / 2;
    const to = Math.min(at.to + grow, Math.max(Date.now(), at.to));
    return { from: String(Math.round(to - (at.to - at.from) * factor)), to: String(Math.round(to)) };
}

export function RangePicker(props: RangePickerProps) {
    const { range, zone = 'browser', onChange } = props;
    return (
        <div class="group">
            {!isRelative(range) && <button type="button" class="button icon" title="Earlier" aria-label="Earlier"
                onClick={() => onChange(shiftRange(range, -0.5, zone))}><Icon name="left" /></button>}
            <Popover right testid="time-range" title="Time range" label={<><Icon name="clock" size={14} /><span class="cut">{describeRange(range, Date.now(), zone)}</span></>}>
                {(close) => <RangeForm {...props} close={close} />}
            </Popover>
            {!isRelative(range) && <button type="button" class="button icon" title="Later" aria-label="Later"
                onClick={() => onChange(shiftRange(range, 0.5, zone))}><Icon name="right" /></button>}
            <button type="button" class="button icon" title="Zoom out" aria-label="Zoom out" data-testid="zoom-out"
                onClick={() => onChange(zoomOutRange(range, zone))}><Icon name="zoomOut" /></button>
        </div>
    );
}

export const REFRESH_CHOICES = ['5s', '10s', '30s', '1m', '5m', '15m', '30m', '1h', '2h', '1d'];

interface RefreshPickerProps {
    interval: string;
    choices?: string[];
    busy?: boolean;
    onChange: (interval: string) => void;
    onRefresh: () => void;
}

export function RefreshPicker({ interval, choices = REFRESH_CHOICES, busy, onChange, onRefresh }: RefreshPickerProps) {
    return (
        <div class="group">
            <button type="button" class={busy ? 'button icon busy' : 'button icon'} title="Refresh" aria-label="Refresh" data-testid="refresh" onClick={onRefresh}>
                <Icon name="refresh" />
            </button>
            <Popover right haspopup="menu" testid="refresh-interval" title="Refresh interval" label={<><span>{interval || 'Off'}</span><Icon name="down" size={14} /></>}>
                {(close) => <Menu close={close} items={['', ...choices].map((choice) => ({
                    text: choice === '' ? 'Off' : choice, checked: choice === interval, run: () => onChange(choice),
                }))} />}
            </Popover>
        </div>
    );
}

/** Calls `tick` every `interval` ("5s"; "" never), not while the page is hidden, never two at once. */
export function useRefresh(interval: string, tick: () => void | Promise<void>): void {
    useEffect(() => {
        const ms = readDuration(interval);
        if (ms === null || ms < 1000) return undefined;
        let running = false;
        let last = Date.now();
        const turn = async (): Promise<void> => {
            if (running || document.hidden) return;
            running = true;
            last = Date.now();
            try { await tick(); } finally { running = false; }
        };
        const timer = setInterval(() => { void turn(); }, ms);
        const seen = (): void => { if (!document.hidden && Date.now() - last >= ms) void turn(); };
        document.addEventListener('visibilitychange', seen);
        return () => {
            clearInterval(timer);
            document.removeEventListener('visibilitychange', seen);
        };
    }, [interval, tick]);
}

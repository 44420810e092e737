// timeline.tsx - states over time as bands: state timeline and status history.
import { useMemo, useState } from 'preact/hooks';
import { fade, textOn } from '../../../shared/colors';
import { theme } from '../../../shared/theme';
import { formatTime, HOUR, DAY, MINUTE, wallClock } from '../../../shared/time';
import { limitsOf, show, shownText, type Cell, type Field, type Frame } from '../frames';
import { list, object, text } from '../model';
import type { RenderProps } from './panels';
import { fitText } from './single';

interface Band { from: number; to: number; value: Cell; said: string; color: string }
interface Lane { title: string; bands: Band[] }

const LANES_MAX = 100;

function bandsOf(times: number[], one: Field, end: number, merge: boolean, zone: string): Band[] {
    const bands: Band[] = [];
    const limits = limitsOf(one.config, one.values);
    const step = times.length > 1 ? times[1]! - times[0]! : MINUTE;
    times.forEach((at, row) => {
        const value = one.values[row] ?? null;
        const to = Math.min(times[row + 1] ?? at + step, end);
        if (value === null) return;
        const shown = show(value, one, zone, limits);
        const last = bands[bands.length - 1];
        const said = shownText(shown);
        if (merge && last && last.to >= at && last.said === said) last.to = to;
        else bands.push({ from: at, to, value, said, color: shown.color ?? '' });
    });
    return bands;
}

function lanesOf(frames: Frame[], end: number, merge: boolean, zone: string): Lane[] {
    return frames.flatMap((frame) => {
        const time = frame.fields.find((one) => one.type === 'time');
        if (!time) return [];
        return frame.fields.filter((one) => one.type !== 'time').map((one) => ({ title: one.title, bands: bandsOf(time.values as number[], one, end, merge, zone) }));
    }).slice(0, LANES_MAX);
}

/** Instants that read well, and how they are written. */
export function timeTicks(from: number, to: number, width: number, zone: string): { at: number; said: string }[] {
    const raw = ((to - from) / Math.max(1, width)) * 90;
    const step = [MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 30 * DAY, 90 * DAY, 365 * DAY].find((one) => one >= raw) ?? 365 * DAY;
    const shift = wallClock(from, zone).getTime() - from;
    const made: { at: number; said: string }[] = [];
    for (let at = Math.ceil((from + shift) / step) * step - shift; at < to; at += step) {
        const clock = formatTime(at, zone);
        made.push({ at, said: step >= DAY ? clock.slice(5, 10) : clock.slice(11, 16) });
    }
    return made;
}

export function Timeline({ panel, frames, range, zone, width, height, onZoomOut }: RenderProps) {
    const shade = theme.value;
    const merge = panel.type === 'state-timeline' && panel.options.mergeValues !== false;
    const lanes = useMemo(() => lanesOf(frames, range.to, merge, zone), [frames, range, merge, zone, shade]);
    const [hover, setHover] = useState<{ band: Band; lane: Lane; x: number; y: number } | null>(null);
    const nameWidth = Math.min(width * 0.32, Math.max(40, ...lanes.map((lane) => lane.title.length * 6.6 + 12)));
    const plot = Math.max(20, width - nameWidth - 8);
    const legend = object(panel.options.legend);
    const shows = legend.showLegend !== false && legend.displayMode !== 'hidden';
    const states = shows ? [...new Map(lanes.flatMap((lane) => lane.bands.map((band) => [band.said, band.color]))).entries()].slice(0, 12) : [];
    const tall = height - 22 - (states.length > 0 ? 26 : 0);
    const lane = Math.max(14, Math.min(44, tall / Math.max(1, lanes.length)));
    const bar = Math.max(8, Math.floor(lane * (Number(panel.options.rowHeight) || 0.8)));
    const place = (at: number): number => ((Math.max(range.from, Math.min(range.to, at)) - range.from) / (range.to - range.from)) * plot;
    const never = text(panel.options.showValue, 'auto') === 'never' || list(panel.options.showValue).length > 0;
    return (
        <div class="timeline">
            <div class="timeline-scroll">
                <svg width={width} height={lanes.length * lane + 20} role="img" aria-label={`${panel.title}: states of ${lanes.length} rows`} onDblClick={onZoomOut} onPointerLeave={() => setHover(null)}>
                    {timeTicks(range.from, range.to, plot, zone).map(({ at, said }) => (
                        <g key={at}><line x1={nameWidth + place(at)} x2={nameWidth + place(at)} y1={0} y2={lanes.length * lane} class="grid-line" />
                            <text x={nameWidth + place(at)} y={lanes.length * lane + 14} class="tick-text" text-anchor="middle">{said}</text></g>
                    ))}
                    {lanes.map((one, row) => (
                        <g key={row}>
                            <text x={nameWidth - 8} y={row * lane + lane / 2} class="lane-text" text-anchor="end" dominant-baseline="central">
                                {one.title.length * 6.6 > nameWidth - 8 ? `${one.title.slice(0, Math.floor((nameWidth - 14) / 6.6))}…` : one.title}<title>{one.title}</title></text>
                            {one.bands.map((band, index) => {
                                const x = place(band.from);
                                const wide = Math.max(1, place(band.to) - x - (merge ? 0.5 : 1));
                                const fits = !never && wide > band.said.length * 7 + 8 && bar >= 14;
                                return (
                                    <g key={index} onPointerMove={(event) => { const box = event.currentTarget.ownerSVGElement!.getBoundingClientRect(); setHover({ band, lane: one, x: event.clientX - box.left, y: event.clientY - box.top }); }}>
                                        <rect x={nameWidth + x} y={row * lane + (lane - bar) / 2} width={wide} height={bar} rx={1.5} fill={fade(band.color, 0.85)} />
                                        {fits && <text x={nameWidth + x + 6} y={row * lane + lane / 2} dominant-baseline="central" class="band-text" fill={textOn(band.color)} font-size={fitText(band.said, wide - 8, bar * 0.7, 12)}>{band.said}</text>}
                                    </g>
                                );
                            })}
                        </g>
                    ))}
                </svg>
                {hover && (
                    <div class="chart-tooltip" style={{ visibility: 'visible', transform: `translate(${hover.x > width / 2 ? hover.x - 240 : hover.x + 12}px, ${hover.y + 14}px)` }} role="tooltip">
                        <div class="when">{formatTime(hover.band.from, zone)} to {formatTime(hover.band.to, zone)}</div>
                        <div class="row near"><span class="swatch" style={{ background: hover.band.color }} /><span class="name">{hover.lane.title}</span><span class="value">{hover.band.said}</span></div>
                    </div>
                )}
            </div>
            {states.length > 0 && <div class="legend list">{states.map(([said, color]) => <span class="entry" key={said}><span class="swatch" style={{ background: color }} />{said}</span>)}</div>}
        </div>
    );
}

// single.tsx - panels of single values: stat, gauge, bar gauge, pie.
import { useMemo } from 'preact/hooks';
import { asText, fade, resolveColor, textOn } from '../../../shared/colors';
import { theme, token } from '../../../shared/theme';
import { reduced, shownText, stepsOf, type Reduced } from '../frames';
import { number, object, text } from '../model';
import type { RenderProps } from './panels';
import { Sparkline } from './timeseries';

const measure = document.createElement('canvas').getContext('2d')!;

/** The largest size at which the text fits the box. */
export function fitText(given: string, width: number, height: number, max: number, weight = 600): number {
    measure.font = `${weight} 100px ${token('--font')}`;
    const wide = measure.measureText(given).width / 100;
    return Math.max(9, Math.min(max, height, wide > 0 ? width / wide : max));
}

interface Cell { columns: number; rows: number; width: number; height: number }

/** How `count` boxes fill an area best, or in one line when a direction is given. */
function divide(count: number, width: number, height: number, orientation: string, ratio: number): Cell {
    const gap = 8;
    const cell = (columns: number): Cell => {
        const rows = Math.ceil(count / columns);
        return { columns, rows, width: (width - gap * (columns - 1)) / columns, height: (height - gap * (rows - 1)) / rows };
    };
    if (orientation === 'vertical') return cell(count);
    if (orientation === 'horizontal') return cell(1);
    let best = cell(1);
    let score = -Infinity;
    for (let columns = 1; columns <= count; columns++) {
        const now = cell(columns);
        const side = Math.min(now.width, now.height * ratio);
        if (side > score) { score = side; best = now; }
    }
    return best;
}

function Value({ item, size, color }: { item: Reduced; size: number; color: string }) {
    const { prefix, text: digits, suffix } = item.shown;
    const custom = item.field.config.custom;
    return (
        <span class="big" style={{ fontSize: `${size}px`, color }} data-testid="stat-value">
            {text(custom.prefix)}{prefix}{digits}{suffix && <span class="unit">{suffix}</span>}{text(custom.postfix)}
        </span>
    );
}

const NO_VALUE = 'No value';
const saidText = (item: Reduced): string => text(item.field.config.custom.prefix) + shownText(item.shown) + text(item.field.config.custom.postfix) || NO_VALUE;

export function Stat({ panel, frames, zone, width, height }: RenderProps) {
    const shade = theme.value;
    const items = useMemo(() => reduced(frames, panel, zone), [frames, panel, zone, shade]);
    const { options } = panel;
    const mode = text(options.colorMode, 'value');
    const textMode = text(options.textMode, 'auto');
    const fixed = object(options.text);
    const count = items.length;
    const orientation = count > 1 ? text(options.orientation, 'auto') : 'auto';
    const cell = divide(Math.max(1, count), width, height, orientation, 2.4);
    const inner = { width: cell.width - (mode.startsWith('background') ? 24 : 12), height: cell.height - (mode.startsWith('background') ? 10 : 4) };
    const names = textMode === 'value_and_name' || (textMode === 'auto' && count > 1);
    const longest = items.reduce((most, item) => (saidText(item).length > most.length ? saidText(item) : most), '');
    const wide = names && inner.width > inner.height * 3;
    const valueHeight = names && !wide ? inner.height * 0.6 : inner.height;
    const most = wide ? 26 : 44;
    const size = number(fixed.valueSize) ? Math.min(number(fixed.valueSize)!, fitText(longest, inner.width, valueHeight, 200)) : fitText(longest, wide ? inner.width * 0.55 : inner.width * 0.94, valueHeight * 0.82, most);
    return (
        <div class="singles" style={{ gridTemplateColumns: `repeat(${cell.columns}, minmax(0, 1fr))` }}>
            {items.map((item, index) => {
                const color = item.shown.color ?? token('--text');
                const filled = mode.startsWith('background');
                const front = filled ? textOn(color) : mode === 'none' ? token('--text') : asText(color);
                const graph = options.graphMode !== 'none' && item.series.length > 1 && cell.height > 44;
                const only = textMode === 'name';
                const center = options.justifyMode === 'center' || (options.justifyMode !== 'left' && count === 1 && !graph);
                return (
                    <div key={index} class={`single${filled ? ' filled' : ''}${wide ? ' wide' : ''}${center ? ' center' : ''}${graph ? ' graphed' : ''}`}
                        style={filled ? { background: mode === 'background' ? `linear-gradient(120deg, ${color}, ${fade(color, 0.82)})` : color, color: front } : undefined}>
                        {graph && <Sparkline times={item.times} values={item.series} color={filled ? fade(front, 0.75) : mode === 'none' ? token('--text-3') : color} min={item.field.config.min} max={item.field.config.max} />}
                        {(names || only) && <span class={only ? 'big' : 'small'} style={{ fontSize: only ? `${fitText(item.title, inner.width, inner.height * 0.8, 40)}px` : undefined, color: filled ? front : undefined }} title={item.title}>{item.title}</span>}
                        {!only && textMode !== 'none' && (item.shown.isEmpty && !item.shown.text
                            ? <span class="small">{NO_VALUE}</span> : <Value item={item} size={size} color={front} />)}
                    </div>
                );
            })}
        </div>
    );
}

function arc(cx: number, cy: number, radius: number, from: number, to: number): string {
    const point = (angle: number): string => `${(cx + radius * Math.cos(angle)).toFixed(2)} ${(cy + radius * Math.sin(angle)).toFixed(2)}`;
    return `M${point(from)}A${radius} ${radius} 0 ${to - from > Math.PI ? 1 : 0} 1 ${point(to)}`;
}

const START = Math.PI * 0.86;
const SWEEP = Math.PI * 1.28;

function Dial({ item, width, height, markers, title }: { item: Reduced; width: number; height: number; markers: boolean; title: boolean }) {
    const room = title ? 18 : 0;
    const tall = height - room;
    // The dial is cut off below: it is as tall as 1.42 radii.
    const radius = Math.max(12, Math.min(width / 2 - 4, tall / 1.48 - 3));
    const cx = width / 2;
    const cy = tall / 2 + radius * 0.29;
    const thick = Math.max(6, radius * 0.19);
    const rim = markers ? Math.max(2, radius * 0.04) : 0;
    const { min, max } = item.limits;
    const value = typeof item.shown.value === 'number' ? item.shown.value : min;
    const share = Math.min(1, Math.max(0, (value - min) / (max - min)));
    const middle = radius - rim - 2 - thick / 2;
    const steps = stepsOf(item.field.config, min, max);
    const color = item.shown.color ?? token('--text');
    const said = saidText(item);
    const size = fitText(said, (middle - thick / 2) * 1.62, radius * 0.42, 44);
    return (
        <svg class="dial" width={width} height={height} role="img" aria-label={`${item.title}: ${said}`}>
            <path d={arc(cx, cy, middle, START, START + SWEEP)} class="track" fill="none" stroke-width={thick} />
            {share > 0.002 && <path d={arc(cx, cy, middle, START, START + SWEEP * share)} fill="none" stroke={color} stroke-width={thick} />}
            {markers && steps.map((step, index) => {
                const from = Math.max(0, (Math.max(step.value, min) - min) / (max - min));
                const to = Math.min(1, ((steps[index + 1]?.value ?? max) - min) / (max - min));
                return to > from ? <path key={index} d={arc(cx, cy, radius - rim / 2, START + SWEEP * from, START + SWEEP * to)} fill="none" stroke={resolveColor(step.color)} stroke-width={rim} /> : null;
            })}
            <text x={cx} y={cy} class="dial-value" fill={asText(color)} font-size={size} text-anchor="middle" dominant-baseline="central" data-testid="stat-value">{said}</text>
            {title && <text x={cx} y={height - 5} class="dial-title" text-anchor="middle">{item.title}</text>}
        </svg>
    );
}

export function Gauge({ panel, frames, zone, width, height }: RenderProps) {
    const shade = theme.value;
    const items = useMemo(() => reduced(frames, panel, zone), [frames, panel, zone, shade]);
    const cell = divide(Math.max(1, items.length), width, height, text(panel.options.orientation, 'auto') === 'horizontal' && items.length > 1 ? 'horizontal' : 'auto', 1.2);
    const titled = items.length > 1;
    return (
        <div class="singles gauges" style={{ gridTemplateColumns: `repeat(${cell.columns}, minmax(0, 1fr))` }}>
            {items.map((item, index) => <Dial key={index} item={item} width={Math.floor(cell.width)} height={Math.floor(cell.height)} markers={panel.options.showThresholdMarkers !== false} title={titled} />)}
        </div>
    );
}

function barBackground(item: Reduced, mode: string, vertical: boolean): string {
    const color = item.shown.color ?? token('--text');
    if (mode !== 'gradient') return fade(color, 0.85);
    const { min, max } = item.limits;
    const steps = stepsOf(item.field.config, min, max);
    const value = typeof item.shown.value === 'number' ? item.shown.value : min;
    if ((item.field.config.color?.mode ?? 'thresholds') !== 'thresholds' || steps.length < 2) return `linear-gradient(${vertical ? 'to top' : 'to right'}, ${fade(color, 0.45)}, ${color})`;
    const stops = steps.filter((step) => step.value <= value).map((step) => {
        const share = value > min ? ((Math.max(step.value, min) - min) / (value - min)) * 100 : 0;
        return `${resolveColor(step.color)} ${share.toFixed(1)}%`;
    });
    return stops.length > 1 ? `linear-gradient(${vertical ? 'to top' : 'to right'}, ${stops.join(', ')})` : fade(color, 0.85);
}

export function BarGauge({ panel, frames, zone, width, height }: RenderProps) {
    const shade = theme.value;
    const items = useMemo(() => reduced(frames, panel, zone), [frames, panel, zone, shade]);
    const direction = text(panel.options.orientation, 'auto');
    const vertical = direction === 'vertical' || (direction === 'auto' && width < height * 1.2 && items.length < 12 && width / items.length > 34);
    const mode = text(panel.options.displayMode, 'gradient');
    const longest = Math.max(0, ...items.map((item) => fitWidth(saidText(item))));
    const names = text(panel.options.namePlacement, 'auto');
    const nameWidth = names === 'hidden' ? 0 : Math.min(width * 0.4, Math.max(0, ...items.map((item) => fitWidth(item.title))) + 4);
    const rowHeight = Math.max(16, Math.min(36, (height - 4 * (items.length - 1)) / Math.max(1, items.length)));
    const above = names === 'top' || (!vertical && nameWidth > width * 0.34 && rowHeight > 34);
    return (
        <div class={`bars${vertical ? ' vertical' : ''}${above ? ' above' : ''}`}>
            {items.map((item, index) => {
                const { min, max } = item.limits;
                const value = typeof item.shown.value === 'number' ? item.shown.value : min;
                const share = Math.min(1, Math.max(0, (value - min) / (max - min))) * 100;
                const color = item.shown.color ?? token('--text');
                const fill = vertical ? { height: `${share}%`, background: barBackground(item, mode, true) } : { width: `${share}%`, background: barBackground(item, mode, false) };
                const cells = mode === 'lcd';
                return (
                    <div class="bar-row" key={index} style={vertical || above ? undefined : { height: `${rowHeight}px`, gridTemplateColumns: `${nameWidth}px minmax(0, 1fr) ${Math.ceil(longest) + 8}px` }}>
                        {names !== 'hidden' && <span class="small cut" title={item.title}>{item.title}</span>}
                        <div class={`track${panel.options.showUnfilled === false ? ' bare' : ''}${cells ? ' cells' : ''}`} role="meter" aria-label={item.title} aria-valuenow={value} aria-valuemin={min} aria-valuemax={max}>
                            <div class="fill" style={fill} />
                        </div>
                        <span class="bar-value" style={{ color: panel.options.valueMode === 'text' ? undefined : asText(color), fontSize: vertical ? `${fitText(saidText(item), width / items.length - 6, 16, 13)}px` : undefined }} data-testid="stat-value">{saidText(item)}</span>
                    </div>
                );
            })}
        </div>
    );
}

function fitWidth(given: string): number {
    measure.font = `600 13px ${token('--font')}`;
    return measure.measureText(given).width;
}

export function Pie({ panel, frames, zone, width, height }: RenderProps) {
    const shade = theme.value;
    const items = useMemo(() => reduced(frames, panel, zone), [frames, panel, zone, shade]);
    const sum = items.reduce((total, item) => total + Math.max(0, Number(item.shown.value) || 0), 0);
    const legend = object(panel.options.legend);
    const values: string[] = Array.isArray(legend.values) ? legend.values : [];
    const shows = legend.showLegend !== false && legend.displayMode !== 'hidden';
    const side = Math.max(40, Math.min(shows ? width * 0.5 : width, height) - 8);
    const radius = side / 2;
    let at = -Math.PI / 2;
    return (
        <div class="pie">
            <svg width={side} height={side} role="img" aria-label={`${panel.title}: ${items.length} shares`}>
                {items.map((item, index) => {
                    const share = sum > 0 ? Math.max(0, Number(item.shown.value) || 0) / sum : 0;
                    const from = at;
                    at += share * 2 * Math.PI;
                    if (share <= 0) return null;
                    const hole = panel.options.pieType === 'donut' ? 0.58 : 0;
                    const middle = (radius * (1 + hole)) / 2;
                    return <path key={index} d={arc(radius, radius, middle, from, Math.min(at, from + 2 * Math.PI - 0.0001))} fill="none" stroke={item.shown.color} stroke-width={radius * (1 - hole)}><title>{`${item.title}: ${saidText(item)}`}</title></path>;
                })}
            </svg>
            {shows && (
                <ul class="pie-legend">
                    {items.map((item, index) => (
                        <li key={index}><span class="swatch" style={{ background: item.shown.color }} /><span class="cut grow">{item.title}</span>
                            {(values.length === 0 || values.includes('value')) && <span>{saidText(item)}</span>}
                            {values.includes('percent') && <span class="dimmer">{sum > 0 ? `${Math.round((Math.max(0, Number(item.shown.value)) / sum) * 100)}%` : ''}</span>}
                        </li>
                    ))}
                </ul>
            )}
        </div>
    );
}

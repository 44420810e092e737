// panel.tsx - one expression and what it gives: a table at a moment, a graph over a range.
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { ApiError, errorText, isAbort } from '../../shared/api';
import { Chart, type ChartSeries } from '../../shared/chart';
import { safeColor } from '../../shared/colors';
import { Icon } from '../../shared/icons';
import { Legend } from '../../shared/legend';
import { Menu, Popover } from '../../shared/menu';
import { useRefresh } from '../../shared/range-picker';
import { askProm, type Labels, type PromData } from '../../shared/prom';
import { formatTime, printDuration, readDuration, readInstant } from '../../shared/time';
import { theme } from '../../shared/theme';
import { Editor } from './editor';
import { plotOf, rowsOf, type Row } from './result';
import { addHistory, errorOffset, POINTS, readHistory, stepOf, type Density, type PanelState } from './state';

const ROWS_SHOWN = 1000;
const SERIES_SHOWN = 100;

interface Result { expr: string; tab: PanelState['tab']; data: PromData; warnings: string[]; infos: string[]; tookMs: number; start: number; end: number; step: number }
interface Failure { text: string; at: number | null; kind: string }

function LabelText({ labels }: { labels: Labels }) {
    const { __name__: name, ...rest } = labels;
    const keys = Object.keys(rest).sort();
    return (
        <>{name !== undefined && <span class="ql-name">{name}</span>}{(keys.length > 0 || name === undefined) && '{'}
            {keys.map((key, index) => <span key={key}>{index > 0 && ', '}<span class="ql-label">{key}</span>=<span class="ql-string">{JSON.stringify(rest[key])}</span></span>)}
            {(keys.length > 0 || name === undefined) && '}'}</>
    );
}

function ResultTable({ result }: { result: Result }) {
    const rows = useMemo(() => rowsOf(result.data), [result]);
    const [all, setAll] = useState(false);
    const [sort, setSort] = useState<'' | 'asc' | 'desc'>('');
    const sorted = useMemo(() => {
        if (sort === '') return rows;
        const key = (row: Row): number => (Number.isNaN(Number(row.value)) ? -Infinity : Number(row.value));
        return [...rows].sort((a, b) => (sort === 'asc' ? key(a) - key(b) : key(b) - key(a)));
    }, [rows, sort]);
    const shown = all ? sorted : sorted.slice(0, ROWS_SHOWN);
    return (
        <div class="result-scroll">
            <table class="result-table" data-testid="result-table" data-count={rows.length} aria-rowcount={rows.length}>
                <thead><tr><th scope="col">{result.data.resultType === 'scalar' || result.data.resultType === 'string' ? result.data.resultType : 'Series'}</th>
                    <th scope="col" class="right" aria-sort={sort === '' ? undefined : sort === 'asc' ? 'ascending' : 'descending'}>
                        <button type="button" onClick={() => setSort(sort === '' ? 'desc' : sort === 'desc' ? 'asc' : '')}>Value{sort === 'asc' ? ' ↑' : sort === 'desc' ? ' ↓' : ''}</button></th></tr></thead>
                <tbody>{shown.map((row, index) => (
                    <tr key={index} data-testid="result-row"><td class="series">{row.labels ? <LabelText labels={row.labels} /> : <span class="dimmer">{result.data.resultType}</span>}</td><td class="right value">{row.value}</td></tr>
                ))}</tbody>
            </table>
            {shown.length < rows.length && <p class="result-note">{ROWS_SHOWN} of {rows.length} rows. <button type="button" class="link" data-testid="show-all" onClick={() => setAll(true)}>Show all</button></p>}
        </div>
    );
}

function Graph({ result, stacked, onZoom, onZoomOut }: { result: Result; stacked: boolean; onZoom: (from: number, to: number) => void; onZoomOut: () => void }) {
    const [hidden, setHidden] = useState<Set<string>>(new Set());
    const [all, setAll] = useState(false);
    const plot = useMemo(() => plotOf(result.data, result.start, result.end, result.step, all ? Infinity : SERIES_SHOWN), [result, all]);
    const series = useMemo(() => plot.names.map((name, index): ChartSeries => ({
        name, color: safeColor(index), values: plot.values[index]!, width: 1.5, hidden: hidden.has(name), dash: index >= 8 ? [6, 2 + Math.floor(index / 8)] : undefined,
        unit: 'short', ...(stacked ? { stack: 'a', fill: 0.55 } : {}),
    })), [plot, hidden, stacked, theme.value]);
    const low = stacked ? { softMin: 0, unit: 'short' } : { unit: 'short' };
    return (
        <div class="graph">
            <div class="graph-plot"><Chart times={plot.times} series={series} from={result.start * 1000} to={result.end * 1000} left={low} tooltip="multi" tooltipSort="desc" onZoom={onZoom} onZoomOut={onZoomOut}
                summary={`${result.expr}: ${plot.names.length} series`} /></div>
            <div class="graph-legend"><Legend series={series} hidden={hidden} onHide={setHidden} side /></div>
            {plot.cut > 0 && <p class="result-note">{plot.names.length} of {plot.names.length + plot.cut} series are drawn. <button type="button" class="link" data-testid="show-all" onClick={() => setAll(true)}>Draw all</button></p>}
            {plot.histograms > 0 && <p class="result-note">{plot.histograms} series of native histograms are not drawn; the table shows them.</p>}
        </div>
    );
}

const RANGES = [60, 300, 900, 1800, 3600, 7200, 21600, 43200, 86400, 172800, 604800, 1209600, 2419200, 4838400, 15768000, 31536000].map((seconds) => seconds * 1000);

/** A moment or "now": written as one likes. */
function Moment({ at, label, testid, onChange }: { at: number | null; label: string; testid: string; onChange: (at: number | null) => void }) {
    const shown = at === null ? '' : formatTime(at);
    const [draft, setDraft] = useState(shown);
    useEffect(() => setDraft(shown), [shown]);
    const bad = draft !== '' && readInstant(draft, Date.now()) === null;
    const apply = (): void => {
        const next = draft === '' ? null : readInstant(draft, Date.now());
        if (next !== at && !bad) onChange(next);
    };
    return (
        <div class="group moment">
            <input class={bad ? 'input bad' : 'input'} aria-label={label} aria-invalid={bad} placeholder={`${label}: now`} title="now-1h, 14:05, yesterday 03:00 or 2026-01-31 08:00" data-testid={testid} value={draft} spellcheck={false}
                onInput={(event) => setDraft(event.currentTarget.value)} onBlur={apply} onKeyDown={(event) => { if (event.key === 'Enter') apply(); }} />
            {at !== null && <button type="button" class="button icon" title="Now" aria-label="Now" onClick={() => onChange(null)}><Icon name="close" size={13} /></button>}
        </div>
    );
}

function GraphControls({ panel, onChange }: { panel: PanelState; onChange: (changes: Partial<PanelState>) => void }) {
    const shown = printDuration(panel.range);
    const [draft, setDraft] = useState(shown);
    useEffect(() => setDraft(shown), [shown]);
    const apply = (): void => {
        const next = readDuration(draft);
        if (next !== null && next >= 1000) { if (next !== panel.range) onChange({ range: next }); } else setDraft(shown);
    };
    const densities: [Density, string][] = [['low', 'Coarse'], ['medium', 'Medium'], ['high', 'Fine']];
    return (
        <>
            <div class="group">
                <button type="button" class="button icon" aria-label="Shorter range" title="Shorter range" onClick={() => onChange({ range: RANGES.findLast((one) => one < panel.range) ?? RANGES[0]! })}><Icon name="minus" size={13} /></button>
                <input class="input range-input" aria-label="Range" title="5m, 1h, 2d" data-testid="range-input" value={draft} onInput={(event) => setDraft(event.currentTarget.value)} onBlur={apply}
                    onKeyDown={(event) => { if (event.key === 'Enter') apply(); }} />
                <button type="button" class="button icon" aria-label="Longer range" title="Longer range" onClick={() => onChange({ range: RANGES.find((one) => one > panel.range) ?? RANGES[RANGES.length - 1]! })}><Icon name="plus" size={13} /></button>
            </div>
            <Moment at={panel.end} label="End" testid="end-input" onChange={(end) => onChange({ end })} />
            <Popover haspopup="menu" testid="resolution" title="Resolution" label={<><span>{panel.step !== null ? `Step ${printDuration(panel.step * 1000)}` : densities.find(([name]) => name === panel.density)![1]}</span><Icon name="down" size={14} /></>}>
                {(close) => <Menu close={close} items={[
                    ...densities.map(([name, text]) => ({ text, hint: `about ${POINTS[name]} points`, checked: panel.step === null && panel.density === name, run: () => onChange({ density: name, step: null }) })), 'rule' as const,
                    ...[5, 15, 30, 60, 300, 3600].map((step) => ({ text: `Step ${printDuration(step * 1000)}`, checked: panel.step === step, run: () => onChange({ step }) })),
                ]} />}
            </Popover>
            <div class="group" role="group" aria-label="Lines or stacked">
                <button type="button" class="button" aria-pressed={!panel.stacked} data-testid="lines" onClick={() => onChange({ stacked: false })}>Lines</button>
                <button type="button" class="button" aria-pressed={panel.stacked} data-testid="stacked" onClick={() => onChange({ stacked: true })}>Stacked</button>
            </div>
        </>
    );
}

interface QueryPanelProps {
    panel: PanelState;
    index: number;
    lone: boolean;
    refresh: string;
    /** Counts up when the page asks all panels to run. */
    turn: number;
    onChange: (changes: Partial<PanelState>) => void;
    onRemove: () => void;
}

export function QueryPanel({ panel, index, lone, refresh, turn, onChange, onRemove }: QueryPanelProps) {
    const [draft, setDraft] = useState(panel.expr);
    const [result, setResult] = useState<Result | null>(null);
    const [failure, setFailure] = useState<Failure | null>(null);
    const [busy, setBusy] = useState(false);
    const [again, setAgain] = useState(0);
    const control = useRef<AbortController | null>(null);
    useEffect(() => setDraft(panel.expr), [panel.expr]);
    const question = JSON.stringify([panel.expr, panel.tab, panel.range, panel.end, panel.moment, panel.step, panel.density]);

    const run = useCallback(async (): Promise<void> => {
        control.current?.abort();
        const { expr, tab } = panel;
        if (expr.trim() === '') { setResult(null); setFailure(null); setBusy(false); return; }
        const mine = new AbortController();
        control.current = mine;
        setBusy(true);
        const begun = performance.now();
        const step = stepOf(panel);
        const last = ((tab === 'graph' ? panel.end : panel.moment) ?? Date.now()) / 1000;
        const end = tab === 'graph' ? Math.floor(last / step) * step : last;
        const start = end - Math.floor(panel.range / 1000 / step) * step;
        try {
            const answer = tab === 'graph'
                ? await askProm<PromData>('', 'query_range', { query: expr, start, end, step }, { signal: mine.signal })
                : await askProm<PromData>('', 'query', { query: expr, time: end.toFixed(3) }, { signal: mine.signal });
            if (control.current !== mine) return;
            setResult({ expr, tab, ...answer, tookMs: performance.now() - begun, start, end, step });
            setFailure(null);
            setBusy(false);
        } catch (problem) {
            if (isAbort(problem) || control.current !== mine) return;
            const text = errorText(problem);
            setFailure({ text, at: errorOffset(text, expr), kind: problem instanceof ApiError ? problem.kind : 'answer' });
            setBusy(false);
        }
    }, [question]);
    useEffect(() => { void run(); }, [run, turn, again]);
    useEffect(() => () => control.current?.abort(), []);
    useRefresh(refresh, run);
    // A server that is away is asked again by itself.
    useEffect(() => {
        if (failure?.kind !== 'unreachable') return undefined;
        const timer = setTimeout(() => { if (!document.hidden) void run(); }, 5000);
        return () => clearTimeout(timer);
    }, [failure, run]);

    const execute = (expr: string): void => {
        addHistory(expr);
        if (expr === panel.expr) setAgain((count) => count + 1);
        else onChange({ expr });
    };
    const zoom = (from: number, to: number): void => onChange({ range: Math.max(1000, Math.round((to - from) / 1000) * 1000), end: Math.round(to / 1000) * 1000 });
    const zoomOut = (): void => {
        const end = panel.end === null ? null : panel.end + panel.range / 2;
        onChange({ range: panel.range * 2, end: end === null || end > Date.now() ? null : end });
    };
    const shown = result?.tab === panel.tab ? result : null;
    const count = shown === null ? 0 : shown.data.resultType === 'scalar' || shown.data.resultType === 'string' ? 1 : shown.data.result.length;
    const state = panel.expr.trim() === '' ? 'idle' : busy ? (shown ? 'refreshing' : 'loading') : failure ? 'error' : count === 0 ? 'empty' : 'ok';
    const history = readHistory();
    return (
        <section class="query-panel" aria-label={`Query ${index + 1}`} data-testid="query-panel" data-index={index} data-state={state} data-tab={panel.tab} data-series={shown ? count : undefined}>
            {busy && <div class="progress" />}
            <div class="query-head">
                <Editor value={draft} onInput={setDraft} onRun={execute} errorAt={failure && draft === panel.expr ? failure.at : null} />
                <Popover right haspopup="menu" testid="history" title="History" buttonClass="button icon" label={<Icon name="clock" />}>
                    {(close) => history.length === 0 ? <p class="menu none">Nothing was run yet</p>
                        : <div class="history"><Menu close={close} items={history.map((one) => ({ text: one, testid: 'history-entry', run: () => { setDraft(one); execute(one); } }))} /></div>}
                </Popover>
                <button type="button" class="button primary" data-testid="execute" onClick={() => execute(draft)}>Execute</button>
                {!lone && <button type="button" class="button plain icon" title="Take the query away" aria-label="Take the query away" data-testid="remove-panel" onClick={onRemove}><Icon name="close" /></button>}
            </div>
            <div class="query-bar">
                <div class="tabs" role="tablist">
                    {(['table', 'graph'] as const).map((tab) => (
                        <button type="button" role="tab" key={tab} aria-selected={panel.tab === tab} data-testid={`tab-${tab}`} onClick={() => onChange({ tab })}>{tab === 'table' ? 'Table' : 'Graph'}</button>
                    ))}
                </div>
                {panel.tab === 'graph' ? <GraphControls panel={panel} onChange={onChange} /> : <Moment at={panel.moment} label="Time" testid="moment-input" onChange={(moment) => onChange({ moment })} />}
                <span class="grow" />
                {shown && <span class="query-stats" role="status" data-testid="query-stats">{count} {shown.data.resultType === 'matrix' || shown.data.resultType === 'vector' ? 'series' : 'value'} · {Math.round(shown.tookMs)} ms
                    {panel.tab === 'graph' ? ` · step ${printDuration(shown.step * 1000)}` : ` · at ${formatTime(shown.end * 1000)}`}</span>}
            </div>
            {failure && <div class="notice crit" role="alert" data-testid="query-error"><Icon name="warn" size={14} /><span>{failure.text}</span>
                {failure.kind !== 'query' && <button type="button" class="button small" data-testid="retry" onClick={() => setAgain((one) => one + 1)}>Try again</button>}</div>}
            {shown && !failure && [...shown.warnings.map((text) => ['warn', text] as const), ...shown.infos.map((text) => ['info', text] as const)].map(([kind, text]) => (
                <div class={`notice ${kind}`} key={text} data-testid={`query-${kind === 'warn' ? 'warning' : 'info'}`}><Icon name={kind} size={14} /><span>{text}</span></div>
            ))}
            <div class={failure && shown ? 'query-body greyed' : 'query-body'}>
                {state === 'idle' && <div class="state tall"><strong>No expression yet</strong><span>Write one above; Ctrl+Space lists metrics. Try <button type="button" class="link" onClick={() => execute('up')}>up</button>.</span></div>}
                {state === 'loading' && <div class="state tall">Asking…</div>}
                {state === 'empty' && <div class="state tall" data-testid="empty"><strong>No series</strong><span>{panel.tab === 'graph' ? 'The expression gives nothing in this range.' : 'The expression gives nothing at this moment.'}</span></div>}
                {shown && count > 0 && (panel.tab === 'table' ? <ResultTable result={shown} /> : <Graph result={shown} stacked={panel.stacked} onZoom={zoom} onZoomOut={zoomOut} />)}
            </div>
        </section>
    );
}

// panel.tsx - one panel: its frame, its state, asking for its data when it is seen.
import { Component, type ComponentChildren } from 'preact';
import { memo } from './memo';
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { errorText, isAbort } from '../../shared/api';
import { Icon } from '../../shared/icons';
import { copyText, Dialog } from '../../shared/keys';
import { Menu, Popover, type MenuItem } from '../../shared/menu';
import { formatClock, MINUTE, printDuration, SECOND, type Range } from '../../shared/time';
import { safeLink } from '../../shared/url';
import { applyConfig, rowsOf, type Frame } from './frames';
import { text, type Dashboard, type Panel } from './model';
import { isSupported, rendererOf } from './panels/panels';
import { asTable, DataTable } from './panels/table';
import { runPanel, type PanelData } from './queries';
import type { Source } from './sources';
import { transform } from './transform';
import { autoMacros, fillIn, type Scope, type Variable } from './vars';

export interface PageState {
    dashboard: Dashboard;
    variables: readonly Variable[];
    /** The variables' values as text: panels ask anew when it changes. */
    asked: string;
    sources: readonly Source[];
    range: Range;
    zone: string;
    /** Grows with every refresh. */
    turn: number;
}

export interface PanelActions {
    onZoom: (from: number, to: number) => void;
    onZoomOut: () => void;
    onView: (panel: Panel) => void;
    linkWith: (url: string, scope: Scope) => string;
    onBusy: (key: string, busy: boolean) => void;
}

type FillText = (given: string, format?: Parameters<typeof fillIn>[2], extra?: Parameters<typeof fillIn>[3]) => string;
type State = 'loading' | 'refreshing' | 'ok' | 'empty' | 'partial' | 'error' | 'stale' | 'unsupported';

const isEmpty = (frames: Frame[]): boolean =>
    frames.every((frame) => rowsOf(frame) === 0 || !frame.fields.some((one) => one.type !== 'time' && one.values.some((value) => value !== null && value !== undefined)));

/** The time of the newest sample in range queries; null when none was asked. */
function newest(frames: Frame[]): number | null {
    let latest: number | null = null;
    for (const frame of frames) {
        const times = frame.fields[0];
        if (frame.stepMs === undefined || times?.type !== 'time') continue;
        for (const one of frame.fields.slice(1)) {
            const row = one.values.findLastIndex((value) => value != null);
            if (row >= 0) latest = Math.max(latest ?? 0, times.values[row] as number);
        }
    }
    return latest;
}

/** Keeps a renderer's mistake inside its panel. */
class Fence extends Component<{ children: ComponentChildren; reset: unknown }, { failure: string | null }> {
    override state: { failure: string | null } = { failure: null };
    static override getDerivedStateFromError(failure: unknown): { failure: string } { return { failure: errorText(failure) }; }
    override componentDidUpdate(before: { reset: unknown }): void {
        if (before.reset !== this.props.reset && this.state.failure !== null) this.setState({ failure: null });
    }
    override componentDidCatch(failure: unknown): void { console.error(failure); }
    render() {
        if (this.state.failure === null) return this.props.children;
        return <div class="state" role="alert"><strong>This panel could not be drawn</strong>{this.state.failure}</div>;
    }
}

function useBox<T extends HTMLElement>() {
    const ref = useRef<T>(null);
    const [box, setBox] = useState({ width: 0, height: 0, seen: false });
    useEffect(() => {
        const element = ref.current!;
        const sizes = new ResizeObserver(([entry]) => {
            const width = Math.floor(entry!.contentRect.width);
            const height = Math.floor(entry!.contentRect.height);
            setBox((old) => (old.width === width && old.height === height ? old : { ...old, width, height }));
        });
        const sight = new IntersectionObserver(([entry]) => {
            const seen = entry!.isIntersecting;
            setBox((old) => (old.seen === seen ? old : { ...old, seen }));
        }, { rootMargin: '200px 0px' });
        sizes.observe(element);
        sight.observe(element);
        return () => { sizes.disconnect(); sight.disconnect(); };
    }, []);
    return [ref, box] as const;
}

function Inspect({ panel, frames, data, page, onClose, fillText }: { panel: Panel; frames: Frame[]; data: PanelData | null; page: PageState; onClose: () => void; fillText: (given: string) => string }) {
    const frame = asTable(frames);
    const csv = (): string => {
        const quote = (cell: unknown): string => { const said = cell === null || cell === undefined ? '' : String(cell); return /[",\n]/.test(said) ? `"${said.replace(/"/g, '""')}"` : said; };
        const head = frame.fields.map((one) => quote(one.title)).join(',');
        return [head, ...Array.from({ length: rowsOf(frame) }, (_, row) => frame.fields.map((one) => quote(one.values[row])).join(','))].join('\n');
    };
    return (
        <Dialog title={fillText(panel.title) || 'Panel'} testid="inspect" onClose={onClose}>
            <div class="inspect">
                {data?.errors.map((one, index) => <div class="note crit" key={index}>{one.refId}: {one.message}</div>)}
                <div class="inspect-actions"><strong>Data</strong><span class="grow" />
                    <button type="button" class="button" onClick={() => void copyText(csv(), 'Table copied as CSV')}><Icon name="copy" size={14} />Copy as CSV</button>
                    <button type="button" class="button" onClick={() => void copyText(JSON.stringify(page.dashboard.raw, null, 2), 'Dashboard copied as JSON')}><Icon name="copy" size={14} />Dashboard JSON</button>
                </div>
                <div class="inspect-table"><DataTable frame={frame} panel={{ ...panel, options: {} }} zone={page.zone} height={300} fillText={fillText} /></div>
                {data?.sent.map(({ refId, query, step }) => (
                    <div class="sent" key={refId + step}>
                        <div class="dimmer">{refId}, step {step}
                            <button type="button" class="button plain icon" title="Copy query" aria-label={`Copy query ${refId}`} onClick={() => void copyText(query, 'Query copied')}><Icon name="copy" size={14} /></button></div>
                        <pre>{query}</pre>
                    </div>
                ))}
            </div>
        </Dialog>
    );
}

interface PanelProps { panel: Panel; page: PageState; actions: PanelActions; viewed?: boolean; current?: boolean; style?: Record<string, string | number>; onCurrent?: (panel: Panel) => void }

export const PanelBox = memo(function PanelBox({ panel, page, actions, viewed, style, onCurrent }: PanelProps) {
    const [root, box] = useBox<HTMLDivElement>();
    const [data, setData] = useState<PanelData | null>(null);
    const [busy, setBusy] = useState(false);
    const [failure, setFailure] = useState<string | null>(null);
    const [inspect, setInspect] = useState(false);
    const [retry, setRetry] = useState(0);
    const { dashboard, variables, sources, range, zone, turn } = page;
    const values = page.asked;
    const hasTargets = panel.targets.some((target) => target.hide !== true);
    const needsData = hasTargets && panel.type !== 'text';

    const scope = useMemo<Scope>(() => ({ variables, macros: autoMacros(variables, range), repeat: panel.scope }), [variables, range, panel.scope]);
    const fillText = useCallback<FillText>((given, format = 'text', extra) => fillIn(given, scope, format, extra), [scope]);
    const width = box.width > 0 ? box.width : 0;
    // Only a large change of width asks anew: the step would be the same otherwise.
    const askedWidth = Math.ceil(width / 100) * 100;

    // A refresh while the panel is out of sight is made up for when it is seen again.
    const asked = useRef('');
    useEffect(() => {
        if (!needsData || width === 0 || !(box.seen || viewed)) return undefined;
        const key = JSON.stringify([askedWidth, turn, retry, range, values]);
        if (asked.current === key) return undefined;
        const control = new AbortController();
        setBusy(true);
        actions.onBusy(panel.key, true);
        const finish = (problem: string | null): void => {
            setFailure(problem);
            setBusy(false);
            actions.onBusy(panel.key, false);
        };
        runPanel(panel, { range, width, variables, sources, inputs: dashboard.inputs, zone, signal: control.signal }).then((answer) => {
            if (control.signal.aborted) return;
            asked.current = key;
            // Old data stays under an error, greyed.
            setData((old) => (answer.errors.length > 0 && answer.frames.length === 0 && old ? { ...old, errors: answer.errors, sent: answer.sent } : answer));
            finish(answer.errors[0]?.message ?? null);
        }, (problem: unknown) => { if (!control.signal.aborted && !isAbort(problem)) finish(errorText(problem)); });
        return () => {
            if (asked.current === key) return;
            control.abort();
            actions.onBusy(panel.key, false);
        };
    }, [needsData, askedWidth, box.seen, viewed, turn, retry, range, values, panel]);

    const { frames, unknown } = useMemo(() => {
        if (!data) return { frames: [] as Frame[], unknown: [] as string[] };
        const made = transform(data.frames, panel.transformations, scope);
        return { frames: applyConfig(made.frames, panel, scope), unknown: made.unknown };
    }, [data, panel, scope]);

    const supported = isSupported(panel.type);
    const allFailed = failure !== null && (!data || data.errors.length === 0 || data.frames.length === 0 || data.errors.length >= data.sent.length);
    const empty = isEmpty(frames);
    const last = useMemo(() => newest(frames), [frames]);
    const stale = data !== null && last !== null && Date.now() - data.range.to < 60 * SECOND && data.range.to - last > Math.max(3 * data.stepMs, 90 * SECOND);
    let state: State = 'ok';
    if (!needsData) state = supported ? 'ok' : 'unsupported';
    else if (allFailed) state = 'error';
    else if (data === null) state = 'loading';
    else if (busy) state = 'refreshing';
    else if (failure !== null) state = 'partial';
    else if (empty) state = 'empty';
    else if (!supported) state = 'unsupported';
    else if (stale) state = 'stale';

    const title = fillText(panel.title);
    const description = fillText(panel.description);
    const Renderer = rendererOf(panel.type);
    const shownRange = data?.range ?? range;
    const links = panel.links.flatMap((link) => {
        const url = safeLink(actions.linkWith(text(link.url), scope));
        return url && text(link.url) !== '' ? [{ text: fillText(text(link.title)) || url, icon: 'link' as const, href: url }] : [];
    });
    const items: (MenuItem | 'rule')[] = [
        { text: viewed ? 'Back to dashboard' : 'View', icon: 'expand', hint: 'v', testid: 'panel-view', run: () => actions.onView(panel) },
        ...(needsData ? [{ text: 'Data and query', icon: 'table' as const, hint: 'i', testid: 'panel-inspect', run: () => setInspect(true) }] : []),
        { text: 'Copy link', icon: 'share', run: () => { const url = new URL(location.href); url.searchParams.set('viewPanel', String(panel.id)); void copyText(url.href, 'Link copied'); } },
        ...(links.length > 0 ? ['rule' as const, ...links] : []),
    ];
    const showTime = !panel.hideTimeOverride && (panel.timeFrom !== '' || panel.timeShift !== '');
    const showData = data !== null && !empty;
    const bodyHeight = box.height;
    return (
        <section class={`panel${panel.transparent ? ' transparent' : ''}${title === '' ? ' untitled' : ''}`} style={style} role="region" aria-label={title || panel.type}
            data-testid="panel" data-panel-id={panel.id} data-panel-type={panel.type} data-panel-title={title} data-state={state} tabIndex={-1}
            onPointerEnter={() => onCurrent?.(panel)} onFocusCapture={() => onCurrent?.(panel)}
            ref={(element) => { if (element) panels.set(panel.key, { inspect: () => setInspect(true), element }); else panels.delete(panel.key); }}>
            {(busy || (data === null && needsData && !allFailed)) && <div class="progress" aria-hidden="true" />}
            <header class="panel-head">
                {title !== '' && <h2 class="cut" title={title} data-testid="panel-title">{title}</h2>}
                {description !== '' && <span class="about" tabIndex={0} role="note" aria-label={description} title={description}><Icon name="info" size={14} /></span>}
                {showTime && <span class="badge">{panel.timeFrom !== '' ? `last ${panel.timeFrom}` : ''}{panel.timeShift !== '' ? ` shifted ${panel.timeShift}` : ''}</span>}
                {(state === 'error' || state === 'partial') && <span class={`badge ${state === 'error' ? 'crit' : 'warn'}`} title={failure ?? ''} data-testid="panel-error">
                    <Icon name="warn" size={12} />{state === 'error' ? showData && 'Failed' : `${data!.errors.length} of ${data!.sent.length} failed`}</span>}
                {state === 'stale' && last !== null && <span class="badge warn" title={`Last sample at ${formatClock(last, zone)}`}>last sample {printDuration(Math.floor((data!.range.to - last) / MINUTE) * MINUTE || MINUTE)} ago</span>}
                {data !== null && data.warnings.length > 0 && state !== 'error' && <span class="about warn" title={data.warnings.join('\n')}><Icon name="warn" size={14} /></span>}
                {unknown.length > 0 && <span class="badge warn" title={`Not supported: ${unknown.join(', ')}`}>untransformed</span>}
                <span class="grow" />
                <Popover right haspopup="menu" buttonClass="panel-menu" title="Panel menu" testid="panel-menu" label={<Icon name="more" />}>
                    {(close) => <Menu items={items} close={close} />}
                </Popover>
            </header>
            <div class={allFailed && showData ? 'panel-body greyed' : 'panel-body'} ref={root}>
                {width > 0 && (showData || !needsData) && (
                    <Fence reset={frames}>
                        <Renderer panel={panel} frames={frames} range={shownRange} zone={zone} width={width} height={bodyHeight}
                            onZoom={actions.onZoom} onZoomOut={actions.onZoomOut} fillText={fillText} sync={dashboard.crosshair > 0 ? dashboard.uid || 'all' : undefined} sharedTooltip={dashboard.crosshair === 2} />
                    </Fence>
                )}
                {allFailed && !showData && (
                    <div class="state" role="alert">
                        <strong>{data?.errors.every((one) => one.silent) ? 'No answer' : 'The query failed'}</strong><span class="message" data-testid="panel-message">{failure}</span>
                        {width > 240 && bodyHeight > 100 && <span class="actions"><button type="button" class="button" onClick={() => setRetry(retry + 1)}>Try again</button>
                            {data?.sent[0] && <button type="button" class="button" onClick={() => void copyText(data.sent[0]!.query, 'Query copied')}>Copy query</button>}</span>}
                    </div>
                )}
                {data !== null && empty && !allFailed && <div class="state" data-testid="panel-empty"><strong>{panel.defaults.noValue ?? 'No data'}</strong>{bodyHeight > 70 && !panel.defaults.noValue && <span>Nothing was recorded in this range</span>}</div>}
                {allFailed && showData && <div class="failed-note" title={failure ?? ''} data-testid="panel-message">{failure}</div>}
            </div>
            {inspect && <Inspect panel={panel} frames={frames} data={data} page={page} onClose={() => setInspect(false)} fillText={fillText} />}
        </section>
    );
});

/** Panels on the page by key, for the keyboard. */
export const panels = new Map<string, { inspect: () => void; element: HTMLElement }>();

// page.tsx - a dashboard: variables, range, rows and panels; its whole state is in the address.
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { ApiError, errorText, fetchJson, isAbort, reachable } from '../../shared/api';
import { Icon } from '../../shared/icons';
import { bindKeys, copyText, toast } from '../../shared/keys';
import { Menu, Popover, Select } from '../../shared/menu';
import { RangePicker, RefreshPicker, shiftRange, useRefresh, zoomOutRange } from '../../shared/range-picker';
import { toggleTheme } from '../../shared/theme';
import { readInstant, resolveRange, readDuration, type RawRange, type Range } from '../../shared/time';
import { TopBar } from '../../shared/topbar';
import { go, own, path, print, query, safeLink, setQuery } from '../../shared/url';
import { placePanels, repeatSections } from './layout';
import { readFound, type Found } from './list';
import { list, readDashboard, text, type Dashboard, type Loose, type Panel, type Section } from './model';
import { PanelBox, panels, type PageState, type PanelActions } from './panel';
import { silentSources } from './queries';
import { readSources, type Source } from './sources';
import { ALL, fillIn, rangeMacros, readVariables, resolveVariables, valuesOf, type Scope, type Variable } from './vars';

interface Loaded { dashboard: Dashboard; sources: Source[]; slug: string }

/** The range in the address, else the dashboard's; also time= with time.window=. */
function rangeOf(search: URLSearchParams, dashboard: Dashboard): RawRange {
    const middle = search.get('time');
    const window = search.get('time.window');
    if (middle !== null && window !== null) {
        const at = readInstant(middle, Date.now());
        const wide = readDuration(/^\d+$/.test(window) ? `${window}ms` : window);
        if (at !== null && wide !== null) return { from: String(at - wide / 2), to: String(at + wide / 2) };
    }
    return { from: search.get('from') ?? dashboard.from, to: search.get('to') ?? dashboard.to };
}

function Variables({ variables, onChange, loading }: { variables: readonly Variable[]; onChange: (name: string, value: string[]) => void; loading: boolean }) {
    const shown = variables.filter((variable) => variable.hide < 2);
    if (shown.length === 0) return null;
    return (
        <section class="variables" aria-label="Variables" data-testid="variables">
            {shown.map((variable) => (
                <div class="variable" key={variable.name} data-testid={`variable-${variable.name}`} data-state={variable.error ? 'error' : loading && variable.choices.length === 0 ? 'loading' : 'ok'}>
                    {variable.hide === 0 && <span class="variable-label" title={text(variable.definition.description) || undefined}>{variable.label}</span>}
                    {variable.type === 'textbox'
                        ? <input class="input" aria-label={variable.label} value={variable.value[0] ?? ''} onChange={(event) => onChange(variable.name, [event.currentTarget.value])} />
                        : <Select label={variable.label} multi={variable.multi} lone={variable.includeAll ? ALL : undefined} loading={loading}
                            choices={variable.includeAll ? [{ text: 'All', value: ALL }, ...variable.choices] : variable.choices}
                            chosen={variable.value} onChoose={(value) => onChange(variable.name, value)} />}
                    {variable.error && <span class="about crit" role="alert" title={variable.error}><Icon name="warn" size={14} /></span>}
                </div>
            ))}
        </section>
    );
}

/** Whether a variable's value is certain enough to ask with before its choices are known. */
const isKnown = (variable: Variable): boolean => variable.type === 'constant' || variable.type === 'textbox'
    || (variable.type !== 'interval' && variable.value.length > 0 && (!variable.value.includes(ALL) || variable.allValue !== ''));

function RowHead({ title, open, count, onToggle }: { title: string; open: boolean; count: number; onToggle: () => void }) {
    return (
        <h2 class="row-head" data-testid="row" data-row-title={title} data-open={open}>
            <button type="button" aria-expanded={open} onClick={onToggle}>
                <span class={open ? 'turn open' : 'turn'}><Icon name="right" size={14} /></span>{title || 'Row'}
                {!open && <span class="dimmer">{count} {count === 1 ? 'panel' : 'panels'}</span>}
            </button>
        </h2>
    );
}

function Links({ dashboard, scope, linkWith }: { dashboard: Dashboard; scope: Scope; linkWith: (url: string, scope: Scope, keepTime?: boolean, includeVars?: boolean) => string }) {
    const [found, setFound] = useState<Found[]>([]);
    const needsList = dashboard.links.some((link) => link.type === 'dashboards');
    useEffect(() => {
        if (!needsList) return undefined;
        const control = new AbortController();
        fetchJson<Loose[]>('/api/search?type=dash-db', { signal: control.signal }).then((raw) => setFound(readFound(raw))).catch(() => { /* no list, no links */ });
        return () => control.abort();
    }, [needsList]);
    return (
        <>
            {dashboard.links.map((link, index) => {
                if (link.type === 'dashboards') {
                    const tags: string[] = Array.isArray(link.tags) ? link.tags : [];
                    const items = found.filter((one) => one.uid !== dashboard.uid && tags.every((tag) => one.tags.includes(tag)))
                        .map((one) => ({ text: one.title, href: linkWith(own(one.url), scope, link.keepTime === true, link.includeVars === true) }));
                    if (items.length === 0) return null;
                    return <Popover key={index} haspopup="menu" buttonClass="button plain" label={<>{text(link.title) || 'Dashboards'}<Icon name="down" size={14} /></>}>{(close) => <Menu items={items} close={close} />}</Popover>;
                }
                const url = safeLink(linkWith(text(link.url), scope, link.keepTime === true, link.includeVars === true));
                if (!url || text(link.url) === '') return null;
                return <a key={index} class="button plain" href={url} target={link.targetBlank ? '_blank' : undefined} rel="noopener noreferrer" title={text(link.tooltip) || undefined}><Icon name="link" size={14} />{fillIn(text(link.title), scope)}</a>;
            })}
        </>
    );
}

const EMPTY_SCOPE: ReadonlyMap<string, string> = new Map();
const idOf = (given: string): number => Number(given.replace(/^panel-/, ''));

function Board({ loaded }: { loaded: Loaded }) {
    const { dashboard, sources } = loaded;
    const search = query.value;
    const raw = useMemo(() => rangeOf(search, dashboard), [search.get('from'), search.get('to'), search.get('time'), search.get('time.window'), dashboard]);
    const zone = search.get('timezone') || dashboard.zone;
    const [turn, setTurn] = useState(0);
    const interval = search.get('refresh') ?? dashboard.refresh;
    const [busy, setBusy] = useState(false);
    const busyKeys = useRef(new Set<string>());
    const range = useMemo<Range>(() => resolveRange(raw, Date.now(), zone) ?? { from: Date.now() - 3600_000, to: Date.now() }, [raw, turn, zone]);
    const badRange = resolveRange(raw, Date.now(), zone) === null;

    /* variables */
    const [variables, setVariables] = useState<readonly Variable[]>(() => readVariables(dashboard.variables, search));
    const [resolving, setResolving] = useState(dashboard.variables.length > 0);
    const said = dashboard.variables.map((one) => search.getAll(`var-${text(one.name)}`).join('\u0001')).join('\u0002');
    const byTime = dashboard.variables.some((one) => one.type === 'query' && one.refresh === 2);
    const timeKey = byTime ? `${raw.from} ${raw.to}` : '';
    const known = useRef<readonly Variable[]>([]);
    const retry = variables.some((one) => one.error !== undefined) ? turn : 0;
    const settled = useRef('');
    useEffect(() => {
        // What was found last time was written into the address; that is no new question.
        if (settled.current === `${said} ${timeKey} ${retry}`) return undefined;
        const control = new AbortController();
        const wanted = readVariables(dashboard.variables, query.peek());
        if (wanted.length === 0) { setResolving(false); return undefined; }
        setResolving(true);
        resolveVariables(wanted, { range, sources, inputs: dashboard.inputs, signal: control.signal })
            .then((resolved) => {
                const same = known.current.length === resolved.length && JSON.stringify(known.current.map((one) => [one.value, one.choices, one.error])) === JSON.stringify(resolved.map((one) => [one.value, one.choices, one.error]));
                if (!same) { known.current = resolved; setVariables(resolved); }
                setResolving(false);
                const values = (name: string): string => { const one = resolved.find((other) => other.name === name); return one && one.type !== 'constant' ? one.value.join('\u0001') : ''; };
                settled.current = `${dashboard.variables.map((one) => values(text(one.name))).join('\u0002')} ${timeKey} ${retry}`;
                const failed = resolved.some((one) => one.error !== undefined);
                // The address always tells the whole state.
                if (!failed) setQuery(Object.fromEntries(resolved.filter((one) => one.type !== 'constant').map((one) => [`var-${one.name}`, one.value])), true);
            })
            .catch((problem: unknown) => { if (!isAbort(problem)) setResolving(false); });
        return () => control.abort();
    }, [dashboard, said, timeKey, sources, retry]);
    // What the address names need not wait for the lists of choices: panels ask at once.
    const ready = !resolving || known.current.length > 0 || variables.every(isKnown);
    const onVariable = useCallback((name: string, value: string[]) => setQuery({ [`var-${name}`]: value }), []);

    /* moving in time */
    const setRange = useCallback((next: RawRange) => setQuery({ from: next.from, to: next.to, time: null, 'time.window': null }), []);
    const onZoom = useCallback((from: number, to: number) => setRange({ from: String(from), to: String(Math.max(to, from + 1000)) }), []);
    const rawNow = useRef(raw);
    rawNow.current = raw;
    const onZoomOut = useCallback(() => setRange(zoomOutRange(rawNow.current, zone)), [zone]);
    const refresh = useCallback(() => setTurn((now) => now + 1), []);
    useRefresh(interval, refresh);
    useEffect(() => {
        if (reachable.value && silentSources.value.size === 0) return undefined;
        const timer = setInterval(refresh, 5000);
        return () => clearInterval(timer);
    }, [reachable.value, silentSources.value.size === 0]);

    /* rows */
    const asked = useMemo(() => JSON.stringify(variables.map((one) => [one.name, one.value.includes(ALL) && one.allValue !== '' ? ALL : valuesOf(one)])), [variables]);
    const [toggled, setToggled] = useState<ReadonlyMap<string, boolean>>(new Map());
    const values = useCallback((name: string): string[] => { const one = variables.find((variable) => variable.name === name); return one ? valuesOf(one) : []; }, [variables]);
    const sections = useMemo(() => repeatSections(dashboard.sections, values).map((section) => ({ ...section, panels: placePanels(section.panels, values) })), [dashboard, asked]);
    const isOpen = (section: Section): boolean => section.row === null || (toggled.get(section.row.key) ?? !section.row.collapsed);
    const setAll = (open: boolean): void => setToggled(new Map(sections.flatMap((section) => (section.row ? [[section.row.key, open] as const] : []))));

    /* links */
    const linkWith = useCallback((url: string, scope: Scope, keepTime = false, includeVars = false): string => {
        const times = `from=${encodeURIComponent(rawNow.current.from)}&to=${encodeURIComponent(rawNow.current.to)}`;
        const vars = variables.flatMap((one) => one.value.map((value) => `var-${encodeURIComponent(one.name)}=${encodeURIComponent(value)}`)).join('&');
        const filled = fillIn(url, scope, 'link', (name) => (name === '__url_time_range' ? times : name === '__all_variables' ? vars : undefined));
        const extra = [keepTime ? times : '', includeVars ? vars : ''].filter(Boolean).join('&');
        return extra === '' ? filled : filled + (filled.includes('?') ? '&' : '?') + extra;
    }, [variables]);

    /* one panel alone */
    const viewing = search.get('viewPanel');
    const scrolled = useRef(0);
    const onView = useCallback((panel: Panel) => {
        if (query.peek().get('viewPanel') !== null) { setQuery({ viewPanel: null }); return; }
        scrolled.current = scrollY;
        setQuery({ viewPanel: String(panel.id) });
        scrollTo(0, 0);
    }, []);
    useEffect(() => { if (viewing === null && scrolled.current > 0) { scrollTo(0, scrolled.current); scrolled.current = 0; } }, [viewing]);
    const viewed = viewing === null ? undefined : sections.flatMap((section) => section.panels).find((panel) => panel.id === idOf(viewing));

    const onBusy = useCallback((key: string, now: boolean) => {
        if (now) busyKeys.current.add(key); else busyKeys.current.delete(key);
        setBusy(busyKeys.current.size > 0);
    }, []);
    const actions = useMemo<PanelActions>(() => ({ onZoom, onZoomOut, onView, linkWith, onBusy }), [onZoom, onZoomOut, onView, linkWith, onBusy]);
    const page = useMemo<PageState>(() => ({ dashboard, variables, asked, sources, range, zone, turn }), [dashboard, variables, asked, sources, range, zone, turn]);
    const scope = useMemo<Scope>(() => ({ variables, macros: rangeMacros(range), repeat: EMPTY_SCOPE }), [variables, range]);

    /* keyboard */
    const kiosk = search.has('kiosk') && search.get('kiosk') !== 'false';
    const current = useRef<Panel | null>(null);
    const onCurrent = useCallback((panel: Panel) => { current.current = panel; }, []);
    const bound = useRef<Record<string, () => void>>({});
    bound.current = {
        view: () => { const panel = viewed ?? current.current; if (panel) onView(panel); },
        inspect: () => { const panel = viewed ?? current.current; if (panel) panels.get(panel.key)?.inspect(); },
        escape: () => { if (viewing !== null) setQuery({ viewPanel: null }); else if (kiosk) setQuery({ kiosk: null }); },
        kiosk: () => setQuery({ kiosk: kiosk ? null : 'true' }),
        open: () => setAll(true), close: () => setAll(false),
        out: onZoomOut, in: () => setRange(zoomOutRange(raw, zone, 0.5)),
        back: () => setRange(shiftRange(raw, -0.5, zone)), on: () => setRange(shiftRange(raw, 0.5, zone)),
        absolute: () => setRange({ from: String(range.from), to: String(range.to) }),
        copyRange: () => void copyText(JSON.stringify(raw), 'Range copied'),
        pasteRange: () => void navigator.clipboard.readText().then((given) => { const read = JSON.parse(given) as RawRange; if (resolveRange(read)) setRange(read); }).catch(() => toast('The clipboard holds no range')),
        link: () => { const url = new URL(location.href); url.searchParams.set('from', String(range.from)); url.searchParams.set('to', String(range.to)); void copyText(url.href, 'Link with absolute times copied'); },
        refresh, home: () => go('/'), theme: toggleTheme,
    };
    useEffect(() => {
        const run = (name: string) => () => bound.current[name]!();
        return bindKeys([
            { keys: ['g h', 'g d', 'f', 'mod+k'], text: 'All dashboards', group: 'General', run: run('home') },
            { keys: 'c t', text: 'Change theme', group: 'General', run: run('theme') },
            { keys: 'p u', text: 'Copy link with absolute times', group: 'General', run: run('link') },
            { keys: 'd r', text: 'Refresh', group: 'Dashboard', run: run('refresh') },
            { keys: 'd k', text: 'Kiosk: hide the bars', group: 'Dashboard', run: run('kiosk') },
            { keys: 'd shift+e', text: 'Open all rows', group: 'Dashboard', run: run('open') },
            { keys: 'd shift+c', text: 'Close all rows', group: 'Dashboard', run: run('close') },
            { keys: ['t z', 'mod+z', 't -'], text: 'Zoom out', group: 'Time', run: run('out') },
            { keys: ['t +', 't ='], text: 'Zoom in', group: 'Time', run: run('in') },
            { keys: 't left', text: 'Earlier', group: 'Time', run: run('back') },
            { keys: 't right', text: 'Later', group: 'Time', run: run('on') },
            { keys: 't a', text: 'Make the range absolute', group: 'Time', run: run('absolute') },
            { keys: 't c', text: 'Copy the range', group: 'Time', run: run('copyRange') },
            { keys: 't v', text: 'Paste a range', group: 'Time', run: run('pasteRange') },
            { keys: 'v', text: 'View the panel under the pointer', group: 'Panel', run: run('view') },
            { keys: 'i', text: 'Its data and query', group: 'Panel', run: run('inspect') },
            { keys: 'esc', text: 'Back', group: 'Panel', run: run('escape') },
        ]);
    }, []);
    useEffect(() => { document.title = `${fillIn(dashboard.title, scope)} · Barograph`; }, [dashboard, scope]);

    const home = (event: MouseEvent): void => { if (!event.ctrlKey && !event.metaKey) { event.preventDefault(); go('/'); } };
    const choices = dashboard.refreshChoices && dashboard.refreshChoices.length > 0 ? dashboard.refreshChoices : undefined;
    return (
        <div class={kiosk ? 'board kiosk' : 'board'} data-testid="dashboard" data-uid={dashboard.uid} data-state={!ready ? 'loading' : busy ? 'refreshing' : 'ok'} data-from={range.from} data-to={range.to}>
            {!kiosk && (
                <TopBar onHome={home}>
                    <nav class="crumbs cut" aria-label="Path"><a class="crumb" href={own('/')} onClick={home}>Dashboards</a><span class="slash">/</span>
                        {viewed ? <><a class="crumb" href={location.pathname} onClick={(event) => { event.preventDefault(); setQuery({ viewPanel: null }); }}>{dashboard.title}</a><span class="slash">/</span><h1 class="cut">{fillIn(viewed.title, scope) || 'Panel'}</h1></>
                            : <h1 class="cut" data-testid="dashboard-title">{dashboard.title}</h1>}
                    </nav>
                    <span class="grow" />
                    <Links dashboard={dashboard} scope={scope} linkWith={linkWith} />
                    <button type="button" class="button plain icon" title="Copy link (p u)" aria-label="Copy link" data-testid="share" onClick={() => bound.current.link!()}><Icon name="share" /></button>
                    <RangePicker range={raw} zone={zone} onChange={setRange} />
                    <RefreshPicker interval={interval} choices={choices} busy={busy} onRefresh={refresh} onChange={(next) => setQuery({ refresh: next })} />
                </TopBar>
            )}
            {reachable.value && silentSources.value.size > 0 && <div class="banner" role="alert" data-testid="source-down">{[...silentSources.value].join(' and ')} {silentSources.value.size > 1 ? 'do' : 'does'} not answer. What you see may be old; trying again.</div>}
            {badRange && <div class="banner warn" role="alert">The address's time range cannot be read; this is the last hour.</div>}
            {!kiosk && <Variables variables={variables} onChange={onVariable} loading={resolving} />}
            <main class="sections">
                {viewing !== null && viewed && <div class="alone"><PanelBox key={`view-${viewed.key}`} panel={viewed} page={page} actions={actions} viewed onCurrent={onCurrent} /></div>}
                {viewing !== null && !viewed && ready && <div class="state tall"><strong>There is no such panel</strong><button type="button" class="button" onClick={() => setQuery({ viewPanel: null })}>Show the dashboard</button></div>}
                {viewing === null && ready && sections.map((section, index) => {
                    const open = isOpen(section);
                    return (
                        <div class="section" key={section.row?.key ?? `first-${index}`}>
                            {section.row && <RowHead title={fillIn(section.row.title, { ...scope, repeat: section.scope })} open={open} count={section.panels.length}
                                onToggle={() => setToggled(new Map([...toggled, [section.row!.key, !open]]))} />}
                            {open && (
                                <div class="grid">
                                    {section.panels.map((panel) => (
                                        <PanelBox key={panel.key} panel={panel} page={page} actions={actions} onCurrent={onCurrent}
                                            style={{ '--x': panel.grid.x, '--y': panel.grid.y, '--w': panel.grid.w, '--h': panel.grid.h }} />
                                    ))}
                                </div>
                            )}
                        </div>
                    );
                })}
                {sections.length === 0 && <div class="state tall"><strong>This dashboard has no panels</strong></div>}
            </main>
        </div>
    );
}

/** Loads a dashboard and shows it, or says why not. */
export function DashboardPage({ uid, onMissing }: { uid: string; onMissing: (uid: string) => void }) {
    const [loaded, setLoaded] = useState<Loaded | null>(null);
    const [failure, setFailure] = useState<string | null>(null);
    const [attempt, setAttempt] = useState(0);
    useEffect(() => {
        const control = new AbortController();
        let timer = 0;
        Promise.all([
            fetchJson<Loose>(`/api/dashboards/uid/${encodeURIComponent(uid)}`, { signal: control.signal }),
            fetchJson<Loose[]>('/api/datasources', { signal: control.signal }),
        ]).then(([answer, sources]) => {
            const dashboard = readDashboard(answer.dashboard as Loose);
            dashboard.uid ||= uid;
            const meta = (answer.meta ?? {}) as Loose;
            const slug = text(meta.slug) || dashboard.title.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '');
            const canonical = `/d/${encodeURIComponent(dashboard.uid)}/${encodeURIComponent(slug || dashboard.uid)}`;
            if (path.peek() !== canonical) go(canonical + print(query.peek()), true);
            setLoaded({ dashboard, sources: readSources(list(sources)), slug });
            setFailure(null);
        }).catch((problem: unknown) => {
            if (isAbort(problem)) return;
            if (problem instanceof ApiError && problem.status === 404) { onMissing(uid); return; }
            setFailure(errorText(problem));
            if (problem instanceof ApiError && problem.kind === 'unreachable') timer = window.setTimeout(() => setAttempt(attempt + 1), 5000);
        });
        return () => { control.abort(); clearTimeout(timer); };
    }, [uid, attempt]);
    if (failure !== null && !loaded) {
        return (
            <>
                <TopBar><span class="grow" /></TopBar>
                <main class="state tall" aria-live="assertive" data-testid="dashboard" data-state="error"><strong>The dashboard could not be loaded</strong>{failure}
                    <button type="button" class="button" onClick={() => setAttempt(attempt + 1)}>Try again</button></main>
            </>
        );
    }
    if (!loaded) return <><TopBar><span class="grow" /></TopBar><div class="progress fixed" data-testid="dashboard" data-state="loading" /></>;
    return <Board key={loaded.dashboard.uid} loaded={loaded} />;
}


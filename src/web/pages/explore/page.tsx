// page.tsx - finding log lines: a query, a range, pills, counts over time, the lines; all in the address.
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Icon } from '../../shared/icons';
import { bindKeys, copyText } from '../../shared/keys';
import { Menu, Popover, Select } from '../../shared/menu';
import { RangePicker, RefreshPicker, shiftRange, useRefresh, zoomOutRange } from '../../shared/range-picker';
import { toggleTheme } from '../../shared/theme';
import { describeAge, formatTime, MINUTE, printDuration, resolveRange, type RawRange } from '../../shared/time';
import { TopBar } from '../../shared/topbar';
import { changed, print, query, setQuery } from '../../shared/url';
import { Detail } from './detail';
import { asPhrase, printFilter, readFilters, readLanguage, withFilter, type Filter, type Language } from './filters';
import { barsFor, Histogram, levelName, printCount } from './histogram';
import { levelOf, LEVELS, markPattern, messageOf, type Level, type Line } from './lines';
import { LineList, type ListHandle } from './list';
import { LINES_MAX, Search } from './search';
import { Sidebar } from './sidebar';
import { levelFieldOf, readIndices } from './store';

const TAIL_MS = 1000;
const COUNTS_EVERY = 4; // counts are read anew at every fourth look for new lines
const FIRST_RANGE: RawRange = { from: 'now-1h', to: 'now' };

const remembered = (key: string): string | null => {
    try { return localStorage.getItem(`barograph.explore.${key}`); } catch { return null; }
};
const remember = (key: string, value: string): void => {
    try { localStorage.setItem(`barograph.explore.${key}`, value); } catch { /* storage may be denied */ }
};

function Pills({ filters, onChange }: { filters: Filter[]; onChange: (filters: Filter[]) => void }) {
    if (filters.length === 0) return null;
    const put = (index: number, filter: Filter | null): void => onChange(filters.flatMap((one, at) => (at !== index ? [one] : filter ? [filter] : [])));
    return (
        <div class="pills" data-testid="filters" aria-label="Filters" role="group">
            {filters.map((filter, index) => {
                const { field, value, not, off } = filter;
                return (
                    <span class={`pill${not ? ' not' : ''}${off ? ' off' : ''}`} key={printFilter(filter)} data-testid="filter" data-field={field} data-value={value} data-not={not} data-off={off}>
                        <button type="button" class="pill-text" title={off ? 'Switch on' : 'Switch off'} aria-pressed={!off} data-testid="filter-toggle" onClick={() => put(index, { ...filter, off: !off })}>
                            {not && <b>not </b>}<span class="cut">{field}{value === undefined ? ' is there' : <>: <span class="pill-value">{value === '' ? '(empty)' : value}</span></>}</span>
                        </button>
                        <button type="button" title="Turn into its contrary" aria-label={`Invert the filter on ${field}`} data-testid="filter-invert" onClick={() => put(index, { ...filter, not: !not })}><Icon name={not ? 'plus' : 'minus'} size={12} /></button>
                        <button type="button" title="Take away" aria-label={`Take the filter on ${field} away`} data-testid="filter-remove" onClick={() => put(index, null)}><Icon name="close" size={12} /></button>
                    </span>
                );
            })}
            {filters.length > 1 && <button type="button" class="button plain small" data-testid="filters-clear" onClick={() => onChange([])}>Clear all</button>}
        </div>
    );
}

const LANGUAGES: Record<Language, { name: string; example: string; placeholder: string }> = {
    kql: { name: 'KQL', example: 'level:error and not host:web*', placeholder: 'Words, "phrases", field:value, field >= 5, and, or, not, wild*' },
    lucene: { name: 'Lucene', example: 'level:error AND NOT host:web*', placeholder: 'Words, "phrases", field:value, AND, OR, NOT, wild*' },
};

/** Which language the query is written in. */
function LanguageMenu({ language, onChoose }: { language: Language; onChoose: (language: Language) => void }) {
    return (
        <Popover right testid="language" haspopup="menu" title="Language of the query" buttonClass="button language-button" label={<>{LANGUAGES[language].name}<Icon name="down" size={14} /></>}>
            {(close) => <Menu close={close} items={(['kql', 'lucene'] as const).map((one) => ({
                text: LANGUAGES[one].name, hint: LANGUAGES[one].example, checked: one === language, testid: `language-${one}`, run: () => onChoose(one),
            }))} />}
        </Popover>
    );
}

interface QueryBoxProps {
    text: string;
    language: Language;
    busy: boolean;
    problem: string;
    onRun: (text: string) => void;
    onLanguage: (language: Language) => void;
    input: preact.RefObject<HTMLInputElement | null>;
}

function QueryBox({ text, language, busy, problem, onRun, onLanguage, input }: QueryBoxProps) {
    const [draft, setDraft] = useState(text);
    useEffect(() => setDraft(text), [text]);
    const phrase = asPhrase(text);
    const run = (event: Event): void => {
        event.preventDefault();
        onRun(draft);
    };
    return (
        <form class="query-row" role="search" onSubmit={run}>
            <div class={problem === '' ? 'query-box' : 'query-box bad'}>
                <div class="query-input">
                    <Icon name="search" />
                    <input class="input" ref={input} type="text" aria-label={`Query in ${LANGUAGES[language].name}`} placeholder={LANGUAGES[language].placeholder} data-testid="query" data-language={language} value={draft} spellcheck={false}
                        autocomplete="off" autocapitalize="off" maxLength={8000} aria-invalid={problem !== ''} aria-describedby={problem === '' ? undefined : 'query-problem'}
                        onInput={(event) => setDraft(event.currentTarget.value)}
                        onKeyDown={(event) => { if (event.key === 'Escape') event.currentTarget.blur(); }} />
                    {draft !== '' && <button type="button" class="query-clear" title="Clear" aria-label="Clear the query" onClick={() => { setDraft(''); onRun(''); input.current?.focus(); }}><Icon name="close" size={14} /></button>}
                </div>
                <LanguageMenu language={language} onChoose={onLanguage} />
                <button type="submit" class="button primary" data-testid="run" aria-busy={busy}>Search</button>
            </div>
            {problem !== '' && <p class="query-problem" id="query-problem" role="alert" data-testid="query-error">{problem}</p>}
            {problem !== '' && phrase !== null && <button type="button" class="link query-phrase" data-testid="as-phrase" onClick={() => { setDraft(phrase); onRun(phrase); }}>Search for it as a phrase</button>}
        </form>
    );
}

function IndexSelect({ index, onChoose }: { index: string; onChoose: (index: string) => void }) {
    const [names, setNames] = useState<string[]>([]);
    useEffect(() => {
        const control = new AbortController();
        readIndices(control.signal).then(setNames).catch(() => { /* then there is only one choice */ });
        return () => control.abort();
    }, []);
    if (names.length < 2 && index === '') return null;
    const all = [{ text: 'All indices', value: '' }, ...[...new Set([...names, ...(index === '' ? [] : [index])])].map((name) => ({ text: name, value: name }))];
    return <Select label="Indices" testid="index" choices={all} chosen={[index]} onChoose={([one]) => onChoose(one ?? '')} />;
}

/** What the empty list says, and ways out of it. */
function Empty({ search, filters, text, onWiden, onJump, onClear }: { search: Search; filters: Filter[]; text: string; onWiden: () => void; onJump: (line: Line) => void; onClear: () => void }) {
    const newest = search.newest.value;
    const narrow = text !== '' || filters.some((filter) => !filter.off);
    return (
        <div class="state tall" data-testid="empty">
            <strong>{newest !== null || narrow ? 'No lines match' : 'No lines yet'}</strong>
            {newest
                ? <span>The newest that does is of {formatTime(newest.at)}, {describeAge(Date.now() - newest.at)}.</span>
                : newest === null && <span>{narrow ? 'There is none at any other time, either.' : 'Lines appear here as soon as something sends them to the log store.'}</span>}
            <div class="actions">
                {newest && <button type="button" class="button primary" data-testid="jump-newest" onClick={() => onJump(newest)}>Go there</button>}
                {newest && <button type="button" class="button" data-testid="widen" onClick={onWiden}>Widen the range</button>}
                {narrow && <button type="button" class="button" data-testid="clear-query" onClick={onClear}>Clear query and filters</button>}
            </div>
        </div>
    );
}

function LevelLegend({ search, onLevel }: { search: Search; onLevel: (word: string) => void }) {
    const counts = search.counts.value;
    if (!counts) return null;
    const sums = new Map<Level, number>();
    for (const bar of counts.bars) for (const [level, count] of bar.levels) sums.set(level, (sums.get(level) ?? 0) + count);
    return (
        <div class="level-legend">
            {LEVELS.filter((level) => sums.has(level)).map((level) => {
                const word = counts.words.get(level);
                return (
                    <button type="button" key={level} disabled={level === '' || word === undefined} title={level === '' ? undefined : `Only ${level}`} data-testid="level" data-level={levelName(level)}
                        data-count={sums.get(level)} onClick={() => word !== undefined && onLevel(word)}>
                        <span class={`dot level-${levelName(level)}`} />{levelName(level)} <span class="dimmer">{printCount(sums.get(level)!)}</span>
                    </button>
                );
            })}
        </div>
    );
}

function useKeys(handle: preact.RefObject<ListHandle | null>, input: preact.RefObject<HTMLInputElement | null>, acts: Record<'refresh' | 'live' | 'wrap' | 'fields' | 'back' | 'forward' | 'out' | 'link' | 'line', () => void>): void {
    const live = useRef(acts);
    live.current = acts;
    useEffect(() => {
        const is = (...levels: Level[]) => (line: Line): boolean => levels.includes(levelOf(line));
        const act = (name: keyof typeof acts) => () => live.current[name]();
        const find = (step: 1 | -1, ...levels: Level[]) => () => { handle.current?.find(is(...levels), step); };
        const group = 'Lines';
        return bindKeys([
            { keys: ['/'], text: 'Go to the query', group: 'Search', run: () => { input.current?.focus(); input.current?.select(); } },
            { keys: ['r', 'd r'], text: 'Search again', group: 'Search', run: act('refresh') },
            { keys: ['shift+l'], text: 'Follow new lines', group: 'Search', run: act('live') },
            { keys: ['['], text: 'Fields', group: 'Search', run: act('fields') },
            { keys: ['j', 'down'], text: 'Next line', group, run: () => handle.current?.move(1) },
            { keys: ['k', 'up'], text: 'Previous line', group, run: () => handle.current?.move(-1) },
            { keys: ['enter', 'o'], text: 'Open or close the line', group, run: () => handle.current?.toggle() },
            { keys: ['e'], text: 'Next error', group, run: find(1, 'error', 'fatal') },
            { keys: ['shift+e'], text: 'Previous error', group, run: find(-1, 'error', 'fatal') },
            { keys: ['w'], text: 'Next warning', group, run: find(1, 'warn') },
            { keys: ['shift+w'], text: 'Previous warning', group, run: find(-1, 'warn') },
            { keys: ['g'], text: 'First line', group, run: () => handle.current?.edge(false) },
            { keys: ['shift+g'], text: 'Last line', group, run: () => handle.current?.edge(true) },
            { keys: ['y'], text: 'Copy the line', group, run: act('line') },
            { keys: ['z'], text: 'Wrap long lines', group, run: act('wrap') },
            { keys: ['shift+y'], text: 'Copy a link', group: 'Search', run: act('link') },
            { keys: ['t left', ','], text: 'Earlier', group: 'Time', run: act('back') },
            { keys: ['t right', '.'], text: 'Later', group: 'Time', run: act('forward') },
            { keys: ['t z', 'ctrl+z'], text: 'Zoom out', group: 'Time', run: act('out') },
            { keys: ['c t'], text: 'Change theme', group: 'General', run: toggleTheme },
        ]);
    }, []);
}

export function ExplorePage() {
    const address = query.value;
    const raw: RawRange = { from: address.get('from') ?? FIRST_RANGE.from, to: address.get('to') ?? FIRST_RANGE.to };
    const text = address.get('q') ?? '';
    const language = readLanguage(address.get('lang'), text === '' ? readLanguage(remembered('language'), 'lucene') : 'lucene');
    const index = address.get('index') ?? '';
    const filterTexts = address.getAll('f');
    const filters = useMemo(() => readFilters(filterTexts), [filterTexts.join('\u0000')]);
    const columns = (address.get('cols') ?? '').split(',').filter(Boolean);
    const live = address.get('live') === '1';
    const refresh = live ? '' : address.get('refresh') ?? '';

    const search = useMemo(() => new Search(), []);
    const handle = useRef<ListHandle>(null);
    const input = useRef<HTMLInputElement>(null);
    const histogram = useRef<HTMLDivElement>(null);
    const [wrap, setWrap] = useState(remembered('wrap') === '1' || innerWidth <= 640);
    const [sidebar, setSidebar] = useState((remembered('fields') ?? (innerWidth > 900 ? '1' : '0')) === '1');
    const [turn, setTurn] = useState(0);

    const range = resolveRange(raw);
    const turnKey = [text, language, index, filterTexts.join('\u0000'), raw.from, raw.to, turn].join('\u0001');
    const run = useCallback(async (): Promise<void> => {
        const now = resolveRange(raw);
        if (now) await search.run({ index, text, language, filters, range: now, bars: barsFor(histogram.current?.clientWidth ?? 800) });
    }, [turnKey]);
    useEffect(() => { void run(); }, [run]);
    useEffect(() => { document.title = text === '' ? 'Explore · Barograph' : `${text.slice(0, 60)} · Explore`; }, [text]);
    useRefresh(refresh, run);

    // Following: short looks for new lines, one at a time, with longer pauses while the store is away.
    useEffect(() => {
        if (!live) return undefined;
        let stopped = false;
        let timer = 0;
        let turns = 0;
        const look = async (): Promise<void> => {
            const now = resolveRange(raw);
            let fine = true;
            if (!document.hidden && now) fine = await search.tail(now, turns++ % COUNTS_EVERY === 0);
            if (!stopped) timer = window.setTimeout(() => void look(), fine ? TAIL_MS : 4 * TAIL_MS);
        };
        timer = window.setTimeout(() => void look(), TAIL_MS);
        return () => { stopped = true; clearTimeout(timer); };
    }, [live, turnKey]);
    // An error heals by itself: the question is put again every few seconds.
    useEffect(() => {
        if (live || search.state.value !== 'error' || search.syntax.value !== '') return undefined;
        const timer = setTimeout(() => { if (!document.hidden) void run(); }, 5000);
        return () => clearTimeout(timer);
    }, [search.state.value, live, run]);

    const setRange = (next: RawRange): void => setQuery({ from: next.from, to: next.to, ...(next.to.startsWith('now') ? {} : { live: null }) });
    const setFilters = useCallback((next: Filter[]): void => setQuery({ f: next.map(printFilter) }), []);
    const addFilter = useCallback((filter: Filter): void => setQuery({ f: withFilter(readFilters(query.peek().getAll('f')), filter).map(printFilter) }), []);
    const setColumns = (next: string[]): void => setQuery({ cols: next.length === 0 ? null : next.join(',') });
    const toggleColumn = (name: string): void => setColumns(columns.includes(name) ? columns.filter((one) => one !== name) : [...columns, name]);
    const moveColumn = (name: string, by: -1 | 1): void => {
        const next = columns.filter((one) => one !== name);
        next.splice(Math.max(0, columns.indexOf(name) + by), 0, name);
        setColumns(next);
    };
    const toggleLive = (): void => setQuery(live ? { live: null } : { live: '1', refresh: null, ...(raw.to.startsWith('now') ? {} : { from: 'now-15m', to: 'now' }) });
    const setLanguage = (next: Language): void => { remember('language', next); setQuery({ lang: next }); input.current?.focus(); };
    const toggleWrap = (): void => { remember('wrap', wrap ? '0' : '1'); setWrap(!wrap); };
    const toggleSidebar = (): void => { remember('fields', sidebar ? '0' : '1'); setSidebar(!sidebar); };
    const zoomOut = (): void => setRange(zoomOutRange(raw));
    /** The view as it is, with its range as instants: a link shows the same later. */
    const linkOf = (changes: Record<string, string | string[] | null>): string => {
        const now = resolveRange(raw);
        return `${location.origin}${location.pathname}${print(changed({ live: null, refresh: null, ...(now ? { from: String(now.from), to: String(now.to) } : {}), ...changes }))}`;
    };
    const lineLink = (line: Line): string => linkOf({ from: String(line.at - 5 * MINUTE), to: String(line.at + 5 * MINUTE), q: `_id:"${line.id}"`, lang: null, f: null });
    const copyLine = (): void => { const line = handle.current?.current(); if (line) void copyText(messageOf(line) || JSON.stringify(line.source), 'Line copied'); };
    useKeys(handle, input, {
        refresh: () => setTurn((count) => count + 1), live: toggleLive, wrap: toggleWrap, fields: toggleSidebar, line: copyLine,
        back: () => setRange(shiftRange(raw, -0.5)), forward: () => setRange(shiftRange(raw, 0.5)), out: zoomOut, link: () => void copyText(linkOf({}), 'Link copied'),
    });

    const state = range ? search.state.value : 'error';
    const lines = search.lines.value;
    const counts = search.counts.value;
    const busy = state === 'loading' || state === 'refreshing';
    const problem = range ? search.problem.value : 'The range in the address cannot be read.';
    const pattern = useMemo(() => markPattern(text, language === 'kql'), [text, language]);
    const levelField = levelFieldOf(search.fields.value) ?? 'log.level';
    const end = search.loadingMore.value ? 'Reading older lines…' : lines.length >= LINES_MAX ? `The newest ${printCount(LINES_MAX)} lines are shown; narrow the range to see older ones.`
        : search.more.value ? '' : lines.length > 0 ? 'No older lines in this range.' : '';

    return (
        <div class="explore" data-testid="explore" data-state={state} data-from={range?.from} data-to={range?.to} data-live={live}>
            <TopBar>
                <h1>Explore</h1>
                <IndexSelect index={index} onChoose={(one) => setQuery({ index: one || null })} />
                <span class="grow" />
                <button type="button" class={live ? 'button live on' : 'button live'} aria-pressed={live} title="Follow new lines (L)" data-testid="live" onClick={toggleLive}>
                    <Icon name={live ? 'pause' : 'play'} size={13} />Live</button>
                <RangePicker range={raw} onChange={setRange} />
                <RefreshPicker interval={refresh} busy={state === 'refreshing'} onChange={(interval) => setQuery({ refresh: interval || null, live: null })} onRefresh={() => setTurn((count) => count + 1)} />
                <button type="button" class="button plain icon" title="Copy a link" aria-label="Copy a link" data-testid="share" onClick={() => void copyText(linkOf({}), 'Link copied')}><Icon name="share" /></button>
            </TopBar>
            {busy && <div class="progress fixed" />}
            {problem !== '' && lines.length > 0 && <div class="banner" role="alert" data-testid="store-down">{problem} What you see may be old; trying again.</div>}
            {search.lack.value !== '' && <div class="banner warn" role="status" data-testid="partial">{search.lack.value}</div>}
            {search.missed.value && <div class="banner warn" role="status" data-testid="missed">More lines came in than could be followed; <button type="button" class="link" onClick={() => setTurn((count) => count + 1)}>search again</button> to see them all.</div>}
            <QueryBox text={text} language={language} busy={busy} problem={search.syntax.value} input={input} onLanguage={setLanguage}
                onRun={(next) => { if (next === text) setTurn((count) => count + 1); else setQuery({ q: next || null, lang: next === '' ? address.get('lang') : language }); }} />
            <Pills filters={filters} onChange={setFilters} />
            <div class={sidebar ? 'explore-body' : 'explore-body no-sidebar'}>
                {sidebar && <Sidebar fields={search.fields.value} columns={columns} lines={lines} addFilter={addFilter} toggleColumn={toggleColumn} turn={turnKey}
                    readTop={(field, abort) => search.top(field, abort)} />}
                <main class="results">
                    <section class="counts" aria-label="Lines over time" ref={histogram}>
                        <div class="counts-head">
                            <button type="button" class="button plain icon small" title={sidebar ? 'Hide fields ([)' : 'Show fields ([)'} aria-label="Fields" aria-pressed={sidebar} data-testid="toggle-fields" onClick={toggleSidebar}><Icon name="dashboard" size={14} /></button>
                            <span class="hits" role="status" data-testid="hits" data-count={counts?.total}>
                                {counts ? <><b>{counts.exact ? '' : 'at least '}{printCount(counts.total)}</b> {counts.total === 1 ? 'line' : 'lines'}</> : state === 'error' ? '' : 'Counting…'}
                            </span>
                            {counts && <span class="dimmer step-note">a bar each {printDuration(counts.step)}</span>}
                            <span class="grow" />
                            <LevelLegend search={search} onLevel={(word) => addFilter({ field: levelField.replace(/\.keyword$/, ''), value: word, not: false, off: false })} />
                            <button type="button" class="button plain small" aria-pressed={wrap} title="Wrap long lines (z)" data-testid="wrap" onClick={toggleWrap}>Wrap</button>
                        </div>
                        {counts ? <Histogram counts={counts} onZoom={(from, to) => setRange({ from: String(from), to: String(to) })} onZoomOut={zoomOut} /> : <div class="histogram" />}
                    </section>
                    {lines.length > 0
                        ? <LineList handle={handle} lines={lines} columns={columns} pattern={pattern} wrap={wrap} greyed={state === 'error'} more={search.more.value} loadingMore={search.loadingMore.value}
                            onMore={() => void search.readOn()} onMoveColumn={moveColumn} onRemoveColumn={toggleColumn} end={end}
                            renderDetail={(line) => <Detail line={line} columns={columns} link={lineLink(line)} addFilter={addFilter} toggleColumn={toggleColumn} readAround={(one, abort) => search.around(one, abort)} />} />
                        : state === 'error' && search.syntax.value === ''
                            ? <div class="state tall" data-testid="error" role="alert"><strong>The lines cannot be read</strong><span class="message">{problem}</span>
                                <div class="actions"><button type="button" class="button" data-testid="retry" onClick={() => setTurn((count) => count + 1)}>Try again</button></div></div>
                            : state === 'empty' || state === 'partial'
                                ? <Empty search={search} filters={filters} text={text} onWiden={() => setRange(zoomOutRange(raw, 'browser', 4))}
                                    onJump={(line) => setRange({ from: String(line.at - 15 * MINUTE), to: String(line.at + 1000) })} onClear={() => setQuery({ q: null, f: null })} />
                                : <div class="state tall" data-testid={state === 'error' ? 'bad-query' : 'loading'}>{state === 'error' ? <><strong>The query cannot be read</strong><span>What is wrong with it stands below the box.</span></> : 'Searching…'}</div>}
                </main>
            </div>
        </div>
    );
}

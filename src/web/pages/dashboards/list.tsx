// list.tsx - the start page: all dashboards, filtered as one types.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { errorText, fetchJson, isAbort } from '../../shared/api';
import { Icon } from '../../shared/icons';
import { bindKeys } from '../../shared/keys';
import { TopBar } from '../../shared/topbar';
import { go, own } from '../../shared/url';
import { text, type Loose } from './model';

export interface Found { uid: string; title: string; url: string; tags: string[]; folder: string }

/** Search hits of type dashboard, as the server lists them. */
export function readFound(raw: Loose[]): Found[] {
    return raw.filter((one) => one.type !== 'dash-folder' && text(one.uid) !== '').map((one) => ({
        uid: text(one.uid), title: text(one.title, 'Untitled'), folder: text(one.folderTitle) || 'General',
        tags: Array.isArray(one.tags) ? one.tags.map((tag: unknown) => text(tag)) : [],
        url: text(one.url).startsWith('/d/') ? text(one.url) : `/d/${encodeURIComponent(text(one.uid))}`,
    }));
}

const matches = (one: Found, words: string[]): boolean => {
    const said = `${one.title} ${one.folder} ${one.tags.join(' ')}`.toLowerCase();
    return words.every((word) => said.includes(word));
};

export function DashboardList({ missing }: { missing?: string }) {
    const [all, setAll] = useState<Found[] | null>(null);
    const [failure, setFailure] = useState<string | null>(null);
    const [needle, setNeedle] = useState('');
    const [at, setAt] = useState(0);
    const input = useRef<HTMLInputElement>(null);
    useEffect(() => {
        const control = new AbortController();
        document.title = 'Dashboards · Barograph';
        const load = (): void => {
            fetchJson<Loose[]>('/api/search?type=dash-db', { signal: control.signal })
                .then((raw) => { setAll(readFound(raw)); setFailure(null); })
                .catch((problem: unknown) => {
                    if (isAbort(problem)) return;
                    setFailure(errorText(problem));
                    timer = window.setTimeout(load, 5000);
                });
        };
        let timer = 0;
        load();
        const unbind = bindKeys([{ keys: ['/', 'f', 'mod+k'], text: 'Search', group: 'General', run: () => input.current?.focus() }]);
        input.current?.focus();
        return () => { control.abort(); clearTimeout(timer); unbind(); };
    }, []);
    const found = useMemo(() => {
        const words = needle.toLowerCase().split(/\s+/).filter(Boolean);
        return (all ?? []).filter((one) => matches(one, words)).sort((a, b) => a.folder.localeCompare(b.folder) || a.title.localeCompare(b.title));
    }, [all, needle]);
    const folders = [...new Set(found.map((one) => one.folder))];
    const open = (event: Event, one: Found): void => {
        if (event instanceof MouseEvent && (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0)) return;
        event.preventDefault();
        go(one.url);
    };
    const onKeyDown = (event: KeyboardEvent): void => {
        const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
        if (step !== 0 && found.length > 0) { event.preventDefault(); setAt((at + step + found.length) % found.length); }
        else if (event.key === 'Enter' && found[at]) open(event, found[at]);
    };
    return (
        <>
            <TopBar><h1>Dashboards</h1><span class="grow" /></TopBar>
            <main class="catalogue" data-testid="dashboard-list" data-state={failure ? 'error' : all === null ? 'loading' : found.length === 0 ? 'empty' : 'ok'}>
                {missing !== undefined && <div class="missing" role="alert" data-testid="not-found"><h2>There is no such dashboard</h2><p>The address names “{missing}”. It may have been renamed or removed; these exist.</p></div>}
                <div class="catalogue-search"><Icon name="search" />
                    <input ref={input} class="input" type="search" placeholder="Search dashboards" aria-label="Search dashboards" value={needle} data-testid="dashboard-search"
                        onInput={(event) => { setNeedle(event.currentTarget.value); setAt(0); }} onKeyDown={onKeyDown} />
                </div>
                {failure && <div class="state tall" role="alert"><strong>The dashboards could not be listed</strong>{failure}</div>}
                {!failure && all !== null && found.length === 0 && (
                    <div class="state tall">{all.length === 0 ? <><strong>No dashboards yet</strong>Put JSON files where grafana/provisioning points to; they appear here.</> : <><strong>Nothing matches</strong>Try fewer letters.</>}</div>
                )}
                {folders.map((folder) => (
                    <section key={folder} class="folder">
                        {(folders.length > 1 || folder !== 'General') && <h2>{folder}</h2>}
                        <ul>
                            {found.filter((one) => one.folder === folder).map((one) => (
                                <li key={one.uid}>
                                    <a href={own(one.url)} class="found" data-testid="dashboard-link" data-uid={one.uid} data-current={found[at] === one} onClick={(event) => open(event, one)}>
                                        <Icon name="dashboard" /><span class="cut grow">{one.title}</span>
                                        <span class="tags">{one.tags.slice(0, 4).map((tag) => <span class="tag" key={tag}>{tag}</span>)}</span>
                                    </a>
                                </li>
                            ))}
                        </ul>
                    </section>
                ))}
            </main>
        </>
    );
}

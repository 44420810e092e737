// main.tsx - the metrics role's page: expressions, their tables and graphs.
import '../../shared/base.css';
import './query.css';
import { render } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { Icon } from '../../shared/icons';
import { bindKeys, copyText } from '../../shared/keys';
import { RefreshPicker } from '../../shared/range-picker';
import { toggleTheme } from '../../shared/theme';
import { TopBar } from '../../shared/topbar';
import { query, setQuery } from '../../shared/url';
import { QueryPanel } from './panel';
import { newPanel, readPanels, writePanels, type PanelState } from './state';

function QueryPage() {
    const address = query.value;
    const panels = useMemo(() => readPanels(address), [address.toString()]);
    const refresh = address.get('refresh') ?? '';
    const [turn, setTurn] = useState(0);
    const change = (index: number, changes: Partial<PanelState>): void => writePanels(panels.map((panel, at) => (at === index ? { ...panel, ...changes } : panel)));
    useEffect(() => {
        document.title = `${panels[0]!.expr.slice(0, 60) || 'Query'} · Barograph`;
    }, [panels]);
    useEffect(() => bindKeys([
        { keys: ['/'], text: 'Go to the expression', group: 'Query', run: () => document.querySelector<HTMLTextAreaElement>('.editor-area')?.focus() },
        { keys: ['r', 'd r'], text: 'Run all again', group: 'Query', run: () => setTurn((count) => count + 1) },
        { keys: ['p u', 'shift+y'], text: 'Copy a link', group: 'Query', run: () => void copyText(location.href, 'Link copied') },
        { keys: ['c t'], text: 'Change theme', group: 'General', run: toggleTheme },
    ]), []);
    return (
        <div data-testid="query-page">
            <TopBar home="/query">
                <h1>Query</h1>
                <span class="grow" />
                <RefreshPicker interval={refresh} onChange={(interval) => setQuery({ refresh: interval || null })} onRefresh={() => setTurn((count) => count + 1)} />
                <button type="button" class="button plain icon" title="Copy a link" aria-label="Copy a link" data-testid="share" onClick={() => void copyText(location.href, 'Link copied')}><Icon name="share" /></button>
            </TopBar>
            <main class="query-panels">
                {panels.map((panel, index) => (
                    <QueryPanel key={index} panel={panel} index={index} lone={panels.length === 1} refresh={refresh} turn={turn} onChange={(changes) => change(index, changes)}
                        onRemove={() => writePanels(panels.filter((_one, at) => at !== index))} />
                ))}
                <button type="button" class="button" data-testid="add-panel" onClick={() => writePanels([...panels, newPanel()])}><Icon name="plus" size={14} />Add a query</button>
            </main>
        </div>
    );
}

render(<QueryPage />, document.getElementById('app')!);

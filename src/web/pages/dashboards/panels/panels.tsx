// panels.tsx - which panel type is drawn by what.
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Range, Zone } from '../../../shared/time';
import type { Frame } from '../frames';
import type { Panel } from '../model';
import type { fillIn } from '../vars';
import { BarGauge, Gauge, Pie, Stat } from './single';
import { asTable, DataTable, Table } from './table';
import { Logs } from './logs';
import { Timeline } from './timeline';
import { Timeseries } from './timeseries';

export interface RenderProps {
    panel: Panel;
    frames: Frame[];
    range: Range;
    zone: Zone;
    width: number;
    height: number;
    onZoom: (from: number, to: number) => void;
    onZoomOut: () => void;
    sync?: string;
    sharedTooltip?: boolean;
    fillText: (text: string, format?: Parameters<typeof fillIn>[2], extra?: Parameters<typeof fillIn>[3]) => string;
}

/** Rare panels: what they need is fetched when one is shown. */
function lazy(load: () => Promise<{ default: ComponentType<RenderProps> }>): ComponentType<RenderProps> {
    return function Lazy(props: RenderProps) {
        const [Loaded, setLoaded] = useState<ComponentType<RenderProps> | null>(null);
        useEffect(() => { void load().then((module) => setLoaded(() => module.default)); }, []);
        return Loaded ? <Loaded {...props} /> : null;
    };
}

/** Types that have no picture of their own: their data as a table, and a word about it. */
export function Unsupported(props: RenderProps) {
    return (
        <div class="unsupported">
            <div class="note">Panels of type {props.panel.type} are not supported; this is a table of the data.</div>
            <DataTable frame={asTable(props.frames)} panel={{ ...props.panel, options: {} }} zone={props.zone} height={props.height - 24} fillText={props.fillText} />
        </div>
    );
}

const RENDERERS: Record<string, ComponentType<RenderProps>> = {
    timeseries: Timeseries, stat: Stat, gauge: Gauge, bargauge: BarGauge, piechart: Pie, table: Table, text: lazy(() => import('./text')), logs: Logs,
    heatmap: lazy(() => import('./heatmap')),
    'state-timeline': Timeline, 'status-history': Timeline,
};

export const isSupported = (type: string): boolean => Object.hasOwn(RENDERERS, type);
export const rendererOf = (type: string): ComponentType<RenderProps> => (isSupported(type) ? RENDERERS[type]! : Unsupported);

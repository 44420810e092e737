// layout.ts - where panels stand: repeats made, gaps closed upwards, nothing on top of another.
import type { Panel, Section } from './model';

export type ValuesOf = (variable: string) => string[];

const REPEATS_MAX = 100;

/** A section for every value of the variable its row repeats by. */
export function repeatSections(sections: Section[], valuesOf: ValuesOf): Section[] {
    return sections.flatMap((section) => {
        const { row } = section;
        if (row === null || row.repeat === '') return [section];
        const values = valuesOf(row.repeat).slice(0, REPEATS_MAX);
        if (values.length === 0) return [section];
        return values.map((value, index) => {
            const scope = new Map([[row.repeat, value]]);
            const key = index === 0 ? row.key : `${row.key}-${value}`;
            return {
                row: { ...row, key }, scope,
                panels: section.panels.map((panel) => ({ ...panel, scope, key: index === 0 ? panel.key : `${panel.key}-${value}` })),
            };
        });
    });
}

function repeatPanel(panel: Panel, values: string[]): { made: Panel[]; grown: number } {
    const { grid } = panel;
    const across = panel.repeatDirection === 'v' ? 1 : Math.max(1, Math.min(values.length, panel.maxPerRow));
    const w = panel.repeatDirection === 'v' ? grid.w : Math.max(1, Math.floor(24 / across));
    const made = values.map((value, index) => ({
        ...panel,
        key: index === 0 ? panel.key : `${panel.key}-${value}`,
        scope: new Map([...panel.scope, [panel.repeat, value]]),
        grid: {
            x: panel.repeatDirection === 'v' ? grid.x : (index % across) * w,
            y: grid.y + Math.floor(index / across) * grid.h, w, h: grid.h,
        },
    }));
    return { made, grown: (Math.ceil(values.length / across) - 1) * grid.h };
}

const meet = (a: Panel['grid'], b: Panel['grid']): boolean =>
    a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;

/** Panels of one section with their repeats, at places relative to the section's top. */
export function placePanels(panels: Panel[], valuesOf: ValuesOf): Panel[] {
    let added = 0;
    const all: Panel[] = [];
    for (const panel of [...panels].sort((a, b) => a.grid.y - b.grid.y || a.grid.x - b.grid.x)) {
        const shifted = { ...panel, grid: { ...panel.grid, y: panel.grid.y + added } };
        const values = panel.repeat === '' || panel.scope.has(panel.repeat) ? [] : valuesOf(panel.repeat).slice(0, REPEATS_MAX);
        if (values.length === 0) {
            all.push(shifted);
            continue;
        }
        const { made, grown } = repeatPanel(shifted, values);
        all.push(...made);
        added += grown;
    }
    const placed: Panel[] = [];
    for (const panel of all) {
        let y = 0;
        // As high as it goes without passing through a panel above it.
        for (const other of placed) {
            const sameColumns = panel.grid.x < other.grid.x + other.grid.w && other.grid.x < panel.grid.x + panel.grid.w;
            if (sameColumns) y = Math.max(y, other.grid.y + other.grid.h);
        }
        const grid = { ...panel.grid, y };
        while (placed.some((other) => meet(grid, other.grid))) grid.y++;
        placed.push({ ...panel, grid });
    }
    return placed;
}

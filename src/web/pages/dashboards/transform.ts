// transform.ts - the transformations between query and picture.
import { field, reduce, rowsOf, type Cell, type Field, type Frame } from './frames';
import { list, number, object, text, CALC_TITLES, type Loose } from './model';
import { fillIn, type Scope } from './vars';

const nameOf = (one: Field): string => one.legend ?? one.name;

function regexOf(pattern: string): RegExp | null {
    const parts = /^\/(.*)\/([a-z]*)$/s.exec(pattern);
    try {
        return new RegExp(parts ? parts[1]! : pattern, parts ? parts[2] : '');
    } catch {
        return null;
    }
}

function organize(frames: Frame[], options: Loose): Frame[] {
    const excluded = object(options.excludeByName);
    const included = object(options.includeByName);
    const order = object(options.indexByName);
    const renamed = object(options.renameByName);
    const only = Object.keys(included).filter((name) => included[name] === true);
    return frames.map((frame) => {
        const fields = frame.fields.filter((one) => excluded[nameOf(one)] !== true && (only.length === 0 || only.includes(nameOf(one))));
        const place = (one: Field): number => number(order[nameOf(one)]) ?? Infinity;
        const sorted = fields.map((one, index) => ({ one, index })).sort((a, b) => (place(a.one) === place(b.one) ? a.index - b.index : place(a.one) - place(b.one)));
        return { ...frame, fields: sorted.map(({ one }) => {
            const title = text(renamed[nameOf(one)]);
            return title === '' ? one : { ...one, name: title, legend: undefined };
        }) };
    });
}

/** One row for every distinct set of values in the columns that all frames share. */
function merge(frames: Frame[]): Frame[] {
    if (frames.length <= 1) return frames;
    const names: string[] = [];
    const types = new Map<string, Field>();
    for (const frame of frames) for (const one of frame.fields) if (!types.has(nameOf(one))) { types.set(nameOf(one), one); names.push(nameOf(one)); }
    const shared = names.filter((name) => frames.every((frame) => frame.fields.some((one) => nameOf(one) === name)));
    const rows = new Map<string, Map<string, Cell>[]>();
    const all: Map<string, Cell>[] = [];
    for (const frame of frames) {
        for (let row = 0; row < rowsOf(frame); row++) {
            const cells = new Map(frame.fields.map((one) => [nameOf(one), one.values[row] ?? null]));
            const key = JSON.stringify(shared.map((name) => cells.get(name) ?? null));
            const same = rows.get(key)?.find((other) => [...cells].every(([name, value]) => !other.has(name) || other.get(name) === value));
            if (same && shared.length > 0) for (const [name, value] of cells) same.set(name, value);
            else {
                rows.set(key, [...(rows.get(key) ?? []), cells]);
                all.push(cells);
            }
        }
    }
    return [{ refId: frames[0]!.refId, fields: names.map((name) => ({ ...types.get(name)!, values: all.map((row) => row.get(name) ?? null) })) }];
}

function joinByField(frames: Frame[], by: string, mode: string): Frame[] {
    const keyOf = (frame: Frame): Field | undefined => frame.fields.find((one) => (by === '' || by === 'Time' ? one.type === 'time' || nameOf(one) === by : nameOf(one) === by));
    const joined = frames.filter(keyOf);
    if (joined.length === 0) return frames;
    const counts = new Map<Cell, number>();
    for (const frame of joined) for (const key of new Set(keyOf(frame)!.values)) counts.set(key, (counts.get(key) ?? 0) + 1);
    const keys = [...counts].filter(([, count]) => mode !== 'inner' || count === joined.length).map(([key]) => key);
    const first = keyOf(joined[0]!)!;
    if (first.type === 'time' || first.type === 'number') keys.sort((a, b) => Number(a) - Number(b));
    const fields: Field[] = [{ ...first, values: keys }];
    for (const frame of joined) {
        const key = keyOf(frame)!;
        const rowOf = new Map(key.values.map((value, row) => [value, row]));
        for (const one of frame.fields) {
            if (one === key) continue;
            fields.push({ ...one, values: keys.map((value) => { const row = rowOf.get(value); return row === undefined ? null : one.values[row] ?? null; }) });
        }
    }
    return [{ refId: joined[0]!.refId, fields }];
}

function groupBy(frames: Frame[], options: Loose): Frame[] {
    const wanted = object(options.fields);
    return frames.map((frame) => {
        const keys = frame.fields.filter((one) => object(wanted[nameOf(one)]).operation === 'groupby');
        if (keys.length === 0) return frame;
        const groups = new Map<string, number[]>();
        for (let row = 0; row < rowsOf(frame); row++) {
            const key = JSON.stringify(keys.map((one) => one.values[row]));
            groups.set(key, [...(groups.get(key) ?? []), row]);
        }
        const rows = [...groups.values()];
        const fields = keys.map((one) => ({ ...one, values: rows.map((group) => one.values[group[0]!] ?? null) }));
        for (const one of frame.fields) {
            const said = object(wanted[nameOf(one)]);
            if (said.operation !== 'aggregate' || !Array.isArray(said.aggregations)) continue;
            for (const calc of said.aggregations as unknown[]) {
                const values = rows.map((group) => reduce(group.map((row) => one.values[row] ?? null), text(calc)));
                fields.push({ ...one, name: `${nameOf(one)} (${text(calc)})`, legend: undefined, type: typeof values[0] === 'string' ? 'string' : 'number', values });
            }
        }
        return { ...frame, fields };
    });
}

function filterFields(frames: Frame[], options: Loose, scope: Scope): Frame[] {
    const rule = (given: Loose): ((one: Field) => boolean) | null => {
        const names = Array.isArray(given.names) ? given.names.map((name: unknown) => text(name)) : [];
        const pattern = text(given.pattern) === '' ? null : regexOf(fillIn(text(given.pattern), scope, 'text'));
        const variable = text(given.variable) === '' ? [] : fillIn(`\${${text(given.variable).replace(/^\$/, '')}:csv}`, scope).split(',');
        if (names.length === 0 && !pattern && variable.length === 0) return null;
        return (one) => names.includes(nameOf(one)) || variable.includes(nameOf(one)) || !!pattern?.test(nameOf(one));
    };
    const include = rule(object(options.include));
    const exclude = rule(object(options.exclude));
    return frames.map((frame) => ({ ...frame, fields: frame.fields.filter((one) => (!include || include(one)) && !exclude?.(one)) })).filter((frame) => frame.fields.length > 0);
}

function reduceFrames(frames: Frame[], options: Loose): Frame[] {
    const calcs: string[] = Array.isArray(options.reducers) && options.reducers.length > 0 ? options.reducers.map((calc: unknown) => text(calc)) : ['max'];
    if (options.mode === 'reduceFields') {
        return frames.map((frame) => ({ ...frame, fields: frame.fields.filter((one) => one.type === 'number').map((one) => ({ ...one, values: [reduce(one.values, calcs[0]!)] })) }));
    }
    const numbers = frames.flatMap((frame) => frame.fields.filter((one) => one.type === 'number'));
    const labels = options.labelsToFields === true ? [...new Set(numbers.flatMap((one) => Object.keys(one.labels ?? {})))].filter((name) => name !== '__name__') : [];
    return [{ refId: frames[0]?.refId ?? 'A', fields: [
        field('Field', 'string', numbers.map(nameOf)),
        ...labels.map((name) => field(name, 'string', numbers.map((one) => one.labels?.[name] ?? ''))),
        ...calcs.map((calc) => field(CALC_TITLES[calc] ?? calc, 'number', numbers.map((one) => reduce(one.values, calc)))),
    ] }];
}

function calculate(left: Cell, operator: string, right: Cell): Cell {
    if (typeof left !== 'number' || typeof right !== 'number') return null;
    switch (operator) {
    case '+': return left + right;
    case '-': return left - right;
    case '*': return left * right;
    case '/': return right === 0 ? null : left / right;
    case '%': return right === 0 ? null : left % right;
    case '**': return left ** right;
    default: return null;
    }
}

const UNARY: Record<string, (value: number) => number> = { abs: Math.abs, exp: Math.exp, ln: Math.log, floor: Math.floor, ceil: Math.ceil, round: Math.round, sqrt: Math.sqrt, sign: Math.sign };

function calculateField(frames: Frame[], options: Loose): Frame[] {
    const mode = text(options.mode, 'reduceRow');
    const given = mode === 'reduceRow' && frames.length > 1 ? joinByField(frames, '', 'outer') : frames;
    return given.map((frame) => {
        const operand = (said: unknown): ((row: number) => Cell) | null => {
            const wanted = typeof said === 'object' ? object(object(said).matcher).options ?? object(said).fixed : said;
            const one = frame.fields.find((other) => nameOf(other) === wanted || other.name === wanted);
            if (one) return (row) => one.values[row] ?? null;
            const fixed = number(wanted);
            return fixed === undefined ? null : () => fixed;
        };
        let values: Cell[] = [];
        let title = text(options.alias);
        if (mode === 'binary') {
            const said = object(options.binary);
            const left = operand(said.left);
            const right = operand(said.right);
            if (!left || !right) return frame;
            for (let row = 0; row < rowsOf(frame); row++) values.push(calculate(left(row), text(said.operator, '+'), right(row)));
            title ||= `${text(said.left)} ${text(said.operator)} ${text(said.right)}`;
        } else if (mode === 'unary') {
            const said = object(options.unary);
            const source = operand(said.fieldName);
            const run = UNARY[text(said.operator)];
            if (!source || !run) return frame;
            for (let row = 0; row < rowsOf(frame); row++) { const value = source(row); values.push(typeof value === 'number' ? run(value) : null); }
            title ||= `${text(said.operator)}(${text(said.fieldName)})`;
        } else if (mode === 'index') {
            values = Array.from({ length: rowsOf(frame) }, (_, row) => row);
            title ||= 'Row';
        } else {
            const said = object(options.reduce);
            const include = Array.isArray(said.include) && said.include.length > 0 ? said.include as string[] : null;
            const numbers = frame.fields.filter((one) => one.type === 'number' && (!include || include.includes(nameOf(one))));
            for (let row = 0; row < rowsOf(frame); row++) values.push(reduce(numbers.map((one) => one.values[row] ?? null), text(said.reducer, 'sum')));
            title ||= CALC_TITLES[text(said.reducer)] ?? text(said.reducer, 'Total');
        }
        const made = field(title, 'number', values);
        const kept = options.replaceFields === true ? frame.fields.filter((one) => one.type === 'time') : frame.fields;
        return { ...frame, fields: [...kept, made] };
    });
}

function labelsToFields(frames: Frame[], options: Loose): Frame[] {
    const made = frames.map((frame) => {
        const valued = frame.fields.filter((one) => one.labels);
        const names = [...new Set(valued.flatMap((one) => Object.keys(one.labels!)))].filter((name) => name !== '__name__');
        const fields = frame.fields.map((one) => ({ ...one, legend: undefined, labels: undefined }));
        const count = rowsOf(frame);
        for (const name of names) fields.splice(1, 0, { ...field(name, 'string', new Array<Cell>(count).fill(valued[0]!.labels![name] ?? '')), legend: undefined, labels: undefined });
        return { ...frame, fields: fields as Field[] };
    });
    return options.mode === 'rows' ? made : merge(made);
}

function sortBy(frames: Frame[], options: Loose): Frame[] {
    const [by] = list(options.sort);
    return frames.map((frame) => {
        const key = frame.fields.find((one) => nameOf(one) === text(by?.field));
        if (!key) return frame;
        const order = key.values.map((value, row) => ({ value, row })).sort((a, b) => {
            const less = typeof a.value === 'number' && typeof b.value === 'number' ? a.value - b.value : String(a.value ?? '').localeCompare(String(b.value ?? ''), undefined, { numeric: true });
            return by?.desc === true ? -less : less;
        });
        return { ...frame, fields: frame.fields.map((one) => ({ ...one, values: order.map(({ row }) => one.values[row] ?? null) })) };
    });
}

function compares(value: Cell, config: Loose): boolean {
    const said = object(config.options).value;
    const left = Number(value);
    const right = Number(said);
    switch (text(config.id)) {
    case 'isNull': return value === null;
    case 'isNotNull': return value !== null;
    case 'equal': return String(value) === String(said);
    case 'notEqual': return String(value) !== String(said);
    case 'greater': return left > right;
    case 'greaterOrEqual': return left >= right;
    case 'lower': return left < right;
    case 'lowerOrEqual': return left <= right;
    case 'between': return left > Number(object(config.options).from) && left < Number(object(config.options).to);
    case 'regex': return !!regexOf(text(said))?.test(String(value));
    default: return true;
    }
}

function filterByValue(frames: Frame[], options: Loose): Frame[] {
    const rules = list(options.filters);
    return frames.map((frame) => {
        const kept: number[] = [];
        for (let row = 0; row < rowsOf(frame); row++) {
            const hits = rules.flatMap((rule) => {
                const one = frame.fields.find((other) => nameOf(other) === rule.fieldName);
                return one ? [compares(one.values[row] ?? null, object(rule.config))] : [];
            });
            const hit = hits.length > 0 && (options.match === 'all' ? hits.every(Boolean) : hits.some(Boolean));
            if ((options.type === 'exclude') !== hit || hits.length === 0) kept.push(row);
        }
        return { ...frame, fields: frame.fields.map((one) => ({ ...one, values: kept.map((row) => one.values[row] ?? null) })) };
    });
}

function renameByRegex(frames: Frame[], options: Loose): Frame[] {
    const regex = regexOf(text(options.regex));
    if (!regex) return frames;
    return frames.map((frame) => ({ ...frame, fields: frame.fields.map((one) => (one.type === 'time' ? one
        : { ...one, legend: undefined, name: nameOf(one).replace(regex, text(options.renamePattern)) })) }));
}

function seriesToRows(frames: Frame[]): Frame[] {
    const rows: { at: Cell; name: string; value: Cell }[] = [];
    for (const frame of frames) {
        const times = frame.fields.find((one) => one.type === 'time');
        for (const one of frame.fields) if (one.type === 'number') one.values.forEach((value, row) => rows.push({ at: times?.values[row] ?? null, name: nameOf(one), value }));
    }
    rows.sort((a, b) => Number(b.at) - Number(a.at));
    return [{ refId: 'A', fields: [field('Time', 'time', rows.map((row) => row.at)), field('Metric', 'string', rows.map((row) => row.name)), field('Value', 'number', rows.map((row) => row.value))] }];
}

/** Applies a panel's transformations. Those not known are named in `unknown`. */
export function transform(frames: Frame[], given: Loose[], scope: Scope): { frames: Frame[]; unknown: string[] } {
    const unknown: string[] = [];
    let made = frames;
    for (const one of given) {
        if (one.disabled === true || made.length === 0) continue;
        const options = object(one.options);
        switch (text(one.id)) {
        case 'organize': made = organize(made, options); break;
        case 'merge': made = merge(made); break;
        case 'joinByField': case 'seriesToColumns': made = joinByField(made, text(options.byField), text(options.mode, 'outer')); break;
        case 'groupBy': made = groupBy(made, options); break;
        case 'filterFieldsByName': made = filterFields(made, options, scope); break;
        case 'filterByRefId': case 'filterFramesByRefId': { const keep = regexOf(text(options.include)); made = made.filter((frame) => !keep || keep.test(frame.refId)); break; }
        case 'reduce': made = reduceFrames(made, options); break;
        case 'calculateField': made = calculateField(made, options); break;
        case 'labelsToFields': made = labelsToFields(made, options); break;
        case 'sortBy': made = sortBy(made, options); break;
        case 'filterByValue': made = filterByValue(made, options); break;
        case 'renameByRegex': made = renameByRegex(made, options); break;
        case 'limit': made = made.map((frame) => ({ ...frame, fields: frame.fields.map((part) => ({ ...part, values: part.values.slice(0, number(options.limitField) ?? 10) })) })); break;
        case 'seriesToRows': made = seriesToRows(made); break;
        case 'prepareTimeSeries': case 'convertFieldType': break;
        default: unknown.push(text(one.id));
        }
    }
    return { frames: made, unknown };
}

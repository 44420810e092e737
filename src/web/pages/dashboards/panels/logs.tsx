// logs.tsx - lines of log with time and level.
import { formatTime } from '../../../shared/time';
import { rowsOf, type Field } from '../frames';
import type { RenderProps } from './panels';

const LEVELS: readonly (readonly [RegExp, string])[] = [
    [/^(crit|fatal|emerg|alert)/i, 'F'], [/^err/i, 'E'], [/^warn/i, 'W'], [/^(info|notice)/i, 'I'], [/^(debug|dbug)/i, 'D'], [/^trace/i, 'T'],
];
const SHOWN_MAX = 500;

const levelOf = (word: string): string => LEVELS.find(([pattern]) => pattern.test(word))?.[1] ?? '·';

export function Logs({ panel, frames, zone }: RenderProps) {
    const wrap = panel.options.wrapLogMessage === true;
    return (
        <ol class={wrap ? 'log-lines wrap' : 'log-lines'} tabIndex={0}>
            {frames.flatMap((frame) => {
                const find = (test: (one: Field) => boolean): Field | undefined => frame.fields.find(test);
                const time = find((one) => one.type === 'time');
                const line = find((one) => /^(line|message|body|Line)$/.test(one.name)) ?? find((one) => one.type === 'string');
                const level = find((one) => /^(log\.level|level|severity|lvl)$/.test(one.name));
                return Array.from({ length: Math.min(SHOWN_MAX, rowsOf(frame)) }, (_, row) => {
                    const letter = levelOf(String(level?.values[row] ?? ''));
                    return (
                        <li key={row} data-level={letter}><span class="level">{letter}</span>
                            {panel.options.showTime !== false && <time>{time && time.values[row] !== null ? formatTime(Number(time.values[row]), zone, true) : ''}</time>}
                            <span class="line">{String(line?.values[row] ?? '')}</span></li>
                    );
                });
            })}
        </ol>
    );
}

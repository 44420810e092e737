// result.ts - answers to expressions as rows of a table and as series of a chart.
import { printMetric, readNumber, type Labels, type PromData, type PromPair } from '../../shared/prom';
import { formatTime } from '../../shared/time';

export interface Row { labels: Labels | null; value: string }

interface NativeHistogram { count: string; sum: string; buckets?: [number, string, string, string][] }

function printHistogram(raw: unknown): string {
    const one = raw as NativeHistogram;
    const buckets = (one.buckets ?? []).map(([edge, low, high, count]) => `${edge === 1 || edge === 3 ? '[' : '('}${low}, ${high}${edge === 0 || edge === 3 ? ']' : ')'}: ${count}`);
    return [`count: ${one.count}, sum: ${one.sum}`, ...buckets].join('\n');
}

const printPair = ([at, value]: PromPair): string => `${value} @ ${formatTime(at * 1000, 'browser', at % 1 !== 0)}`;

export function rowsOf(data: PromData): Row[] {
    if (data.resultType === 'scalar' || data.resultType === 'string') return [{ labels: null, value: data.result[1] }];
    if (data.resultType === 'vector') {
        return data.result.map((one) => ({ labels: one.metric, value: one.value ? one.value[1] : printHistogram((one.histogram as [number, unknown])[1]) }));
    }
    return (data as Extract<PromData, { resultType: 'matrix' }>).result.map((one) => ({
        labels: one.metric,
        value: [...(one.values ?? []).map(printPair), ...((one.histograms ?? []) as [number, unknown][]).map(([at, raw]) => `${printHistogram(raw)} @ ${formatTime(at * 1000)}`)].join('\n'),
    }));
}

export interface Plot { times: number[]; names: string[]; values: (number | null)[][]; cut: number; histograms: number }

/** Series on the grid of the query's steps; missing steps are gaps. */
export function plotOf(data: PromData, start: number, end: number, step: number, max: number): Plot {
    const times: number[] = [];
    for (let at = start; at <= end + 1e-6; at += step) times.push(Math.round(at * 1000));
    if (data.resultType !== 'matrix') return { times, names: [], values: [], cut: 0, histograms: 0 };
    const plain = data.result.filter((one) => (one.values?.length ?? 0) > 0);
    const shown = plain.slice(0, max);
    const values = shown.map((one) => {
        const column = new Array<number | null>(times.length).fill(null);
        for (const [at, text] of one.values!) {
            const index = Math.round((at - start) / step);
            const value = readNumber(text);
            if (index >= 0 && index < column.length && Number.isFinite(value)) column[index] = value;
        }
        return column;
    });
    return { times, names: shown.map((one) => printMetric(one.metric)), values, cut: plain.length - shown.length, histograms: data.result.length - plain.length };
}
